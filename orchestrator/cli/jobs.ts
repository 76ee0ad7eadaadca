import { type Command, Option } from 'commander';
import type { Stream } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  commandSchema,
  JOB_FILTERS,
  type Job,
  type Command as JobCommand,
  jobListSchema,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { commandArgument, countArgument, durationArgument, jobArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { registerControl } from './jobs-control.ts';
import { printJson, table, timeText, write } from './print.ts';
import { countsText, stateText, wavesTable } from './rollout-text.ts';

/** Bytes of output in one request. */
const SLICE = 8 * 1024 * 1024;
/** The same when each becomes a line of JSON. */
const JSON_SLICE = 1024 * 1024;

const commandText = ({ tool, arguments: args, script }: Job): string =>
  script !== null
    ? `script by ${script.interpreter}`
    : typeof args['command'] === 'string'
      ? args['command'].split('\n', 1).join('').slice(0, 60)
      : tool;

interface ListFlags extends ClientFlags {
  limit: number;
  cursor?: string;
  state?: (typeof JOB_FILTERS)[number];
  text?: string;
  who?: string;
  since?: number;
}

async function list(deps: CliDeps, flags: ListFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const { limit, cursor, state, text, who, since } = flags;
  const from = since === undefined ? undefined : new Date(deps.clock.now() - since * 1000).toISOString();
  const query = { limit, cursor, state, text, who, since: from };
  const page = await client.call({ path: '/jobs', query, answer: jobListSchema });
  if (flags.json) return printJson(deps.stdout, page);
  const rows = page.items.map((job) => [
    job.id,
    timeText(job.created_at),
    job.created_by.name,
    job.selector,
    job.rollout === null ? job.state : job.rollout.state,
    countsText(job.counts),
    commandText(job),
  ]);
  const header = ['JOB', 'CREATED', 'BY', 'SELECTOR', 'STATE', 'COMMANDS', 'COMMAND'];
  await write(deps.stdout, table(header, rows));
  if (page.next_cursor !== null) deps.stderr.write(`More with --cursor ${page.next_cursor}\n`);
}

async function show(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const job = await client.call({
    path: `/jobs/${encodeURIComponent(id)}`,
    // For people the outputs are not shown here.
    query: flags.json ? {} : { output: 'none' },
    answer: jobWithCommandsSchema,
  });
  if (flags.json) return printJson(deps.stdout, job);
  const { rollout } = job;
  const waves = rollout === null ? [] : ['WAVE'];
  const rows = job.commands.map((command) => [
    command.id,
    command.vm_id,
    ...(rollout === null ? [] : [String(command.wave ?? '-')]),
    command.state + (command.cancel_requested && command.ended_at === null ? ' (cancel requested)' : ''),
    String(command.result?.exit_code ?? '-'),
    `${command.output.stdout}+${command.output.stderr}`,
    command.why ?? '',
  ]);
  const links = [
    ...(job.retry_of === null ? [] : [`retry of ${job.retry_of}`]),
    ...(job.check_of === null ? [] : [`check of ${job.check_of}`]),
  ];
  await write(
    deps.stdout,
    `${job.id}: ${[stateText(job), countsText(job.counts), ...links].join('; ')}\n${commandText(job)}\n\n` +
      (rollout === null ? '' : `${wavesTable(rollout)}\n`) +
      table(['COMMAND', 'VM', ...waves, 'STATE', 'EXIT', 'BYTES', 'WHY'], rows),
  );
}

/** The command of a job that has one, or a command by its own identifier. */
async function findCommand(client: RestClient, id: string): Promise<JobCommand> {
  const path = encodeURIComponent(id);
  if (!id.startsWith('job-')) return client.call({ path: `/commands/${path}`, answer: commandSchema });
  const { commands } = await client.call({ path: `/jobs/${path}`, answer: jobWithCommandsSchema });
  const [only] = commands;
  if (only !== undefined && commands.length === 1) return only;
  throw new AppError('bad_request', {
    detail: `${id} has ${commands.length} commands.`,
    hint: `Name one of them: vm-orchestrator jobs show ${id} lists them.`,
  });
}

/** One slice of a stream as a line for machines: text in JSON holds no bytes. */
async function printSlice(
  deps: CliDeps,
  slice: { command_id: string; stream: Stream; offset: number; size: number },
  bytes: Buffer,
): Promise<void> {
  await printJson(deps.stdout, { ...slice, data: bytes.toString('base64') });
}

async function output(deps: CliDeps, id: string, flags: ClientFlags & { stream: Stream }): Promise<void> {
  const client = await clientFor(deps, flags);
  const { id: commandId } = await findCommand(client, id);
  const { stream } = flags;
  let offset = 0;
  let size = 0;
  do {
    const response = await client.open({
      path: `/commands/${commandId}/output`,
      query: { stream, offset, limit: flags.json ? JSON_SLICE : SLICE },
    });
    size = Number(response.headers['x-output-size'] ?? 0);
    const chunks: Buffer[] = [];
    const start = offset;
    for await (const chunk of response) {
      offset += (chunk as Buffer).length;
      if (flags.json) chunks.push(chunk as Buffer);
      else await write(deps.stdout, chunk as Buffer);
    }
    if (flags.json)
      await printSlice(deps, { command_id: commandId, stream, offset: start, size }, Buffer.concat(chunks));
  } while (offset < size);
}

/** `vm-orchestrator jobs …`: what was run. */
export function register(program: Command, deps: CliDeps): void {
  const jobs = program.command('jobs').description('list, show and steer jobs, and read their output');
  withClientFlags(
    jobs
      .command('list', { isDefault: true })
      .description('list jobs, newest first')
      .option('--limit <n>', 'how many, at most 500', countArgument('--limit', 500), 20)
      .option('--cursor <cursor>', 'go on after the list before')
      .addOption(
        new Option('--state <state>', 'failed: at least one machine did not succeed').choices(JOB_FILTERS),
      )
      .option('--text <text>', 'in the command, description, selector or id')
      .option('--who <name>', 'asked for by this person or token, by name or id')
      .option(
        '--since <time>',
        'made in the last …, e.g. 24h',
        durationArgument('--since', { most: '3650d' }),
      ),
  )
    .addHelpText('after', `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator jobs --state failed --since 24h`)
    .action((flags: ListFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    jobs
      .command('show')
      .description('show a job: who ran, who did not, and why')
      .argument('<job>', 'its id', jobArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => show(deps, id, flags)));
  registerControl(jobs, deps);
  withClientFlags(
    jobs
      .command('output')
      .description('print what a command wrote, byte for byte')
      .argument('<command>', 'id of a command, or of a job that has one command', commandArgument)
      .addOption(
        new Option('--stream <stream>', 'which one').choices(['stdout', 'stderr']).default('stdout'),
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator jobs output cmd-… --stream stderr

With --json it is printed as lines of JSON, the bytes in base64 as data.`,
    )
    .action((id: string, flags: ClientFlags & { stream: Stream }) =>
      reporting(deps, flags, () => output(deps, id, flags)),
    );
}
