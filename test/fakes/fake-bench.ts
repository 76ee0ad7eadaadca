import type { Credentials } from '../../agent/identity/credentials.ts';
import { readCredentials } from '../../agent/identity/credentials.ts';
import type { Bench } from '../../cli/checks/bench.ts';
import { type Check, type Finding, type Mode, runChecks } from '../../cli/checks/check.ts';
import type { Way } from '../../cli/checks/way.ts';
import { diskLayout } from '../../protocol/disk-layout.ts';
import type { Host, Ran } from '../../provision/host.ts';
import { createFakeClock } from './fake-clock.ts';

const SOUND_ROOM = { freeBytes: 1e10, freeInodes: 1e6, inodes: 2e6 };

/** Answers of programs by the beginning of their command line; what is not listed fails. */
export type Answers = Readonly<Record<string, string | Ran>>;

export function fakeHost(answers: Answers = {}, over: Partial<Host> = {}): Host & { ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    uid: 0,
    platform: 'linux',
    arch: 'x64',
    hostname: 'test',
    instance: async () => undefined,
    node: '/usr/bin/node',
    env: {},
    async run(file, args) {
      const line = [file, ...args].join(' ');
      ran.push(line);
      const known = Object.entries(answers).find(([start]) => line.startsWith(start))?.[1];
      if (known === undefined) return { code: 1, stdout: '', stderr: `${line}: unknown` };
      return typeof known === 'string' ? { code: 0, stdout: known, stderr: '' } : known;
    },
    which: async (program) => `/usr/bin/${program}`,
    terminate: () => undefined,
    userIds: async () => ({ uid: 990, gid: 990 }),
    freeBytes: async () => SOUND_ROOM.freeBytes,
    isPortFree: async () => true,
    freePort: async () => 50_000,
    glibcVersion: () => '2.36',
    osRelease: async () => ({}),
    ...over,
  };
}

/** A way on which all is well: an orchestrator that is what it should be. */
export function fakeWay(over: Partial<Way> = {}): Way {
  const clock = over.clock ?? createFakeClock();
  return {
    server: async () => new URL('https://fleet.test:8443'),
    addressIs: 'orchestrator.url',
    clock,
    proxy: async () => undefined,
    env: {},
    own: async () => undefined,
    trusted: async () => undefined,
    pin: undefined,
    caFile: undefined,
    lookup: async () => ['192.0.2.7'],
    openTcp: async () => undefined,
    offer: async () => ({ status: 200, pem: '', date: new Date(clock.now()).toUTCString() }),
    anchor: () => Promise.reject(new Error('no pin')),
    handshake: async () => 'TLSv1.3',
    ask: async () => ({ status: 400, date: undefined, body: Buffer.from('') }),
    ownStatus: () => Promise.reject(new Error('no status')),
    upgrade: async () => undefined,
    poll: async () => undefined,
    ...over,
  };
}

/** A machine to be looked at, all of it below one folder. */
export function fakeBench(home: string, over: Partial<Bench> = {}): Bench {
  const layout = diskLayout(home);
  const own = (): Promise<Credentials | undefined> => readCredentials(layout).catch(() => undefined);
  return {
    layout,
    system: false,
    host: fakeHost(),
    clock: createFakeClock(Date.now()),
    env: {},
    nodeVersion: 'v24.0.0',
    unitDir: `${home}/units`,
    command: `${home}/bin/vm-agent`,
    proc: `${home}/proc`,
    owners: async () => ({ root: undefined, service: undefined }),
    port: async () => 1,
    room: async () => SOUND_ROOM,
    own,
    way: fakeWay(),
    ...over,
  };
}

/** All that a list of checks finds. */
export async function findingsOf<C>(
  checks: readonly Check<C>[],
  ctx: C,
  mode: Mode = 'look',
): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of runChecks(checks, ctx, mode)) found.push(finding);
  return found;
}
