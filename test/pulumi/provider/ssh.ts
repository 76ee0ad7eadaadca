// One SSH connection by the system's own client: dialled once, used for several commands.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, runProcess } from './process.ts';
import { isObject, type Properties, text } from './values.ts';

export interface SshSession {
  /** Runs a command line by the login shell of the user. */
  run(command: string, input?: string | Uint8Array): Promise<Ended>;
  close(): Promise<void>;
}

/** Defaults as the real provider sets them. */
export const CONNECTION_DEFAULTS: Properties = {
  user: 'root',
  port: 22,
  dialErrorLimit: 10,
  perDialTimeout: 15,
};
const FIELDS: readonly string[] = [
  ...Object.keys(CONNECTION_DEFAULTS),
  'host',
  'hostKey',
  'privateKey',
  'agentSocketPath',
  'proxy',
];

/** What this double cannot do with a connection, although the real provider can; undefined if it can. */
export function connectionObstacle(connection: unknown): string | undefined {
  if (!isObject(connection) || connection['host'] === undefined) return 'a connection needs a host';
  const foreign = Object.keys(connection).find((name) => !FIELDS.includes(name) && connection[name] != null);
  if (foreign !== undefined) return `connection.${foreign}: this test double knows ${FIELDS.join(', ')}`;
  return connection['proxy'] == null ? undefined : connectionObstacle(connection['proxy']);
}

/**
 * Connects, and tries again as the real provider does: `dialErrorLimit` more times, with a short growing pause.
 * `say` gets a line about each failure.
 */
export async function dial(connection: Properties, say: (line: string) => void): Promise<SshSession> {
  const folder = mkdtempSync(join(tmpdir(), 'pulumi-ssh-'));
  const limit = Number(connection['dialErrorLimit'] ?? CONNECTION_DEFAULTS['dialErrorLimit']);
  try {
    const config = writeConfig(folder, connection);
    for (let tries = 0; ; tries++) {
      const { code, err } = await runProcess(['ssh', '-F', config, '-M', '-f', '-N', 'target'], {
        // The process in the background keeps what it inherits open: it must not be a pipe that is waited for.
        errorsTo: join(folder, `dial-${tries}`),
      });
      if (code === 0) return session(folder, config);
      if (limit >= 0 && tries + 1 > limit)
        throw new Error(`after ${tries} failed attempts: ${handshakeError(err)}`);
      say(`Dial ${tries + 1}/${limit < 0 ? 'inf' : limit} failed: retrying`);
      await sleep(Math.min(100 * 1.5 ** tries, 5000));
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function session(folder: string, config: string): SshSession {
  return {
    run: (command, input) =>
      runProcess(['ssh', '-F', config, '-T', 'target', command], input === undefined ? {} : { input }),
    async close() {
      await runProcess(['ssh', '-F', config, '-O', 'exit', 'target']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** In the words of the real provider's library, where they are known. */
function handshakeError(said: string): string {
  const words = said.trim();
  if (words.includes('Host key verification failed')) return 'ssh: handshake failed: ssh: host key mismatch';
  if (words.includes('Permission denied'))
    return 'ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain';
  return words.split('\n').at(-1) ?? 'ssh ended without a word';
}

function writeConfig(folder: string, connection: Properties): string {
  const proxy = isObject(connection['proxy']) ? connection['proxy'] : undefined;
  const lines = [
    ...hostBlock(folder, 'target', connection),
    ...(proxy === undefined ? [] : ['  ProxyJump bastion', ...hostBlock(folder, 'bastion', proxy)]),
    'Host *',
    `  ControlPath ${join(folder, '%n')}`,
    '  BatchMode yes',
    '  LogLevel ERROR',
    '  GlobalKnownHostsFile none',
    '  UpdateHostKeys no',
    // A connection in the background ends by itself, should nobody be left to close it.
    '  ServerAliveInterval 15',
  ];
  const path = join(folder, 'config');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

function hostBlock(folder: string, name: string, connection: Properties): string[] {
  const file = (kind: string, content: string) => {
    const path = join(folder, `${name}-${kind}`);
    writeFileSync(path, `${content.trimEnd()}\n`, { mode: 0o600 });
    return path;
  };
  const hostKey = text(connection['hostKey']);
  const [algorithm = '', key = ''] = hostKey?.trim().split(/\s+/) ?? [];
  const privateKey = text(connection['privateKey']);
  const agent = text(connection['agentSocketPath']);
  const alias = `key-of-${randomBytes(4).toString('hex')}`;
  return [
    `Host ${name}`,
    `  HostName ${connection['host']}`,
    `  Port ${connection['port'] ?? CONNECTION_DEFAULTS['port']}`,
    `  User ${connection['user'] ?? CONNECTION_DEFAULTS['user']}`,
    `  ConnectTimeout ${connection['perDialTimeout'] ?? CONNECTION_DEFAULTS['perDialTimeout']}`,
    `  HostKeyAlias ${alias}`,
    ...(hostKey === undefined
      ? // The real one accepts any key then.
        ['  StrictHostKeyChecking no', '  UserKnownHostsFile /dev/null']
      : [
          '  StrictHostKeyChecking yes',
          `  UserKnownHostsFile ${file('known', `${alias} ${algorithm} ${key}`)}`,
          `  HostKeyAlgorithms ${algorithm === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : algorithm}`,
        ]),
    ...(privateKey === undefined
      ? []
      : [`  IdentityFile ${file('key', privateKey)}`, '  IdentitiesOnly yes']),
    `  IdentityAgent ${agent ?? 'none'}`,
  ];
}
