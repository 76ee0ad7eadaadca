import { Health } from '../../../agent/health.ts';
import { Callers } from '../../../agent/http/callers.ts';
import { createEndpoint } from '../../../agent/http/mcp/endpoint.ts';
import { McpGate } from '../../../agent/http/mcp/gate.ts';
import { AgentHttpServer } from '../../../agent/http/server.ts';
import { createRegistry } from '../../../agent/tools/registry.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { fixtureServer } from '../fixture/server.ts';
import { startKeyProxy } from './key-proxy.ts';

export interface FixtureStack extends AsyncDisposable {
  /** `/mcp` behind a proxy that adds the key. */
  url: string;
}

/** The agent's own HTTP interface, doors and limits included, with the fixture's tools in place of the agent's. */
export async function startFixtureStack(): Promise<FixtureStack> {
  const apiKey = 'key-of-the-fixture';
  const clock = systemClock;
  const log = silentLogger;
  const callers = new Callers({
    clock,
    auth: () => ({ apiKey, organizationId: undefined, trustDomain: undefined }),
    demands: { mtls: true, apiKey: true },
    grantOf: () => undefined,
  });
  const ownNames = () => [];
  const endpoint = createEndpoint({ clock, log, factory: () => fixtureServer(endpoint.notify) });
  const http = new AgentHttpServer({
    clock,
    log,
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    facts: {
      health: new Health(() => undefined),
      registry: createRegistry([]),
      version: '0.0.0',
      vmId: null,
      agentId: null,
      transport: null,
      orchestratorUrl: null,
      name: null,
      labels: {},
      features: [],
      hostname: 'fixture',
      startedAt: '2026-01-01T00:00:00.000Z',
      renewal: () => undefined,
      runtime: { node: process.version, platform: process.platform, arch: process.arch, pid: process.pid },
    },
    ca: () => undefined,
    callers,
    ownNames,
    plainLoopback: true,
    metrics: () => Promise.resolve(''),
    mcp: new McpGate({ callers, ownNames, plainLoopback: true, door: endpoint }),
  });
  await http.listen();
  const proxy = await startKeyProxy({ port: http.port, apiKey });
  return {
    url: `http://127.0.0.1:${proxy.port}/mcp`,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await endpoint.close();
      await http.close();
    },
  };
}
