import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createAgentHome } from '../fakes/agent-home.ts';
import { startAgent } from '../fakes/agent-process.ts';
import { serveHome } from '../fakes/agent-rig.ts';
import { isAlive } from '../fakes/processes.ts';

describe('an agent that is killed', () => {
  it('ends the command that ran as unknown, never runs it again, and ends what it left running', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    const command = home.signer.shell(
      `echo run >> ${home.path}/runs; echo $$; setsid sh -c 'echo $$; exec sleep 4717' & sleep 4718`,
    );
    const waiting = home.signer.shell(`echo waited > ${home.path}/waited`, { lane: command.payload.lane });
    const id = command.payload.command_id;
    let pids: string[];
    {
      await using agent = startAgent({ home: home.path });
      await server.connected();
      server.sendCommand(command);
      server.sendCommand(waiting);
      await server.until(() => (server.outputOf(id, 'stdout').toString().match(/\d+/g) ?? []).length === 2);
      pids = server.outputOf(id, 'stdout').toString().match(/\d+/g) ?? [];
      await server.until(() =>
        server.messages.some((m) => m.type === 'state' && m.command_id === waiting.payload.command_id),
      );
      agent.signal('SIGKILL');
      await agent.exited;
    }
    expect(pids.filter(isAlive)).not.toEqual([]);
    await using agent = startAgent({ home: home.path });
    const hello = await server.connected(2);
    expect(hello.session_id).toBeUndefined();
    expect(hello.in_flight.map((entry) => entry.id)).toContain(id);
    expect(hello.command_seq).toBe(2);
    const result = await server.resultOf(id);
    expect(result).toMatchObject({ state: 'unknown', reason: 'agent_lost' });
    expect(result.stdout?.size).toBe(server.sizeOf(id, 'stdout'));
    expect(pids.filter(isAlive)).toEqual([]);
    expect((await server.resultOf(waiting.payload.command_id)).state).toBe('succeeded');
    expect(existsSync(`${home.path}/waited`)).toBe(true);
    // Offered again, it is answered and not run.
    server.results.length = 0;
    expect((await server.run(command)).state).toBe('unknown');
    expect(await readFile(`${home.path}/runs`, 'utf8')).toBe('run\n');
    expect(agent.pid).toBeGreaterThan(0);
  });

  it('delivers a result that was produced and never acknowledged', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    const command = home.signer.shell('echo precious; exit 3');
    const id = command.payload.command_id;
    server.holdAcks = true;
    server.holdOutputAcks = true;
    {
      await using agent = startAgent({ home: home.path });
      await server.connected();
      await server.run(command);
      agent.signal('SIGKILL');
      await agent.exited;
    }
    server.results.length = 0;
    server.output.clear();
    server.holdAcks = false;
    server.holdOutputAcks = false;
    await using agent = startAgent({ home: home.path });
    const result = await server.resultOf(id);
    expect(result).toMatchObject({ state: 'failed', exit_code: 3 });
    expect(server.outputOf(id, 'stdout').toString()).toBe('precious\n');
    expect(agent.pid).toBeGreaterThan(0);
  });

  it('refuses to start twice on one home, and says what to do', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    await using first = startAgent({ home: home.path });
    await server.connected();
    await using second = startAgent({ home: home.path });
    expect((await second.exited).code).toBe(1);
    expect(second.stderr()).toContain('Another agent is running');
    expect(isAlive(first.pid)).toBe(true);
  });
});

