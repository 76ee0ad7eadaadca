import type { Stats } from 'node:fs';
import { lstat, opendir, readlink } from 'node:fs/promises';
import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type ListDirectory,
  listDirectoryArgumentsSchema,
  listDirectorySchema,
} from '../../protocol/file-tools.ts';
import { fileError } from '../files/file-error.ts';
import { kindOf, type Opened, openDirectory } from '../files/open-for-read.ts';
import { fdPath } from '../files/walk.ts';
import { Accounts } from '../proc/accounts.ts';
import { type FileToolOptions, octal } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** Names that are held at once. */
const MAX_NAMES = 500_000;
/** Entries that are looked at for an order other than by name. */
const MAX_SORTED = 50_000;
/** Characters of text, and about as many again as JSON. */
const MAX_TEXT = 60 * 1024;
/** How many entries are asked about at once. */
const BATCH = 64;

type Arguments = z.output<typeof listDirectoryArgumentsSchema>;
type Entry = ListDirectory['entries'][number];

/** What is in a directory. */
export function listDirectoryTool(
  options: FileToolOptions,
): Tool<typeof listDirectoryArgumentsSchema, typeof listDirectorySchema> {
  const accounts = new Accounts('/etc');
  return {
    name: 'list_directory',
    group: 'file',
    title: 'List a directory',
    description: 'Entries of a directory with type, size, mode, owner and time, a page at a time.',
    input: listDirectoryArgumentsSchema,
    output: listDirectorySchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => listDirectory(options, accounts, context, args),
  };
}

async function listDirectory(
  options: FileToolOptions,
  accounts: Accounts,
  { signal, access }: ToolContext,
  args: Arguments,
): Promise<ToolEnd> {
  await using folder = await openDirectory(args.directory_path, {
    access,
    protectedPaths: options.protectedPaths,
  });
  try {
    const names = await namesIn(folder, args.hidden, signal);
    const ordered = args.sort === 'name' ? names : await sortBy(args.sort, folder, names, signal);
    accounts.refresh();
    const entries: Entry[] = [];
    const rows: string[] = [];
    let length = 0;
    let next = args.offset;
    while (next < ordered.length && entries.length < args.limit && length < MAX_TEXT) {
      signal.throwIfAborted();
      const batch = ordered.slice(next, next + Math.min(BATCH, args.limit - entries.length));
      for (const entry of await Promise.all(batch.map((name) => describe(folder, name, accounts)))) {
        next++;
        // It was removed meanwhile.
        if (entry === undefined) continue;
        const row = rowOf(entry);
        entries.push(entry);
        rows.push(row);
        length += row.length;
        if (length >= MAX_TEXT) break;
      }
    }
    const more = next < ordered.length;
    const structured: ListDirectory = {
      directory_path: folder.path,
      entries,
      total: ordered.length,
      truncated: more,
      ...(more ? { next_offset: next } : {}),
    };
    const head = `${folder.path}: ${ordered.length} entries`;
    const note = more ? `\n[${next - args.offset} shown; go on with offset ${next}]` : '';
    return { kind: 'value', structured, text: `${[head, ...rows].join('\n')}${note}` };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw fileError(cause, folder.path, 'read');
  }
}

async function namesIn(folder: Opened, hidden: boolean, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(fdPath(folder.handle), { bufferSize: 1024 })) {
    signal.throwIfAborted();
    if (hidden || !name.startsWith('.')) names.push(name);
    if (names.length > MAX_NAMES)
      throw new AppError('payload_too_large', {
        detail: `${folder.path} has more than ${MAX_NAMES} entries.`,
        hint: 'Use a command such as find.',
      });
  }
  return names.sort(byName);
}

/** Code units, not a locale: the same order everywhere. */
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function sortBy(
  key: 'size' | 'modified',
  folder: Opened,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (names.length > MAX_SORTED)
    throw new AppError('payload_too_large', {
      detail: `${folder.path} has ${names.length} entries; more than ${MAX_SORTED} are listed by name only.`,
    });
  const keyed: { name: string; value: number }[] = [];
  for (let at = 0; at < names.length; at += BATCH) {
    signal.throwIfAborted();
    const batch = names.slice(at, at + BATCH);
    const stats = await Promise.all(batch.map((name) => statsOf(folder, name)));
    for (const [index, name] of batch.entries()) {
      const found = stats[index];
      keyed.push({ name, value: (key === 'size' ? found?.size : found?.mtimeMs) ?? 0 });
    }
  }
  return keyed.sort((a, b) => b.value - a.value || byName(a.name, b.name)).map(({ name }) => name);
}

const statsOf = (folder: Opened, name: string): Promise<Stats | undefined> =>
  lstat(fdPath(folder.handle, name)).catch(() => undefined);

async function describe(folder: Opened, name: string, accounts: Accounts): Promise<Entry | undefined> {
  const stats = await statsOf(folder, name);
  if (stats === undefined) return undefined;
  const target = stats.isSymbolicLink()
    ? await readlink(fdPath(folder.handle, name)).catch(() => undefined)
    : undefined;
  return {
    name,
    type: kindOf(stats),
    size: stats.size,
    mode: octal(stats.mode),
    owner: accounts.name(stats.uid),
    group: stats.gid,
    modified: isoTime(stats.mtimeMs),
    ...(target === undefined ? {} : { target }),
  };
}

const SIGNS: Readonly<Record<Entry['type'], string>> = {
  file: '-',
  directory: 'd',
  link: 'l',
  fifo: 'p',
  socket: 's',
  'block device': 'b',
  'character device': 'c',
};

function rowOf(entry: Entry): string {
  const arrow = entry.target === undefined ? '' : ` -> ${entry.target}`;
  const time = entry.modified.slice(0, 16).replace('T', ' ');
  return `${SIGNS[entry.type]} ${entry.mode.padStart(4)} ${entry.owner} ${entry.size} ${time} ${entry.name}${arrow}`;
}
