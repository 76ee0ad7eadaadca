import { writeFile } from 'node:fs/promises';
import { type AgentHome, createAgentHome } from '../../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { serveHome } from '../../fakes/agent-rig.ts';

/** The three ways in: plain HTTP on loopback with the key, HTTPS with the key, HTTPS with a client certificate. */
export const DOORS = ['http', 'https-key', 'https-certificate'] as const;
export type DoorName = (typeof DOORS)[number];

/** What a client needs for one way in. Paths are of PEM files. */
export interface DoorTicket {
  url: string;
  key?: string;
  ca?: string;
  certificate?: { cert: string; privateKey: string };
}

export interface McpAgent extends AsyncDisposable {
  home: AgentHome;
  process: AgentProcess;
  port: number;
  door(name: DoorName, client?: 'ana' | 'reader'): DoorTicket;
}

/** The real daemon in a process of its own, enrolled, with a policy that grants everything to the client `ana`, and reading to `reader`. */
export async function startMcpAgent(
  options: {
    host?: string;
    /** More of the section `server`, indented. */
    config?: string;
  } = {},
): Promise<McpAgent> {
  const home = await createAgentHome();
  await home.writeConfig(
    `server:\n  host: ${options.host ?? '127.0.0.1'}\n  port: 0\n${options.config ?? ''}`,
  );
  const grant = '{ tools: { allow: ["*"] }, roots: { read: ["/"], write: ["/"] } }';
  const reader = '{ tools: { allow: [read_file] }, roots: { read: ["/"] } }';
  await writeFile(
    `${home.path}/config/policy.yaml`,
    `version: 1\ngrants:\n  orchestrator: ${grant}\n  local-api: ${grant}\n  "client:ana": ${grant}\n  "client:reader": ${reader}\n`,
    { mode: 0o644 },
  );
  const orchestrator = await serveHome(home);
  const file = async (name: string, text: string) => {
    const path = `${home.path}/${name}`;
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const ca = await file('ca.pem', home.ca.rootPem);
  const issue = async (id: string) => {
    const { certificate, key } = await home.ca.client(id);
    return { cert: await file(`${id}.pem`, certificate), privateKey: await file(`${id}.key`, key) };
  };
  const certificates = { ana: await issue('ana'), reader: await issue('reader') };
  const agent = startAgent({ home: home.path });
  const port = await agent.port();
  await agent.logged((line) => line['condition'] === 'enrolled' && line['ok'] === true);
  return {
    home,
    process: agent,
    port,
    door: (name, client = 'ana') => ({
      url: `${name === 'http' ? 'http' : 'https'}://localhost:${port}/mcp`,
      ...(name === 'https-certificate' ? {} : { key: home.apiKey }),
      ...(name === 'http' ? {} : { ca }),
      ...(name === 'https-certificate' ? { certificate: certificates[client] } : {}),
    }),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await orchestrator.close();
      await home[Symbol.asyncDispose]();
    },
  };
}
