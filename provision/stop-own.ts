import { loadAgentConfig } from '../agent/config.ts';
import { readSecurityFile } from '../agent/identity/credentials.ts';
import type { Clock } from '../base/clock.ts';
import { agentInfoSchema } from '../protocol/agent-http.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { askAgent } from './ask-agent.ts';
import type { Host } from './host.ts';

const STOP_MS = 35_000;
const POLL_MS = 100;

interface OwnAgent {
  layout: DiskLayout;
  host: Pick<Host, 'terminate'>;
  clock: Clock;
}

/**
 * Pid of the agent that runs from this folder without systemd: a process of the user's own, which tells its pid on
 * its local interface. Undefined when none answers there, or another one.
 */
export async function ownAgentPid({ layout, clock }: Omit<OwnAgent, 'host'>): Promise<number | undefined> {
  const port = await loadAgentConfig({ layout, env: {} }).then(
    (config) => config.server.port,
    () => undefined,
  );
  if (port === undefined) return undefined;
  const running = agentInfoSchema.safeParse(await askAgent(port, '/info', clock)).data;
  if (running === undefined || running.vm_id !== (await readSecurityFile(layout, 'vmId'))) return undefined;
  return running.runtime.pid;
}

/** Asks that agent to end and waits. `stopped` is false when it is still there. */
export async function stopOwnAgent(own: OwnAgent): Promise<{ pid: number | undefined; stopped: boolean }> {
  const pid = await ownAgentPid(own);
  if (pid === undefined) return { pid, stopped: true };
  own.host.terminate(pid);
  const end = own.clock.monotonic() + STOP_MS;
  while ((await ownAgentPid(own)) === pid) {
    if (own.clock.monotonic() >= end) return { pid, stopped: false };
    await own.clock.sleep(POLL_MS);
  }
  return { pid, stopped: true };
}
