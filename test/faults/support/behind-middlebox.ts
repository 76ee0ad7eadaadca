import { join } from 'node:path';
import { clientCredentials, readCredentials } from '../../../agent/identity/credentials.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { openAuthority } from '../../../orchestrator/ca/authority.ts';
import { STORE_FILE } from '../../../orchestrator/data-folder.ts';
import { createSealer, loadMasterKey } from '../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../orchestrator/store/store.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { enrollHome } from '../../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { type Middlebox, startMiddlebox } from '../../fakes/middlebox.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG } from '../../integration/support/fleet.ts';
import type { OrchestratorProcess } from '../../integration/support/orchestrator.ts';

/** A real agent whose way to a real orchestrator leads through a box that looks into TLS. */
export interface BoxedAgent extends AsyncDisposable {
  vmId: string;
  agentId: string;
  home: string;
  box: Middlebox;
  /** A place on "the VM". */
  join(...parts: string[]): string;
  /** The process that was started last. */
  agent(): AgentProcess;
  start(env?: Record<string, string>): AgentProcess;
  /** Its next welcome over this transport, by the log of the process that was started last. */
  connected(transport: 'websocket' | 'poll', after?: number): Promise<Record<string, unknown>>;
}

/** `orchestrator`: asked each time, since one that was restarted is another process. */
export async function enrollBehindBox(
  orchestrator: () => OrchestratorProcess,
  /** `http://…` of a proxy before the box. */
  proxy?: string,
): Promise<BoxedAgent> {
  const temp = await createTempHome();
  const made = await orchestrator().call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: {} });
  const home = temp.join('agent');
  const vmId = await enrollHome({ home, url: orchestrator().url, token: made.body.token });
  const credentials = await readCredentials(diskLayout(home));
  const box = await startMiddlebox({
    target: () => orchestrator().url,
    server: await serverCredentials(orchestrator().dataDir),
    client: () => clientCredentials(credentials),
  });
  const url = `${box.url.replace('https', 'wss')}/api/v1/agents/${vmId}/ws`;
  const fixed: Record<string, string> = {
    VM_AGENT_ORCHESTRATOR__WEBSOCKET_URL: url,
    ...(proxy === undefined ? {} : { VM_AGENT_ORCHESTRATOR__PROXY__URL: proxy }),
  };
  const found = await orchestrator().call<{ agent_id: string }>({ path: `${ORG}/agents/${vmId}` });
  let agent: AgentProcess | undefined;
  const running = () => {
    if (agent === undefined) throw new Error('no agent was started');
    return agent;
  };
  return {
    vmId,
    agentId: found.body.agent_id,
    home,
    box,
    join: temp.join,
    agent: running,
    start(env = {}) {
      agent = startAgent({ home, env: { ...fixed, ...env } });
      return agent;
    },
    connected(transport, after = 0) {
      const { log, logged } = running();
      return logged(
        (line) =>
          log.indexOf(line) >= after && line['session_id'] !== undefined && line['transport'] === transport,
      );
    },
    async [Symbol.asyncDispose]() {
      await agent?.[Symbol.asyncDispose]();
      await box[Symbol.asyncDispose]();
      await temp.remove();
    },
  };
}

/** A certificate as the orchestrator makes its own, from its own CA. */
async function serverCredentials(dataDir: string) {
  const store = await openStore(join(dataDir, STORE_FILE));
  try {
    const sealer = createSealer(await loadMasterKey(join(dataDir, 'master.key'), { mayCreate: false }));
    const authority = await openAuthority({ store, sealer, clock: systemClock, log: silentLogger });
    const made = await authority.issueOrchestrator({ dns: ['localhost'], ips: ['127.0.0.1'] });
    return { cert: made.chain, key: made.key, ca: [authority.root] };
  } finally {
    await store.close();
  }
}
