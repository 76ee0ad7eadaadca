import type { Command } from 'commander';
import { recordingListSchema } from '../../protocol/rest-terminals.ts';
import { agentArgument, countArgument, recordingArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';
import { createTerminalFilter } from './terminal-filter.ts';

interface ListFlags extends ClientFlags {
  agent?: string;
  limit: number;
  cursor?: string;
}

async function list(deps: CliDeps, flags: ListFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const page = await client.call({
    path: '/recordings',
    query: { agent: flags.agent, limit: flags.limit, cursor: flags.cursor },
    answer: recordingListSchema,
  });
  if (flags.json) return printJson(deps.stdout, page);
  const rows = page.items.map((recording) => [
    recording.id,
    timeText(recording.opened_at),
    recording.vm_id,
    recording.actor.name,
    recording.end_reason ?? 'open',
    String(recording.exit_code ?? '-'),
    String(recording.size),
  ]);
  await write(deps.stdout, table(['RECORDING', 'OPENED', 'VM', 'BY', 'ENDED', 'EXIT', 'BYTES'], rows));
  if (page.next_cursor !== null)
    deps.stderr.write(`Older ones: vm-orchestrator recordings --cursor ${page.next_cursor}\n`);
}

async function get(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  for await (const chunk of await client.open({ path: `/recordings/${id}/cast` }))
    await write(deps.stdout, chunk as Buffer);
}

async function play(
  deps: CliDeps,
  id: string,
  flags: ClientFlags & { speed: number; idle: number },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const chunks: Buffer[] = [];
  for await (const chunk of await client.open({ path: `/recordings/${id}/cast` }))
    chunks.push(chunk as Buffer);
  const [, ...lines] = Buffer.concat(chunks).toString('utf8').split('\n');
  const filter = createTerminalFilter();
  let last = 0;
  for (const line of lines) {
    if (!line.endsWith(']')) break;
    const [at, type, text] = JSON.parse(line) as [number, string, string];
    await deps.clock.sleep((Math.min(at - last, flags.idle) / flags.speed) * 1000);
    last = at;
    if (type === 'o') await write(deps.stdout, filter(text));
  }
  await write(deps.stdout, '\u001b[0m\n');
}

async function remove(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  await client.call({ method: 'DELETE', path: `/recordings/${id}`, answer: undefined });
  if (flags.json) await printJson(deps.stdout, { id, deleted: true });
  else await write(deps.stdout, `deleted ${id}\n`);
}

/** `vm-orchestrator recordings …`: what terminals showed. */
export function register(program: Command, deps: CliDeps): void {
  const recordings = program
    .command('recordings')
    .description('list, play, get and delete recordings of terminals');
  withClientFlags(
    recordings
      .command('list', { isDefault: true })
      .description('list recordings, the newest first')
      .option('--agent <agent>', 'of this agent alone: vm_id or agent_id', agentArgument)
      .option('--limit <n>', 'how many, at most 500', countArgument('--limit', 500), 50)
      .option('--cursor <cursor>', 'go on where another list ended (its next_cursor)'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ListFlags) => reporting(deps, flags, () => list(deps, flags)));
  const one = (name: string, description: string) =>
    withClientFlags(
      recordings.command(name).description(description).argument('<recording>', 'its id', recordingArgument),
    ).addHelpText('after', CLIENT_HELP);
  one('play', 'show a recording here, as it went')
    .option('--speed <n>', 'so many times as fast', countArgument('--speed', 100), 1)
    .option('--idle <seconds>', 'cut waits to this', countArgument('--idle', 3600), 2)
    .action((id: string, flags: ClientFlags & { speed: number; idle: number }) =>
      reporting(deps, flags, () => play(deps, id, flags)),
    );
  one('get', 'print a recording as asciicast v2, for asciinema play and others').action(
    (id: string, flags: ClientFlags) => reporting(deps, flags, () => get(deps, id, flags)),
  );
  one('delete', 'delete a recording').action((id: string, flags: ClientFlags) =>
    reporting(deps, flags, () => remove(deps, id, flags)),
  );
}