describe('an agent that is stopped', () => {
  it('ends what runs, says so before it goes, and exits 0', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    await using agent = startAgent({ home: home.path });
    await server.connected();
    const command = home.signer.shell('echo $$; sleep 4719');
    const id = command.payload.command_id;
    server.sendCommand(command);
    await server.until(() => server.sizeOf(id, 'stdout') > 0);
    agent.signal('SIGTERM');
    const result = await server.resultOf(id);
    expect(result).toMatchObject({ state: 'failed', reason: 'agent_lost', signal: 'SIGTERM' });
    expect((await agent.exited).code).toBe(0);
    expect(isAlive(server.outputOf(id, 'stdout').toString().trim())).toBe(false);
  });

  it('gives up at once on a second signal', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    await using agent = startAgent({ home: home.path });
    await server.connected();
    const command = home.signer.shell(`trap '' TERM; echo up; while :; do sleep 0.1; done`);
    server.sendCommand(command);
    await server.until(() => server.sizeOf(command.payload.command_id, 'stdout') > 0);
    agent.signal('SIGTERM');
    await agent.logged((line) => String(line['msg']).startsWith('stopping'));
    agent.signal('SIGTERM');
    expect((await agent.exited).code).toBe(1);
    // The next start ends what is still there.
    await using next = startAgent({ home: home.path });
    expect((await server.resultOf(command.payload.command_id)).state).toBe('unknown');
    expect(next.pid).toBeGreaterThan(0);
  });
});

describe('a link that breaks', () => {
  const POINTS = ['command', 'running', 'output', 'result', 'ack'] as const;
  for (const keepSessions of [true, false]) {
    for (const point of POINTS) {
      it(`loses nothing when it breaks at ${point}, ${keepSessions ? 'with' : 'without'} a session to resume`, async () => {
        await using home = await createAgentHome();
        await using server = await serveHome(home, { keepSessions });
        await using agent = startAgent({ home: home.path });
        await server.connected();
        const command = home.signer.shell(
          `echo run >> ${home.path}/runs; head -c 3000000 /dev/zero; echo end >&2`,
        );
        const id = command.payload.command_id;
        let broken = false;
        const breakNow = () => {
          if (broken) return true;
          broken = true;
          server.drop();
          return false;
        };
        server.onFrame = (frame) => {
          if (frame === 'output') return point !== 'output' || breakNow();
          if (frame.type === 'state' && frame.state === 'running') return point !== 'running' || breakNow();
          if (frame.type === 'result') {
            if (point === 'ack' && !broken) server.holdAcks = true;
            return point !== 'result' || breakNow();
          }
          return true;
        };
        server.sendCommand(command);
        if (point === 'command') breakNow();
        if (point === 'ack') {
          await server.resultOf(id);
          server.results.length = keepSessions ? 1 : 0;
          server.holdAcks = false;
          breakNow();
        }
        await server.connected(2);
        // What an orchestrator does after a session that began anew, when in_flight does not name the command.
        const inFlight = server.hellos[1]?.in_flight.map((entry) => entry.id) ?? [];
        if (!server.resumed[1] && !inFlight.includes(id as never)) server.sendCommand(command);
        const result = await server.resultOf(id);
        expect(result).toMatchObject({ state: 'succeeded', exit_code: 0 });
        await server.until(
          () => server.sizeOf(id, 'stdout') === 3_000_000 && server.sizeOf(id, 'stderr') === 4,
        );
        expect(await readFile(`${home.path}/runs`, 'utf8')).toBe('run\n');
        expect(server.results.filter((entry) => entry.id === id)).toHaveLength(1);
        expect(agent.pid).toBeGreaterThan(0);
      });
    }
  }

  it('lets a command go on and finish while there is no orchestrator', async () => {
    await using home = await createAgentHome();
    await using server = await serveHome(home);
    await using agent = startAgent({ home: home.path });
    await server.connected();
    const gate = `${home.path}/gate`;
    const command = home.signer.shell(
      `echo up; while [ ! -e ${gate} ]; do sleep 0.02; done; touch ${gate}.done; seq 100000`,
    );
    const id = command.payload.command_id;
    server.sendCommand(command);
    await server.until(() => server.sizeOf(id, 'stdout') > 0);
    const { port } = server;
    await server.close();
    await agent.logged((line) => line['condition'] === 'websocket' && line['ok'] === false);
    await writeFile(gate, '');
    await agent.logged((line) => line['msg'] === 'ended');
    await using later = await serveHome(home, { port });
    expect((await later.resultOf(id)).state).toBe('succeeded');
    expect(later.outputOf(id, 'stdout').toString().split('\n')).toHaveLength(100_002);
  });
});
