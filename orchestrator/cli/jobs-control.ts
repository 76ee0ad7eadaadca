import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import {
  cancelResponseSchema,
  type Job,
  jobSchema,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { restoreListSchema } from '../../protocol/rest-restores.ts';
import { outputGroupsSchema, type RetryRequest } from '../../protocol/rest-rollout.ts';
import { jobArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, write } from './print.ts';
import { groupsText, plural, stateText } from './rollout-text.ts';

const pathOf = (id: string, verb: string) => `/jobs/${encodeURIComponent(id)}/${verb}`;
const keyed = () => ({ 'idempotency-key': randomUUID() });

async function cancel(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const call = { method: 'POST', path: pathOf(id, 'cancel'), headers: keyed() } as const;
  const outcome = await client.call({ ...call, answer: cancelResponseSchema });
  if (flags.json) return printJson(deps.stdout, outcome);
  const { cancel_requested: asked, already_ended: ended } = outcome;
  await write(deps.stdout, `cancel requested for ${asked}; ${ended} had ended already\n`);
}

async function control(
  deps: CliDeps,
  what: 'pause' | 'resume',
  id: string,
  flags: ClientFlags,
): Promise<void> {
  const client = await clientFor(deps, flags);
  const call = { method: 'POST', path: pathOf(id, what), headers: keyed() } as const;
  const job = await client.call({ ...call, answer: jobSchema });
  if (flags.json) return printJson(deps.stdout, job);
  await write(deps.stdout, `${job.id}: ${stateText(job)}\n`);
}

type ReleaseFlags = ClientFlags & { allHeld?: true };

async function release(deps: CliDeps, id: string | undefined, flags: ReleaseFlags): Promise<void> {
  if ((id === undefined) === (flags.allHeld === undefined))
    throw new AppError('config_invalid', {
      detail: 'Give the id of a job, or --all-held.',
      hint: 'What is held: vm-orchestrator restores',
    });
  const client = await clientFor(deps, flags);
  const heldJobs = async () => {
    const { items } = await client.call({ path: '/restores', answer: restoreListSchema });
    return items[0]?.held.jobs.map((job) => job.id) ?? [];
  };
  const released: Job[] = [];
  for (let ids = id === undefined ? await heldJobs() : [id]; ids.length > 0; ) {
    for (const one of ids) {
      const call = { method: 'POST', path: pathOf(one, 'release'), headers: keyed() } as const;
      released.push(await client.call({ ...call, answer: jobSchema }));
    }
    // The list is cut after some.
    ids = id === undefined ? (await heldJobs()).filter((one) => !released.some((job) => job.id === one)) : [];
  }
  if (flags.json) return printJson(deps.stdout, { items: released });
  const lines = released.map((job) => `${job.id}: ${stateText(job)}\n`);
  await write(deps.stdout, lines.length === 0 ? 'Nothing is held.\n' : lines.join(''));
}

type RetryFlags = ClientFlags & { which: NonNullable<RetryRequest['which']> | 'not-run' };

async function retry(deps: CliDeps, id: string, flags: RetryFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: RetryRequest = { which: flags.which === 'not-run' ? 'not_run' : flags.which };
  const call = { method: 'POST', path: pathOf(id, 'retry'), headers: keyed(), body } as const;
  const job = await client.call({ ...call, answer: jobWithCommandsSchema });
  if (flags.json) return printJson(deps.stdout, job);
  await write(deps.stdout, `${job.id}: ${plural(job.commands.length, 'machine')} of ${id} again\n`);
}

async function groups(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const found = await client.call({ path: pathOf(id, 'groups'), answer: outputGroupsSchema });
  await (flags.json ? printJson(deps.stdout, found) : write(deps.stdout, groupsText(found)));
}

type Act<F> = (deps: CliDeps, id: string, flags: F) => Promise<void>;

/** The subcommands of `jobs` that take one job and do one thing with it. */
export function registerControl(jobs: Command, deps: CliDeps): void {
  const one = <F extends ClientFlags>(name: string, text: string, act: Act<F>, option?: Option) => {
    const command = jobs.command(name).description(text).argument('<job>', 'its id', jobArgument);
    if (option !== undefined) command.addOption(option);
    withClientFlags(command)
      .addHelpText('after', CLIENT_HELP)
      .action((id: string, flags: F) => reporting(deps, flags, () => act(deps, id, flags)));
  };
  one('cancel', 'ask for the end of a job’s commands; waves that wait never begin', cancel);
  one(
    'pause',
    'give nothing more of a job in waves to machines',
    (...[d, id, flags]: Parameters<typeof cancel>) => control(d, 'pause', id, flags),
  );
  one('resume', 'let a paused job go on', (...[d, id, flags]: Parameters<typeof cancel>) =>
    control(d, 'resume', id, flags),
  );
  withClientFlags(
    jobs
      .command('release')
      .description('let go what is held since the orchestrator was restored from a backup')
      .argument('[job]', 'its id', jobArgument)
      .option('--all-held', 'every job that is held'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string | undefined, flags: ReleaseFlags) =>
      reporting(deps, flags, () => release(deps, id, flags)),
    );
  one<RetryFlags>(
    'retry',
    'try an ended job again where it did not succeed, as a new job',
    retry,
    new Option('--which <which>', 'machines on which it failed, did not run, or both')
      .choices(['failed', 'not-run', 'all'])
      .default('failed'),
  );
  one('groups', 'show which machines printed the same, and how the others differ', groups);
}
