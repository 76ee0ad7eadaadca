import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentHealthSchema } from '../../protocol/agent-http.ts';
import { type AgentHome, createAgentHome } from '../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';

let home: AgentHome;
let server: FakeOrchestrator;
let agent: AgentProcess;
let rig: AgentRig;

const LOCAL = 'server: {host: 127.0.0.1, port: 0}\n';

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server, agent } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const ended = (line: Record<string, unknown>) =>
  line['msg'] === 'the configuration was reloaded' ||
  (line['level'] === 'error' && line['module'] === 'config');

/** Writes the file, sends the signal, and gives back what the reload logged. */
async function reload(yaml: string): Promise<Record<string, unknown>[]> {
  await home.writeConfig(yaml);
  const before = agent.log.length;
  agent.signal('SIGHUP');
  await agent.logged((line) => agent.log.indexOf(line) >= before && ended(line));
  return agent.log.slice(before);
}

const health = async () => {
  const answer = await fetch(`http://127.0.0.1:${await agent.port()}/health`);
  return { code: answer.status, body: agentHealthSchema.parse(await answer.json()) };
};

describe('SIGHUP', () => {
  it('changes levels and tools on the connection that stands', async () => {
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
    const lines = await reload(
      `${LOCAL}logging: {level: DEBUG}\ntools: {shell_executor: {enabled: false}}\n`,
    );
    const changes = lines.filter(({ msg }) => msg === 'a setting was changed');
    expect(changes.map(({ setting, from, to }) => [setting, from, to])).toEqual([
      ['tools.shell_executor.enabled', true, false],
      ['logging.level', 'INFO', 'DEBUG'],
    ]);
    const refused = await server.run(home.signer.shell('true'));
    expect(refused).toMatchObject({ state: 'refused', error: { code: 'tool_disabled' } });
    expect(server.hellos).toHaveLength(1);
    await reload(LOCAL);
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
    expect(server.hellos).toHaveLength(1);
  });

  it('names what waits for a restart', async () => {
    const lines = await reload('server: {host: 127.0.0.1, port: 1}\n');
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', settings: ['server.port'] }));
    expect((await health()).code).toBe(200);
    await reload(LOCAL);
  });

  it('keeps the running configuration when the file is not valid, and is degraded until it is', async () => {
    const lines = await reload(`${LOCAL}logging: {level: LOUD}\ntools: {shell_executor: {enabled: false}}\n`);
    expect(lines.find(ended)?.['msg']).toContain('logging.level');
    expect(await health()).toMatchObject({ code: 503, body: { status: 'degraded' } });
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
    await reload(LOCAL);
    expect(await health()).toMatchObject({ code: 200, body: { status: 'healthy' } });
    expect(server.hellos).toHaveLength(1);
  });

  it('tells the orchestrator of changed labels, on a new connection to which the session moves', async () => {
    await reload(`${LOCAL}agent: {labels: {rack: b2}}\n`);
    expect(await server.connected(2)).toMatchObject({ labels: { rack: 'b2' } });
    expect(server.resumed.at(-1)).toBe(true);
    const info = await fetch(`http://127.0.0.1:${await agent.port()}/info`);
    expect(await info.json()).toMatchObject({ labels: { rack: 'b2' } });
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
  });

  it('has every line of agent.log be JSON with time, level, module and message', async () => {
    const lines = (await readFile(`${home.path}/log/agent.log`, 'utf8')).trimEnd().split('\n');
    for (const line of lines)
      expect(JSON.parse(line)).toEqual(
        expect.objectContaining({
          time: expect.stringMatching(/^\d{4}-.*Z$/),
          level: expect.stringMatching(/^(debug|info|warn|error)$/),
          module: expect.any(String),
          msg: expect.any(String),
        }),
      );
  });
});

it('goes on, and stops in order, when nobody reads its output any more', async () => {
  await using alone = await createAgentHome();
  await alone.writeConfig(LOCAL);
  const deaf = startAgent({ home: alone.path });
  const port = await deaf.port();
  deaf.deafen();
  // Each signal makes it write lines that nobody takes.
  for (let i = 0; i < 3; i++) {
    deaf.signal('SIGHUP');
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  }
  deaf.signal('SIGTERM');
  expect(await deaf.exited).toEqual({ code: 0, signal: null });
});
