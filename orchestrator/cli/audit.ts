import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import { checkpointSchema, eraseResponseSchema, retentionResponseSchema } from '../../protocol/rest-audit.ts';
import { countArgument } from './arguments.ts';
import { type ListFlags, listEvents } from './audit/list.ts';
import { type LogFlags, scopeOf, withLogFlags } from './audit/log.ts';
import { type VerifyFlags, verify } from './audit/verify.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting } from './client.ts';
import type { CliDeps } from './deps.ts';
import { OutputError, printJson, write } from './print.ts';

type Flags = ClientFlags & LogFlags;

async function checkpoint(deps: CliDeps, flags: Flags): Promise<void> {
  const client = await clientFor(deps, flags, scopeOf(flags));
  const answer = await client.call({ path: '/audit/checkpoint', answer: checkpointSchema });
  if (flags.json) return printJson(deps.stdout, answer);
  deps.stderr.write(`Keep the key apart from the orchestrator: ${answer.key}\n`);
  await write(deps.stdout, answer.note);
}

async function exportLog(deps: CliDeps, flags: Flags & { after: number; output?: string }): Promise<void> {
  const client = await clientFor(deps, flags, scopeOf(flags));
  const response = await client.open({ path: '/audit/export', query: { after: flags.after } });
  if (flags.output === undefined) {
    for await (const chunk of response) await write(deps.stdout, chunk as Buffer);
    return;
  }
  const { output } = flags;
  await pipeline(response, createWriteStream(output, { mode: 0o600 })).catch((cause: Error) => {
    throw cause instanceof OutputError
      ? cause
      : new AppError('unavailable', { detail: `${output} was not written: ${cause.message}.`, cause });
  });
}

async function erase(deps: CliDeps, flags: Flags & { person: string; yes?: true }): Promise<void> {
  const sure =
    flags.yes ??
    (await deps.confirm?.(`Erase the names and addresses of ${flags.person} from the log, for ever?`));
  if (!sure)
    throw new AppError('config_invalid', {
      detail: 'Nothing was erased.',
      hint: 'It cannot be undone; --yes says that it is meant.',
    });
  const client = await clientFor(deps, flags, scopeOf(flags));
  const done = await client.call({
    method: 'POST',
    path: '/audit/erase',
    body: { person: flags.person },
    answer: eraseResponseSchema,
  });
  if (flags.json) return printJson(deps.stdout, done);
  await write(deps.stdout, `${done.fields} fields of ${done.events} events were erased\n`);
}

async function retention(deps: CliDeps, flags: Flags & { before: string }): Promise<void> {
  const client = await clientFor(deps, flags, scopeOf(flags));
  const done = await client.call({
    method: 'POST',
    path: '/audit/retention',
    body: { before: flags.before },
    answer: retentionResponseSchema,
  });
  if (flags.json) return printJson(deps.stdout, done);
  await write(
    deps.stdout,
    `${done.dropped} events were dropped; the log begins after ${done.retained}, and its hashes are kept\n`,
  );
}

function timeArgument(text: string): string {
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at))
    throw new InvalidArgumentError('Write a time such as 2026-01-31 or 2026-01-31T12:00:00Z.');
  return new Date(at).toISOString();
}

function positionArgument(text: string): number {
  const position = Number(text);
  if (Number.isSafeInteger(position) && position >= 0) return position;
  throw new InvalidArgumentError('Write the position of an event, from 0 on.');
}

/** `vm-orchestrator audit …`: who did what, and that the log says so still. */
export function register(program: Command, deps: CliDeps): void {
  const audit = program.command('audit').description('list, verify and export the audit log');
  withLogFlags(
    audit
      .command('list', { isDefault: true })
      .description('list what happened, the newest first')
      .option('--limit <n>', 'how many, at most 10000', countArgument('--limit', 10_000), 50)
      .option('--cursor <cursor>', 'go on where another list ended (its next_cursor)')
      .option('--action <action>', 'only actions that begin so, e.g. token')
      .option('--actor <actor>', 'only what this one did, by id or name')
      .option('--target <id>', 'only what was done to this')
      .option('--since <time>', 'only from this time on', timeArgument)
      .option('--until <time>', 'only before this time', timeArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ListFlags) => reporting(deps, flags, () => listEvents(deps, flags)));

  withLogFlags(
    audit
      .command('verify')
      .description('say whether the log is what was sealed, and name the first event that is not')
      .option('--data <dir>', 'of serve: verify it here, without asking the orchestrator')
      .option('--file <export>', 'verify an export, with nothing else')
      .option('--key <key>', 'with --file: the verifier key that you kept, or a file with it')
      .option(
        '--checkpoint <file>',
        'a signed checkpoint that was kept elsewhere; may be repeated',
        (file: string, before: string[]) => [...before, file],
        [],
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}

Without --data and --file the orchestrator verifies itself, against the checkpoints that
its agents keep. Whoever distrusts it takes an export, and verifies that elsewhere with
the key and a checkpoint of before. Exit code 1: the log is not good.`,
    )
    .action((flags: VerifyFlags) => reporting(deps, flags, () => verify(deps, flags)));

  withLogFlags(
    audit.command('checkpoint').description('print the newest signed checkpoint (C2SP tlog-checkpoint)'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: Flags) => reporting(deps, flags, () => checkpoint(deps, flags)));

  withLogFlags(
    audit
      .command('export')
      .description('print the log as JSON lines that verify by themselves')
      .option('--after <position>', 'begin after this event', positionArgument, 0)
      .option('-o, --output <file>', 'write it there (0600)'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: Flags & { after: number; output?: string }) =>
      reporting(deps, flags, () => exportLog(deps, flags)),
    );

  withLogFlags(
    audit
      .command('erase')
      .description('erase a person’s names and addresses; the log still verifies')
      .requiredOption('--person <who>', 'user id, user name, e-mail address or network address')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: Flags & { person: string; yes?: true }) =>
      reporting(deps, flags, () => erase(deps, flags)),
    );

  withLogFlags(
    audit
      .command('retention')
      .description('drop the oldest events now; their hashes are kept, so that the rest can be proven')
      .requiredOption('--before <time>', 'drop what is from before this time', timeArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: Flags & { before: string }) => reporting(deps, flags, () => retention(deps, flags)));
}
