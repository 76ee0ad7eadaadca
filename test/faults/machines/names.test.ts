// The orchestrator's name cannot be resolved, resolves late, or leads to nobody. Needs gcc, for a resolver that fails.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createAgentHome } from '../../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { serveHome } from '../../fakes/agent-rig.ts';
import { failingNames } from '../support/failing-names.ts';
import { hasCompiler } from '../support/preload.ts';
import { isFull } from '../support/size.ts';

/** Where it listens, and where nobody answers. */
const HERE = '127.0.0.1';
const DEAD = '127.0.0.77';

const says = (agent: AgentProcess, what: RegExp, from = 0) =>
  agent.logged((line) => agent.log.indexOf(line) >= from && what.test(String(line['msg'])));

/** Takes connections and never says anything. */
async function blackHole(port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  await once(server.listen(port, DEAD), 'listening');
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(!hasCompiler)('the orchestrator’s name (needs gcc)', { concurrent: true }, () => {
  it.runIf(isFull)(
    '[fault-18] is not known when the agent starts: it says so, and connects when it is',
    async () => {
      await using home = await createAgentHome();
      const names = failingNames(home.path, 'EAI_AGAIN');
      await using server = await serveHome(home, { host: names.name });
      await using agent = startAgent({ home: home.path, env: names.env });
      await says(agent, /cannot connect.*name cannot be resolved just now/);
      const from = agent.log.length;
      names.resolve('EAI_NONAME');
      await says(agent, /cannot connect.*name cannot be resolved; check/, from);
      names.resolve(HERE);
      await server.connected();
      expect((await server.run(home.signer.shell('echo works'))).state).toBe('succeeded');
    },
  );

  it('[fault-18] goes while a command runs: nothing is lost, and it is all said when the name is back', async () => {
    await using home = await createAgentHome();
    const names = failingNames(home.path, HERE);
    await using server = await serveHome(home, { host: names.name });
    await using agent = startAgent({ home: home.path, env: names.env });
    await server.connected();
    const command = home.signer.shell(
      `while [ ! -e ${home.path}/gate ]; do sleep 0.05; done; echo run >>${home.path}/runs; exit 5`,
    );
    server.sendCommand(command);
    await server.until(() => server.messages.some((m) => m.type === 'state' && m.state === 'running'));
    names.resolve('EAI_AGAIN');
    server.drop();
    await says(agent, /cannot connect.*name cannot be resolved/);
    writeFileSync(`${home.path}/gate`, '');
    await says(agent, /^ended$/);
    names.resolve(HERE);
    expect(await server.resultOf(command.payload.command_id)).toMatchObject({
      state: 'failed',
      exit_code: 5,
    });
    expect(server.resumed).toEqual([false, true]);
  });

  it.runIf(isFull)('[fault-18] leads to an address where nobody answers, until it does not', async () => {
    await using home = await createAgentHome();
    const names = failingNames(home.path, DEAD);
    await using server = await serveHome(home, { host: names.name });
    await using _hole = await blackHole(server.port);
    await using agent = startAgent({ home: home.path, env: names.env });
    await says(agent, /cannot connect/);
    names.resolve(HERE);
    await server.connected();
    expect((await server.run(home.signer.shell('echo works'))).state).toBe('succeeded');
  });
});
