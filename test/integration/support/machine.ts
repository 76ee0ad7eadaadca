import { writeFile } from 'node:fs/promises';
import { diskLayout, policyFile } from '../../../protocol/disk-layout.ts';
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

export async function startMachine(
  orchestrator: OrchestratorProcess,
  options: {
    /** Text of policy.yaml; without it everything is allowed. */
    policy?: (folder: string) => string;
    /** Files in its folder, by name. */
    files?: Readonly<Record<string, string>>;
  } = {},
): Promise<Machine> {
  const temp = await createTempHome();
  const made = await orchestrator.call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: {} });
  const home = temp.join('agent');
  const vmId = await enrollHome({ home, url: orchestrator.url, token: made.body.token });
  if (options.policy)
    await writeFile(policyFile(diskLayout(home)).path, options.policy(temp.path), { mode: 0o600 });
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(temp.join(name), text);
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
