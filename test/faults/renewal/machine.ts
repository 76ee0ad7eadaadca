import { fileURLToPath } from 'node:url';
import { type DiskLayout, diskLayout } from '../../../protocol/disk-layout.ts';
import { enrollHome } from '../../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG } from '../../integration/support/fleet.ts';
import type { OrchestratorProcess } from '../../integration/support/orchestrator.ts';

const ON_A_BAD_DISK = fileURLToPath(new URL('../support/run-agent-disk.ts', import.meta.url));

/** A machine that is enrolled; its agent is started, and killed, as often as a test likes. */
export interface EnrolledHome extends AsyncDisposable {
  vmId: string;
  home: string;
  layout: DiskLayout;
  join(...parts: string[]): string;
  start(env?: Record<string, string>): AgentProcess;
}

export const onBadDisk = (home: string, env: Record<string, string> = {}): AgentProcess =>
  startAgent({ home, script: ON_A_BAD_DISK, env });

export async function enrolledHome(
  orchestrator: Pick<OrchestratorProcess, 'url' | 'call'>,
): Promise<EnrolledHome> {
  const temp = await createTempHome();
  const made = await orchestrator.call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: {} });
  const home = temp.join('agent');
  const vmId = await enrollHome({ home, url: orchestrator.url, token: made.body.token });
  return {
    vmId,
    home,
    layout: diskLayout(home),
    join: temp.join,
    start: (env) => onBadDisk(home, env),
    [Symbol.asyncDispose]: () => temp.remove(),
  };
}

export const isConnected = (line: Record<string, unknown>): boolean =>
  line['msg'] === 'connected to the orchestrator';
export const isRenewed = (line: Record<string, unknown>): boolean =>
  line['msg'] === 'key and certificate were renewed';
