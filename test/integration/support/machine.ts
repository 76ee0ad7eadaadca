import { enrollHome } from '../../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG } from './fleet.ts';
import type { OrchestratorProcess } from './orchestrator.ts';

/** A real agent, enrolled at a real orchestrator and connected to it. */
export interface Machine extends AsyncDisposable {
  vmId: string;
  agentId: string;
  /** A folder on "the VM" for the test's files. */
  folder: string;
  join(...parts: string[]): string;
  agent: AgentProcess;
}

export async function startMachine(orchestrator: OrchestratorProcess): Promise<Machine> {
  const temp = await createTempHome();
  const made = await orchestrator.call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: {} });
  const home = temp.join('agent');
  const vmId = await enrollHome({ home, url: orchestrator.url, token: made.body.token });
  const agent = startAgent({ home });
  await untilOnline(orchestrator, vmId);
  const found = await orchestrator.call<{ agent_id: string }>({ path: `${ORG}/agents/${vmId}` });
  return {
    vmId,
    agentId: found.body.agent_id,
    folder: temp.path,
    join: temp.join,
    agent,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await temp.remove();
    },
  };
}

/** Asks until the orchestrator has seen its hello; each answer comes over the network, so this is no busy loop. */
export async function untilOnline(orchestrator: OrchestratorProcess, vmId: string): Promise<void> {
  const until = performance.now() + 30_000;
  for (;;) {
    const { body } = await orchestrator.call<{ online: boolean }>({ path: `${ORG}/agents/${vmId}` });
    if (body.online) return;
    if (performance.now() > until) throw new Error(`${vmId} did not come online`);
  }
}
