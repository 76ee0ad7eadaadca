import { type Credentials, clientCredentials, readCredentials } from '../agent/identity/credentials.ts';
import type { Clock } from '../base/clock.ts';
import { type AgentHealth, agentHealthSchema } from '../protocol/agent-http.ts';
import { AppError } from '../protocol/errors.ts';
import type { OwnStatus } from '../protocol/rest-registration.ts';
import { askAgent } from './ask-agent.ts';
import type { InstallContext } from './context.ts';

const POLL_MS = 150;

/** `GET /health` over plain HTTP on loopback; undefined when nothing of ours answers. */
export async function askHealth(port: number, clock: Clock): Promise<AgentHealth | undefined> {
  return agentHealthSchema.safeParse(await askAgent(port, '/health', clock)).data;
}

/** Asks until the answer is good enough, or `alive` says that it never will be, or the time is over. */
async function until<T>(options: {
  clock: Clock;
  withinMs: number;
  ask: () => Promise<T | undefined>;
  good: (value: T) => boolean;
  alive: () => Promise<boolean>;
}): Promise<{ good: boolean; last: T | undefined }> {
  const end = options.clock.monotonic() + options.withinMs;
  for (;;) {
    const last = await options.ask();
    if (last !== undefined && options.good(last)) return { good: true, last };
    if (options.clock.monotonic() >= end || !(await options.alive())) return { good: false, last };
    await options.clock.sleep(POLL_MS);
  }
}

/**
 * Waits until the agent says that it is healthy and the orchestrator, asked with the agent's certificate, that it is
 * online. @throws AppError `step_failed` with `diagnosis` in its text.
 */
export async function waitUntilOnline(options: {
  ctx: Pick<InstallContext, 'layout' | 'clock' | 'orchestrator'>;
  port: number;
  withinMs: number;
  alive: () => Promise<boolean>;
  /** Last words of the agent, when it does not come up. */
  diagnosis: () => Promise<string>;
  hint: string;
}): Promise<void> {
  const { ctx, port, withinMs, alive } = options;
  const own: Credentials = await readCredentials(ctx.layout);
  const health = await until({
    clock: ctx.clock,
    withinMs,
    alive,
    ask: () => askHealth(port, ctx.clock),
    good: (answer) => answer.status === 'healthy' && answer.vm_id === own.vmId,
  });
  if (!health.good) {
    const said =
      health.last === undefined
        ? `it does not answer on port ${port}`
        : health.last.vm_id === own.vmId
          ? `it says "${health.last.status}"${health.last.websocket_connected ? '' : ' and is not connected to the orchestrator'}`
          : `another agent (${health.last.vm_id}) answers on port ${port}`;
    throw new AppError('step_failed', {
      detail: `The agent did not become healthy: ${said}.${await options.diagnosis()}`,
      hint: options.hint,
    });
  }
  let problem: unknown;
  const status = await until<OwnStatus>({
    clock: ctx.clock,
    withinMs,
    alive,
    ask: () =>
      ctx.orchestrator.ownStatus(own.vmId, clientCredentials(own)).catch((cause: unknown) => {
        problem = cause;
        return undefined;
      }),
    good: (answer) => answer.online,
  });
  if (status.good) return;
  const why = problem instanceof Error ? ` (${problem.message})` : '';
  throw new AppError('step_failed', {
    detail: `The agent is healthy, but the orchestrator does not see it online${why}.`,
    hint: options.hint,
    cause: problem,
  });
}
