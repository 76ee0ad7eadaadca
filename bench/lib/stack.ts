import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { caPinOf } from '../../protocol/provisioning-token.ts';
import type { Agent, Bootstrap, CreateTokenResponse } from '../../protocol/rest-fleet.ts';
import { anchorFromPin } from '../../provision/ca-pin.ts';
import { fetchCa } from '../../provision/fetch-ca.ts';
import { NODE_FLAGS } from '../../provision/node-flags.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { createTempHome } from '../../test/fakes/temp-home.ts';
import { type Daemon, freePort, plainEnv, startDaemon } from './child.ts';
import { createRestClient, type RestClient } from './rest.ts';

const AGENT = join(ROOT, 'dist/vm-agent.mjs');
const ORCHESTRATOR = join(ROOT, 'dist/vm-orchestrator.mjs');
const ORGANIZATION = 'default';

/** A real orchestrator and one real agent, enrolled by the installer in user mode, from the bundles in dist/. */
export interface Stack extends AsyncDisposable {
  readonly orchestrator: Daemon;
  readonly rest: RestClient;
  /** Where the orchestrator keeps its data. */
  readonly dataDir: string;
  readonly url: string;
  /** Of the dashboard’s first user. */
  readonly login: { username: string; password: string };
  readonly agentId: string;
  /** For `vm-orchestrator run` and the other subcommands. */
  readonly clientEnv: NodeJS.ProcessEnv;
  /** The orchestrator's program and its arguments, as its users start it. */
  readonly orchestratorProgram: readonly [file: string, ...args: string[]];
  /** Arguments of Node that start the agent on this port. */
  agentArgs(port: number): string[];
  /** The daemon, enrolled and connected. It ends with its own scope or the stack's. */
  startAgent(): Promise<Daemon>;
}

function runNode(args: readonly string[], stdin: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error }));
      else resolve(stdout);
    });
    child.stdin?.end(stdin);
  });
}

/** `cpuProfileDir`: both programs write a .cpuprofile there when they end. */
export async function startStack(options: { cpuProfileDir: string | undefined }): Promise<Stack> {
  for (const bundle of [AGENT, ORCHESTRATOR])
    if (!existsSync(bundle)) throw new Error(`${bundle} is missing; run 'npm run build' first`);
  const { cpuProfileDir } = options;
  const profile = cpuProfileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', cpuProfileDir];
  const closing = new AsyncDisposableStack();
  try {
    const home = closing.use(await createTempHome('vmb-'));
    const env = plainEnv();
    const data = home.join('orchestrator');
    const agentHome = home.join('agent');
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const serve = [
      ORCHESTRATOR,
      'serve',
      '--data',
      data,
      '--listen',
      `127.0.0.1:${port}`,
      '--public-url',
      url,
    ];
    const orchestrator = closing.use(
      startDaemon(process.execPath, [...NODE_FLAGS['vm-orchestrator'], ...profile, ...serve], env),
    );
    await orchestrator.line((line) => (line.includes('"listening"') ? true : undefined));

    const shown = await runNode([ORCHESTRATOR, 'bootstrap', '--data', data], '', env);
    const bootstrap = JSON.parse(shown) as Bootstrap;
    const offered = await fetchCa({ server: new URL(url), clock: systemClock });
    const { pem } = anchorFromPin(offered.pem, caPinOf(bootstrap.ca_fingerprint), url);
    const caFile = home.join('ca.pem');
    await writeFile(caFile, pem);
    const rest = closing.use(
      createRestClient({ url, caPem: pem, apiToken: bootstrap.api_token, organization: ORGANIZATION }),
    );

    const agents = `/api/v1/organizations/${ORGANIZATION}/agents`;
    const { token } = await rest.post<CreateTokenResponse>(
      `/api/v1/organizations/${ORGANIZATION}/provisioning-tokens`,
      {},
    );
    const install = ['install', '--user', '--home', agentHome, '--server-url', url, '--token-stdin'];
    await runNode([AGENT, ...install, '--port', String(await freePort())], `${token}\n`, env);
    const agent = (await rest.get<{ items: Agent[] }>(agents)).items[0];
    if (agent === undefined) throw new Error('the installer ended well, but the orchestrator knows no agent');

    const agentArgs = (agentPort: number) => [
      ...[
        ...NODE_FLAGS['vm-agent'],
        AGENT,
        'server',
        '--home',
        agentHome,
        '--host',
        '127.0.0.1',
        '--port',
        String(agentPort),
      ],
    ];
    const stack = closing.move();
    return {
      orchestrator,
      rest,
      dataDir: data,
      url,
      login: { username: bootstrap.admin_user, password: bootstrap.admin_password },
      agentId: agent.agent_id,
      orchestratorProgram: [process.execPath, ORCHESTRATOR],
      clientEnv: {
        ...env,
        VM_ORCHESTRATOR_URL: url,
        VM_ORCHESTRATOR_API_TOKEN: bootstrap.api_token,
        VM_ORCHESTRATOR_CA_FILE: caFile,
      },
      agentArgs,
      async startAgent() {
        const daemon = startDaemon(process.execPath, [...profile, ...agentArgs(await freePort())], env);
        stack.use(daemon);
        await online(rest, `${agents}`, agent.agent_id, daemon);
        return daemon;
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await closing.disposeAsync();
    throw cause;
  }
}

async function online(rest: RestClient, agents: string, id: string, daemon: Daemon): Promise<void> {
  const giveUp = systemClock.monotonic() + 30_000;
  for (;;) {
    const { items } = await rest.get<{ items: Agent[] }>(agents);
    if (items.some((agent) => agent.agent_id === id && agent.online)) return;
    if (systemClock.monotonic() > giveUp)
      throw new Error(`the agent is not online after 30 s:\n${daemon.output()}`);
    await systemClock.sleep(100);
  }
}
