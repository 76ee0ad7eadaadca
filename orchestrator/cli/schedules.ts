import { type Command, InvalidArgumentError, Option } from 'commander';
import { jobWithCommandsSchema } from '../../protocol/rest-jobs.ts';
import {
  type CreateScheduleRequest,
  type Schedule,
  scheduleListSchema,
  scheduleSchema,
} from '../../protocol/rest-schedules.ts';
import { sayWhatWaits } from './approval-notice.ts';
import { durationArgument, selectorArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, table, timeText, write } from './print.ts';

const PATH = '/schedules';
const at = (id: string) => `${PATH}/${encodeURIComponent(id)}`;

interface AddFlags extends ClientFlags {
  cron: string;
  timeZone?: string;
  selector: string;
  runsOn?: CreateScheduleRequest['runs_on'];
  overlap?: CreateScheduleRequest['overlap'];
  startWithin?: number;
  timeout?: number;
}

export function nameArgument(text: string): string {
  if (/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError(
    'A name has 1–64 characters of a–z 0–9 . _ -, and begins and ends with a letter or digit.',
  );
}

/** Of its whole command a list shows the beginning. */
const COMMAND_SHOWN = 60;

function what({ job }: Schedule): string {
  const { command } = job.arguments;
  const text = typeof command === 'string' ? command : (job.script?.interpreter ?? job.tool);
  return text.length > COMMAND_SHOWN ? `${text.slice(0, COMMAND_SHOWN)}…` : text;
}

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items = await readRows(client, PATH, scheduleListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((each) => [
    each.name,
    `${each.cron} ${each.time_zone}`,
    each.enabled ? timeText(each.next_runs[0] ?? '') : 'off',
    each.last_due_at === null ? 'never' : timeText(each.last_due_at),
    each.runs_on,
    each.job.selector,
    what(each),
  ]);
  await write(deps.stdout, table(['NAME', 'CRON', 'NEXT', 'LAST', 'RUNS ON', 'WHERE', 'WHAT'], rows));
}

function describe(schedule: Schedule): string {
  const { name, cron, time_zone, enabled, next_runs, runs_on, overlap, start_within, job } = schedule;
  return [
    `${name} (${schedule.id})${enabled ? '' : ', off'}`,
    `  when:    ${cron} ${time_zone}; may start up to ${start_within} s late`,
    `  where:   ${job.selector}, run by the ${runs_on === 'agents' ? 'machines themselves' : 'orchestrator'}; overlap: ${overlap}`,
    `  what:    ${what(schedule)}`,
    `  by:      ${schedule.created_by.name}`,
    `  last:    ${schedule.last_job_id === null ? 'never' : `${timeText(schedule.last_due_at ?? '')} ${schedule.last_job_id}`}`,
    ...next_runs.map((time, index) => `  ${index === 0 ? 'next:' : '     '}    ${timeText(time)}`),
    '',
  ].join('\n');
}

const show = async (deps: CliDeps, schedule: Schedule, flags: ClientFlags): Promise<void> =>
  flags.json ? printJson(deps.stdout, schedule) : write(deps.stdout, describe(schedule));

async function add(deps: CliDeps, name: string, words: readonly string[], flags: AddFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: CreateScheduleRequest = {
    name,
    cron: flags.cron,
    ...(flags.timeZone === undefined ? {} : { time_zone: flags.timeZone }),
    ...(flags.runsOn === undefined ? {} : { runs_on: flags.runsOn }),
    ...(flags.overlap === undefined ? {} : { overlap: flags.overlap }),
    ...(flags.startWithin === undefined ? {} : { start_within: Math.ceil(flags.startWithin) }),
    job: {
      selector: flags.selector,
      arguments: { command: words.join(' ') },
      ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    },
  };
  await show(deps, await client.call({ method: 'POST', path: PATH, body, answer: scheduleSchema }), flags);
}

async function change(deps: CliDeps, id: string, body: object, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  await show(deps, await client.call({ method: 'PATCH', path: at(id), body, answer: scheduleSchema }), flags);
}

/** `vm-orchestrator schedules …`: jobs that come again. */
export function register(program: Command, deps: CliDeps): void {
  const schedules = program
    .command('schedules')
    // What follows the name of a subcommand that takes a command line is that command’s own.
    .enablePositionalOptions()
    .description('jobs that come again, by cron');
  const sub = (name: string, text: string) => schedules.command(name).description(text);
  const withId = (command: Command) => command.argument('<name>', 'its name or id');
  const finish = (command: Command, example = '') =>
    withClientFlags(command).addHelpText(
      'after',
      `${CLIENT_HELP}${example === '' ? '' : `\n\nExample:\n  ${example}`}`,
    );

  finish(schedules.command('list', { isDefault: true }).description('list the schedules')).action(
    (flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)),
  );
  finish(withId(sub('show', 'one schedule, with its next runs'))).action((id: string, flags: ClientFlags) =>
    reporting(deps, flags, async () => {
      const client = await clientFor(deps, flags);
      await show(deps, await client.call({ path: at(id), answer: scheduleSchema }), flags);
    }),
  );
  finish(
    sub('add', 'run a command again and again')
      .argument('<name>', 'a name of its own', nameArgument)
      .argument('<command...>', 'joined by spaces and run by /bin/sh -c, as vm-orchestrator run does')
      .requiredOption('--cron <pattern>', 'minute hour day month weekday, e.g. "30 3 * * 1-5"; or @daily')
      .requiredOption('--selector <selector>', 'which agents, each time anew', selectorArgument)
      .option('--time-zone <name>', 'of the pattern, e.g. Europe/Berlin (default: UTC)')
      .addOption(
        new Option('--runs-on <where>', 'agents: machines start it themselves, connected or not').choices([
          'orchestrator',
          'agents',
        ]),
      )
      .addOption(new Option('--overlap <what>', 'when the one before still runs').choices(['allow', 'skip']))
      .option(
        '--start-within <time>',
        'how late it may start (default: 10m)',
        durationArgument('--start-within', { least: '1s', most: '6d' }),
      )
      .option(
        '--timeout <time>',
        'how long it may run (default: 5m)',
        durationArgument('--timeout', { most: '7d' }),
      )
      .passThroughOptions(),
    'vm-orchestrator schedules add nightly --cron "30 3 * * *" --selector env=prod -- apt-get -y upgrade',
  ).action((name: string, words: string[], flags: AddFlags) =>
    reporting(deps, flags, () => add(deps, name, words, flags)),
  );
  for (const [verb, enabled, text] of [
    ['enable', true, 'let a schedule come again'],
    ['disable', false, 'keep a schedule from coming; what machines carry is taken back'],
  ] as const)
    finish(withId(sub(verb, text))).action((id: string, flags: ClientFlags) =>
      reporting(deps, flags, () => change(deps, id, { enabled }, flags)),
    );
  finish(withId(sub('run', 'run a schedule’s job now, besides its occurrences'))).action(
    (id: string, flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        const job = await client.call({
          method: 'POST',
          path: `${at(id)}/run`,
          body: {},
          answer: jobWithCommandsSchema,
        });
        if (flags.json) return printJson(deps.stdout, job);
        await write(
          deps.stdout,
          `${job.id} on ${job.commands.length} machine(s); vm-orchestrator jobs show ${job.id}\n`,
        );
        await sayWhatWaits(deps, client, job);
      }),
  );
  finish(withId(sub('remove', 'remove a schedule; its jobs stay'))).action((id: string, flags: ClientFlags) =>
    reporting(deps, flags, async () => {
      const client = await clientFor(deps, flags);
      await client.call({ method: 'DELETE', path: at(id), answer: undefined });
      if (flags.json) return printJson(deps.stdout, { name: id, removed: true });
      await write(deps.stdout, `${id} is removed\n`);
    }),
  );
}
