import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../../base/clock.ts';
import { AGENT_SNI } from '../../../protocol/version.ts';
import type { OrchestratorProcess } from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';

export interface Answered {
  status: number;
  text: string;
}

export interface Asking {
  method?: 'GET' | 'POST';
  path: string;
  body?: unknown;
  key?: string | undefined;
  /** Goes away this long after the whole request was sent (ms), whether or not there was an answer. */
  hangUpAfterMs?: number | undefined;
}

const ANSWER_MS = 15_000;
/** Longest that the orchestrator may be away; where it dies of each request for a hundred lives, that is long. */
const PATIENCE_MS = size({ short: 120_000, full: 1_800_000 });

/** Somebody who asks the orchestrator over one connection that is kept, and may get no answer. */
export function createCaller(target: () => OrchestratorProcess) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  /** Undefined: there was no answer, so nobody knows whether it was done. */
  async function ask(asking: Asking): Promise<Answered | undefined> {
    const { url, ca, credentials } = target();
    const payload = asking.body === undefined ? undefined : JSON.stringify(asking.body);
    const patience = new AbortController();
    const timer = systemClock.setTimer(ANSWER_MS, () => patience.abort(), { background: true });
    try {
      const request = httpsRequest(new URL(asking.path, url), {
        method: asking.method ?? (payload === undefined ? 'GET' : 'POST'),
        ca,
        servername: AGENT_SNI,
        agent,
        signal: patience.signal,
        headers: {
          authorization: `Bearer ${credentials.api_token}`,
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...(asking.key === undefined ? {} : { 'idempotency-key': asking.key }),
        },
      });
      request.on('error', () => undefined);
      const { hangUpAfterMs } = asking;
      if (hangUpAfterMs !== undefined)
        request.once('finish', () => systemClock.setTimer(hangUpAfterMs, () => request.destroy()));
      request.end(payload);
      const [response] = await once(request, 'response', { signal: patience.signal });
      return { status: response.statusCode, text: await text(response) };
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  /** Until there is an answer that is not for now alone. */
  async function insist(asking: Asking): Promise<Answered> {
    const until = systemClock.monotonic() + PATIENCE_MS;
    for (;;) {
      const answer = await ask(asking);
      if (answer !== undefined && answer.status < 500) return answer;
      if (systemClock.monotonic() > until)
        throw new Error(`${asking.path} was not answered in ${PATIENCE_MS} ms`);
      await systemClock.sleep(150);
    }
  }
  return { ask, insist, close: () => agent.destroy() };
}

export type Caller = ReturnType<typeof createCaller>;
