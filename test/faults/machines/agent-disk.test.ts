// The disk of a machine takes nothing, or gives errors: the agent says so, refuses what it cannot write down, stays, and
// goes on by itself.
import { mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AgentHome, createAgentHome } from '../../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { serveHome } from '../../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../../fakes/fake-orchestrator.ts';
import { canMount, type Disk, mountDisk } from '../support/disk.ts';
import { failingDisk } from '../support/failing-disk.ts';
import { hasCompiler } from '../support/preload.ts';
import { isFull } from '../support/size.ts';

interface Told {
  status: string;
  conditions: { name: string; ok: boolean; detail: string }[];
}
async function ask(agent: AgentProcess): Promise<Told> {
  const of = async (path: string) => (await fetch(`http://127.0.0.1:${await agent.port()}${path}`)).json();
  return { ...((await of('/info')) as Told), status: ((await of('/health')) as Told).status };
}

const condition = (agent: AgentProcess, name: string, ok: boolean, from = 0) =>
  agent.logged((line) => line['condition'] === name && line['ok'] === ok && agent.log.indexOf(line) >= from);

/** The heartbeat that names the trouble. */
const beat = (server: FakeOrchestrator, name: string) =>
  server.until(() =>
    server.messages
      .filter((message) => message.type === 'heartbeat')
      .flatMap(({ load }) => load.problems ?? [])
      .find((problem) => problem.name === name),
  );
/** The last heartbeat names none. */
const wellAgain = (server: FakeOrchestrator) =>
  server.until(() => {
    const last = server.messages.findLast((message) => message.type === 'heartbeat');
    return last?.type === 'heartbeat' && last.load.problems === undefined;
  });

const folderOf = (home: AgentHome, name: 'state' | 'log' | 'security') => {
  const path = `${home.path}/${name}`;
  mkdirSync(path, { recursive: true });
  return path;
};

interface Outage {
  /** For the process. */
  env: Record<string, string>;
  begin(): void;
  end(): void;
}

/** A command that runs over the whole outage, one that comes in it, one that is cancelled in it, and one after it. */
async function outlast(
  home: AgentHome,
  { env, begin, end }: Outage,
  code: 'disk_full' | 'store_unavailable',
): Promise<void> {
  const state = `${home.path}/state`;
  await using server = await serveHome(home);
  await using agent = startAgent({ home: home.path, env });
  await server.connected();
  expect((await server.run(home.signer.shell('echo before'))).state).toBe('succeeded');
  const long = home.signer.shell(`while [ ! -e ${home.path}/gate ]; do sleep 0.05; done; exit 7`);
  server.sendCommand(long);
  await server.until(() =>
    server.messages.some((m) => m.type === 'state' && m.command_id === long.payload.command_id),
  );
  begin();
  const refused = await server.run(home.signer.shell(`echo ran >>${home.path}/ran`));
  expect(refused).toMatchObject({ state: 'failed', reason: 'not_started', error: { code } });
  expect(refused.error?.message).toContain(state);
  expect(refused.error?.message).toMatch(/\(.* free\)/);
  // Its result waits for the disk.
  mkdirSync(`${home.path}/gate`);
  await agent.logged((line) => line['msg'] === 'the journal cannot be read or written');
  expect((await beat(server, 'journal')).detail).toContain(state);
  const sick = await ask(agent);
  expect(sick.status).not.toBe('healthy');
  expect(sick.conditions.some(({ ok, detail }) => !ok && detail.includes(state))).toBe(true);
  const cancelled = home.signer.shell(`echo ran >>${home.path}/ran`);
  server.cancel(cancelled);
  await server.run(home.signer.shell('true'));
  const mark = agent.log.length;
  end();
  await condition(agent, 'journal', true, mark);
  expect(await server.resultOf(long.payload.command_id)).toMatchObject({ state: 'failed', exit_code: 7 });
  expect((await server.run(cancelled)).state).toBe('cancelled');
  expect((await server.run(home.signer.shell(`echo after >>${home.path}/ran`))).state).toBe('succeeded');
  await wellAgain(server);
  expect((await ask(agent)).status).toBe('healthy');
  expect(readFileSync(`${home.path}/ran`, 'utf8')).toBe('after\n');
  // One process and one connection from the beginning to the end.
  expect(server.connections).toBe(1);
}

