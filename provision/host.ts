import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { platformInstance } from '../agent/identity/instance.ts';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** What the installer asks of the machine beside files. */
export interface Host {
  uid: number;
  platform: string;
  arch: string;
  hostname: string;
  /** The platform's name for this machine, where cloud-init tells it. */
  instance(): Promise<string | undefined>;
  /** Path of the Node that runs this. */
  node: string;
  /** What children get: the caller's environment without anything secret. */
  env: Readonly<Record<string, string | undefined>>;
  run(file: string, args: readonly string[]): Promise<Ran>;
  which(program: string): Promise<string | undefined>;
  /** Asks a process to end, by SIGTERM, or ends it; one that is gone is no error. */
  terminate(pid: number, signal?: 'SIGTERM' | 'SIGKILL'): void;
  /** Ids of a local user; undefined when there is none of that name. */
  userIds(name: string): Promise<{ uid: number; gid: number } | undefined>;
  /** Bytes that may still be written where `path` is or will be. */
  freeBytes(path: string): Promise<number>;
  isPortFree(port: number): Promise<boolean>;
  freePort(): Promise<number>;
  /** `2.36`; undefined on musl and elsewhere. */
  glibcVersion(): string | undefined;
  osRelease(): Promise<Readonly<Record<string, string>>>;
}

const SECRETS = ['PROVISIONING_TOKEN', 'VM_AGENT_PROVISIONING_TOKEN'];

/** An environment without the provisioning token. */
export const scrubbed = (env: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !SECRETS.includes(name)));

export function createHost(process: NodeJS.Process, hostname: string): Host {
  const env = scrubbed(process.env);
  const which = async (program: string): Promise<string | undefined> => {
    // Cron and sudo may leave the sbin folders out of PATH.
    const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
    for (const folder of folders.filter((name) => name.startsWith('/'))) {
      const path = join(folder, program);
      if (
        await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
    return undefined;
  };
  return {
    uid: process.getuid?.() ?? -1,
    platform: process.platform,
    arch: process.arch,
    hostname,
    instance: () => platformInstance(),
    node: process.execPath,
    env,
    run: (file, args) => run(file, args, env),
    which,
    terminate(pid, signal = 'SIGTERM') {
      try {
        process.kill(pid, signal);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
      }
    },
    userIds,
    freeBytes,
    isPortFree: async (port) => (await listenOnce(port)) !== undefined,
    async freePort() {
      const port = await listenOnce(0);
      if (port === undefined) throw new Error('no TCP port is free');
      return port;
    },
    glibcVersion() {
      const header = (process.report.getReport() as { header?: { glibcVersionRuntime?: string } }).header;
      return header?.glibcVersionRuntime;
    },
    osRelease: async () => parseOsRelease(await readFile('/etc/os-release', 'utf8').catch(() => '')),
  };
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/** Whether there is a local group of that name. */
export const hasGroup = async (name: string): Promise<boolean> =>
  (await readFile('/etc/group', 'utf8').catch(() => ''))
    .split('\n')
    .some((line) => line.startsWith(`${name}:`));

async function userIds(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw cause;
    return freeBytes(dirname(path));
  }
}

/** Listens for an instant; the port that it got, or undefined when it is taken. */
function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', (cause: NodeJS.ErrnoException) =>
      cause.code === 'EADDRINUSE' || cause.code === 'EACCES' ? resolve(undefined) : reject(cause),
    );
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

/** `KEY=value` lines, quotes taken off (man os-release). */
export function parseOsRelease(text: string): Record<string, string> {
  const pairs = text
    .split('\n')
    .map((line) => /^([A-Z][A-Z0-9_]*)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map((match) => [match[1] ?? '', match[2] ?? match[3] ?? match[4] ?? ''] as const);
  return Object.fromEntries(pairs);
}
