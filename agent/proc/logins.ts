import { existsSync, readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { listNames, type Roots, readText } from './read.ts';

export interface Login {
  name: string;
  terminal: string | undefined;
  /** Host that the user came from; undefined at the machine itself. */
  from: string | undefined;
  sinceMs: number | undefined;
}

const USER_PROCESS = 7;
/** glibc's record where times and session have 32 bits in it (x86-64), and where they have 64 (arm64). See utmp(5). */
const RECORDS = [
  { size: 384, seconds: 340, wide: false },
  { size: 400, seconds: 344, wide: true },
] as const;

/** The content of /run/utmp. A file whose length fits no known record tells nothing. */
export function parseUtmp(content: Buffer): Login[] {
  const record = RECORDS.find(({ size }) => content.length > 0 && content.length % size === 0);
  if (record === undefined || endianness() !== 'LE') return [];
  const found: Login[] = [];
  const text = (from: number, length: number): string | undefined =>
    content.toString('utf8', from, from + length).replace(/\0.*$/s, '') || undefined;
  for (let at = 0; at < content.length; at += record.size) {
    const name = text(at + 44, 32);
    if (content.readInt16LE(at) !== USER_PROCESS || name === undefined) continue;
    const seconds = record.wide
      ? Number(content.readBigInt64LE(at + record.seconds))
      : content.readUInt32LE(at + record.seconds);
    found.push({ name, terminal: text(at + 8, 32), from: text(at + 76, 256), sinceMs: seconds * 1000 });
  }
  return found;
}

/** A file of /run/systemd/sessions, for machines that keep no utmp any more. */
export function parseSession(text: string): Login | undefined {
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] || undefined;
  const name = value('USER');
  if (name === undefined || value('CLASS') !== 'user' || value('STATE') === 'closing') return undefined;
  const micros = Number(value('REALTIME'));
  return {
    name,
    terminal: value('TTY'),
    from: value('REMOTE_HOST'),
    sinceMs: Number.isFinite(micros) ? Math.floor(micros / 1000) : undefined,
  };
}

/** Who is logged in; nobody where neither source can be read. */
export function readLogins({ run }: Roots): Login[] {
  const utmp = `${run}/utmp`;
  try {
    if (existsSync(utmp)) return parseUtmp(readFileSync(utmp));
  } catch {
    // Not ours to read: systemd may tell.
  }
  const folder = `${run}/systemd/sessions`;
  return listNames(folder)
    .filter((name) => /^[a-z]?\d+$/.test(name))
    .map((name) => parseSession(readText(`${folder}/${name}`, 'utf8')))
    .filter((login) => login !== undefined);
}
