import { type AgentHome, createAgentHome } from './agent-home.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { FakeOrchestrator, type FakeOrchestratorOptions } from './fake-orchestrator.ts';
import type { TestCa } from './test-ca.ts';

export interface ServeHomeOptions extends Partial<FakeOrchestratorOptions> {
  /** By which name the agent is told to reach it; an address of the loopback, if left out. */
  host?: string;
  /** Of one that was there before; a free one, if left out. */
  port?: number;
}

/** The scripted orchestrator of this home, which is told where it listens. It is what the agent expects, but for the options. */
export async function serveHome(home: AgentHome, options: ServeHomeOptions = {}): Promise<FakeOrchestrator> {
  const { host = '127.0.0.1', port, ...rest } = options;
  const server = new FakeOrchestrator({
    certificate: rest.certificate ?? (await home.ca.orchestrator()),
    ca: [home.ca.rootPem],
    identity: home,
    ...rest,
  });
  await server.listen(port);
  await home.setUrl(server.urlFor(home.vmId).replace('127.0.0.1', host));
  return server;
}

/** A real agent in a process of its own, and the scripted orchestrator that it is connected to. */
export interface AgentRig extends AsyncDisposable {
  home: AgentHome;
  server: FakeOrchestrator;
  agent: AgentProcess;
}

export async function startAgentRig(
  options: {
    /** Of another one, which is of the same organization then. */
    ca?: TestCa;
    /** Text of agent_config.yaml. */
    config?: string;
    orchestrator?: ServeHomeOptions;
  } = {},
): Promise<AgentRig> {
  await using started = new AsyncDisposableStack();
  const home = started.use(await createAgentHome(options));
  if (options.config !== undefined) await home.writeConfig(options.config);
  const server = started.use(await serveHome(home, options.orchestrator));
  const agent = started.use(startAgent({ home: home.path }));
  await server.connected();
  const rig = started.move();
  return { home, server, agent, [Symbol.asyncDispose]: () => rig.disposeAsync() };
}
