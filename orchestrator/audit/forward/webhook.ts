import { createHash, createHmac } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import type { Batch, Sink } from './sink.ts';

const TIMEOUT_MS = 30_000;

/** What a request carries so that the receiver can tell who sent it (https://www.standardwebhooks.com). */
export function webhookHeaders(options: { id: string; atMs: number; secret: string; body: string }) {
  const timestamp = String(Math.floor(options.atMs / 1000));
  const signature = createHmac('sha256', options.secret)
    .update(`${options.id}.${timestamp}.${options.body}`)
    .digest('base64');
  return {
    'webhook-id': options.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}

/**
 * Posts batches as JSON, signed. Only whoever starts the orchestrator says where to; a redirect is not followed and
 * nothing of the answer but its status is used, so that the receiver cannot make it ask anything else.
 */
export function webhookSink(options: { url: URL; secret: string; clock: Clock }): Sink {
  const { url, secret, clock } = options;
  return {
    id: `webhook-${createHash('sha256').update(url.href).digest('hex').slice(0, 16)}`,
    name: `webhook ${url.origin}`,
    async send(batch: Batch, signal) {
      const body = JSON.stringify({ log: batch.log, events: batch.events });
      const timeout = new AbortController();
      const timer = clock.setTimer(TIMEOUT_MS, () => timeout.abort(new Error('it did not answer in time')), {
        background: true,
      });
      try {
        const response = await fetch(url, {
          method: 'POST',
          redirect: 'error',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'vm-orchestrator',
            ...webhookHeaders({ id: batch.id, atMs: clock.now(), secret, body }),
          },
          body,
          signal: AbortSignal.any([signal, timeout.signal]),
        });
        await response.body?.cancel();
        if (!response.ok) throw new Error(`it answered with status ${response.status}`);
      } finally {
        timer.cancel();
      }
    },
    close: () => undefined,
  };
}