describe.skipIf(!canMount)(
  'an agent whose state is on a disk that takes nothing (needs root, to mount one)',
  { concurrent: true },
  () => {
    it('[fault-11] full: refuses commands with a reason, stays connected, says so, and goes on by itself', async () => {
      await using home = await createAgentHome();
      using disk = mountDisk(folderOf(home, 'state'), { mib: 4 });
      await outlast(home, { env: {}, begin: disk.fill, end: disk.free }, 'disk_full');
    });

    it('[fault-11] has no more inodes: a command that needs one is refused, and runs when there are some', async () => {
      await using home = await createAgentHome();
      using disk = mountDisk(folderOf(home, 'state'), { mib: 16, inodes: 200 });
      await using server = await serveHome(home);
      await using agent = startAgent({ home: home.path });
      await server.connected();
      disk.takeInodes();
      const reads = (command: string) => home.signer.shell(command, { arguments: { command, stdin: 'x\n' } });
      // It has pipes at hand, and none when they are used up; a file for what it prints cannot be made either way.
      const outcomes: unknown[] = [];
      for (let n = 0; n < 70; n++) {
        disk.takeInodes();
        const { state, error } = await server.run(reads('true'));
        outcomes.push(error?.code ?? state);
        if (error !== undefined) break;
      }
      expect(outcomes.at(-1)).toBe('disk_full');
      const printed = await server.run(home.signer.shell('echo x'));
      expect(printed).toMatchObject({ state: 'failed', error: { code: 'disk_full' } });
      await condition(agent, 'disk', false);
      expect((await beat(server, 'disk')).detail).toMatch(/and \d+ files free/);
      const mark = agent.log.length;
      disk.free();
      await condition(agent, 'disk', true, mark);
      expect((await server.run(reads('read x; echo $x'))).state).toBe('succeeded');
      expect(server.connections).toBe(1);
    });

    it.each([
      { what: 'full', begin: (disk: Disk) => disk.fill(), end: (disk: Disk) => disk.free() },
      {
        what: 'read-only',
        begin: (disk: Disk) => disk.setReadOnly(true),
        end: (disk: Disk) => disk.setReadOnly(false),
      },
    ])(
      '[fault-12] $what when it starts: it stays and says why, is let go at once, and connects when it can',
      async ({ begin, end }) => {
        await using home = await createAgentHome();
        using disk = mountDisk(folderOf(home, 'state'), { mib: 4 });
        await using server = await serveHome(home);
        {
          await using first = startAgent({ home: home.path });
          await server.connected();
          server.holdAcks = true;
          expect((await server.run(home.signer.shell('exit 3'))).exit_code).toBe(3);
          first.signal('SIGKILL');
          await first.exited;
        }
        server.holdAcks = false;
        server.results.length = 0;
        begin(disk);
        {
          await using stopped = startAgent({ home: home.path });
          await stopped.logged((line) => String(line['msg']).startsWith('commands wait for the disk'));
          stopped.signal('SIGTERM');
          expect((await stopped.exited).code).toBe(0);
        }
        await using agent = startAgent({ home: home.path });
        const waits = await agent.logged((line) =>
          String(line['msg']).startsWith('commands wait for the disk'),
        );
        expect(waits['msg']).toContain(`${home.path}/state`);
        expect((await ask(agent)).status).toBe('unhealthy');
        end(disk);
        await server.connected(2);
        // What it had to tell was not lost.
        await server.until(() => server.results.some(({ result }) => result.exit_code === 3));
        expect((await server.run(home.signer.shell('echo again'))).state).toBe('succeeded');
      },
    );

    it('[fault-11] full for its log and its keys: it works on, counts what the log lacks, and writes it again', async () => {
      await using home = await createAgentHome();
      using log = mountDisk(folderOf(home, 'log'), { mib: 1 });
      await using server = await serveHome(home);
      await using agent = startAgent({ home: home.path });
      await server.connected();
      log.fill();
      while (!agent.stderr().includes('log file cannot be written'))
        expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
      expect((await beat(server, 'disk')).detail).toContain(`${home.path}/log: 0 KiB free`);
      log.free();
      const lines = () => readFileSync(`${home.path}/log/agent.log`, 'utf8').split('\n');
      const lost = () => lines().find((line) => line.includes('lines of the log were lost here'));
      while (lost() === undefined) await server.run(home.signer.shell('sleep 0.2'));
      expect(JSON.parse(lost() ?? '').lines).toBeGreaterThan(0);
      const last = home.signer.shell('true');
      await server.run(last);
      while (!lines().at(-2)?.includes(last.payload.command_id))
        await server.run(home.signer.shell('sleep 0.1'));
      expect(agent.stderr().match(/cannot be written/g)).toHaveLength(1);
    });
  },
);

describe.skipIf(!hasCompiler)(
  'an agent whose disk gives I/O errors (needs gcc, to make them)',
  { concurrent: true },
  () => {
    it.each(isFull ? (['EIO', 'EROFS', 'ENOSPC'] as const) : (['EIO'] as const))(
      '[fault-11] refuses commands with a reason, stays connected, says so, and goes on by itself: %s',
      async (how) => {
        await using home = await createAgentHome();
        const disk = failingDisk(home.path, folderOf(home, 'state'));
        const code = how === 'ENOSPC' ? 'disk_full' : 'store_unavailable';
        await outlast(home, { env: disk.env, begin: () => disk.fail(how), end: disk.heal }, code);
      },
    );

    it('[fault-11] also when nothing can be read back: what was printed is lost and said to be', async () => {
      await using home = await createAgentHome();
      const disk = failingDisk(home.path, folderOf(home, 'state'));
      await using server = await serveHome(home);
      await using agent = startAgent({ home: home.path, env: disk.env });
      await server.connected();
      const writer = home.signer.shell('while :; do echo x; sleep 0.02; done');
      server.sendCommand(writer);
      await server.until(() => server.sizeOf(writer.payload.command_id, 'stdout') > 0);
      disk.fail('EIO all');
      await agent.logged((line) => line['msg'] === 'the journal cannot be read or written');
      server.drop();
      await agent.logged((line) => line['condition'] === 'websocket' && line['ok'] === false);
      disk.heal();
      expect(await server.resultOf(writer.payload.command_id)).toMatchObject({
        state: 'failed',
        reason: 'output_limit',
        error: { code: 'internal', message: expect.stringContaining('could not be stored') },
      });
      expect((await server.run(home.signer.shell('echo after'))).state).toBe('succeeded');
      await wellAgain(server);
    });
  },
);
