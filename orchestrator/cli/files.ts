import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import { type ListDirectory, listDirectorySchema } from '../../protocol/file-tools.ts';
import { remoteFileArgument } from './arguments.ts';
import { callTool } from './call-tool.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  EXIT,
  printError,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';
import { download, type RemoteFile, upload } from './transfer.ts';

const PAGE = 1000;

async function list(deps: CliDeps, file: RemoteFile, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const entries: ListDirectory['entries'] = [];
  let directory: string;
  for (let offset: number | undefined = 0; ; ) {
    const page: ListDirectory = await callTool(client, {
      agent: file.agent,
      tool: 'list_directory',
      args: { directory_path: file.path, offset, limit: PAGE },
      answer: listDirectorySchema,
    });
    directory = page.directory_path;
    entries.push(...page.entries);
    offset = page.next_offset;
    if (offset === undefined) break;
  }
  if (flags.json) return printJson(deps.stdout, { directory_path: directory, entries });
  const rows = entries.map(({ name, type, size, mode, owner, modified, target }) => [
    type,
    mode,
    owner,
    String(size),
    timeText(modified),
    target === undefined ? name : `${name} -> ${target}`,
  ]);
  await write(deps.stdout, table(['TYPE', 'MODE', 'OWNER', 'SIZE', 'CHANGED', 'NAME'], rows));
}

async function cat(deps: CliDeps, file: RemoteFile, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const response = await client.open({
    path: `/agents/${encodeURIComponent(file.agent)}/files/content`,
    query: { path: file.path },
  });
  for await (const chunk of response) await write(deps.stdout, chunk as Buffer);
}

/** Work that Ctrl-C interrupts; what has come so far is kept. */
async function interruptible(
  deps: CliDeps,
  flags: ClientFlags,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const shutdown = deps.shutdown();
  try {
    await work(shutdown.graceful);
  } catch (cause) {
    if (!shutdown.graceful.aborted) throw cause;
    const error = new AppError('unavailable', {
      detail: 'The transfer was interrupted.',
      hint: 'Run it again to go on.',
    });
    printError(deps, error, flags.json === true);
    deps.exitWith(EXIT.interrupted);
  } finally {
    shutdown.dispose();
  }
}

interface GetFlags extends ClientFlags {
  overwrite?: true;
}

async function get(deps: CliDeps, file: RemoteFile, to: string, flags: GetFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const folder = await stat(to).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const local = folder ? join(to, basename(file.path)) : to;
  if (!flags.overwrite && existsSync(local))
    throw new AppError('conflict', {
      detail: `${local} exists already.`,
      hint: 'Use --overwrite to replace it.',
    });
  await interruptible(deps, flags, async (signal) => {
    const { size, resumedAt } = await download(deps, client, file, local, signal);
    if (flags.json) return await printJson(deps.stdout, { path: local, size, resumed_at: resumedAt });
    await write(deps.stdout, `${local}: ${size} bytes${resumedAt > 0 ? `, went on at ${resumedAt}` : ''}\n`);
  });
}

/** A refusal of an upload, in the words of this command. */
function uploadError(cause: unknown, path: string): unknown {
  if (!(cause instanceof AppError)) return cause;
  const { code, message } = cause;
  if (code === 'conflict' && message.includes('exists already'))
    return new AppError(code, { detail: message, hint: 'Use --overwrite to replace it.', cause });
  if (code === 'not_found' && message.includes(path))
    return new AppError(code, {
      detail: `There is no folder ${dirname(path)} on that machine.`,
      hint: 'Make it first, or choose another one.',
      cause,
    });
  return cause;
}

async function put(
  deps: CliDeps,
  local: string,
  file: RemoteFile,
  flags: ClientFlags & { overwrite?: true; mode?: string },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const path = file.path.endsWith('/') ? `${file.path}${basename(local)}` : file.path;
  await interruptible(deps, flags, async (signal) => {
    const done = await upload(
      deps,
      client,
      local,
      { ...file, path },
      {
        overwrite: flags.overwrite === true,
        mode: flags.mode,
        signal,
      },
    ).catch((cause: unknown) => {
      throw uploadError(cause, path);
    });
    if (flags.json)
      return await printJson(deps.stdout, { ...done, resumedAt: undefined, resumed_at: done.resumedAt });
    await write(
      deps.stdout,
      `${done.path}: ${done.size} bytes, ${done.created ? 'created' : 'replaced'}${done.resumedAt > 0 ? `, went on at ${done.resumedAt}` : ''}\n`,
    );
  });
}

function modeArgument(text: string): string {
  if (/^0?[0-7]{3}$/.test(text)) return text;
  throw new InvalidArgumentError('Write three octal digits, such as 644.');
}

/** `vm-orchestrator files …`: files of one machine. */
export function register(program: Command, deps: CliDeps): void {
  const files = program.command('files').description('list, read, download and upload files of an agent');
  const remote = 'AGENT:/path, the agent by its vm_id or agent_id';
  withClientFlags(
    files.command('ls').description('list a folder').argument('<agent:path>', remote, remoteFileArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((file: RemoteFile, flags: ClientFlags) => reporting(deps, flags, () => list(deps, file, flags)));
  withClientFlags(
    files
      .command('cat')
      .description('print a file, byte for byte')
      .argument('<agent:path>', remote, remoteFileArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((file: RemoteFile, flags: ClientFlags) => reporting(deps, flags, () => cat(deps, file, flags)));
  withClientFlags(
    files
      .command('get')
      .description('download a file; one that was cut off goes on where it was')
      .argument('<agent:path>', remote, remoteFileArgument)
      .argument('[local]', 'file or folder', '.')
      .option('--overwrite', 'replace a file of that name'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((file: RemoteFile, to: string, flags: GetFlags) =>
      reporting(deps, flags, () => get(deps, file, to, flags)),
    );
  withClientFlags(
    files
      .command('put')
      .description('upload a file; one that was cut off goes on where it was')
      .argument('<local>', 'file of this machine')
      .argument('<agent:path>', `${remote}; with / at its end the name stays`, remoteFileArgument)
      .option('--overwrite', 'replace a file of that name')
      .option(
        '--mode <mode>',
        'permission bits, octal; by default those of the file that is replaced, or 644',
        modeArgument,
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator files put nginx.conf vm-web-1a2b3c:/etc/nginx/ --overwrite`,
    )
    .action((local: string, file: RemoteFile, flags: ClientFlags & { overwrite?: true; mode?: string }) =>
      reporting(deps, flags, () => put(deps, local, file, flags)),
    );
}
