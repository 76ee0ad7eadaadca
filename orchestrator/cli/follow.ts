import type { IncomingMessage } from 'node:http';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Clock, Timer } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId } from '../../protocol/ids.ts';
import { type JobEvent, jobEventSchema } from '../../protocol/rest-jobs.ts';
import type { RestClient } from './client.ts';

/** The server says something every 15 s; after this the connection is taken for dead. */
const SILENCE_MS = 45_000;
/** Waits between attempts; the last one stays. */
const RETRY_MS = [250, 1000, 2000, 5000] as const;

/** Destroys a response on which nothing comes any more. */
function watchSilence(response: IncomingMessage, clock: Clock): { heard(): void; stop(): void } {
  let timer: Timer | undefined;
  const heard = () => {
    timer?.cancel();
    timer = clock.setTimer(SILENCE_MS, () => response.destroy(new Error('nothing was heard for 45 s')));
  };
  heard();
  return { heard, stop: () => timer?.cancel() };
}

async function* messages(
  response: IncomingMessage,
  clock: Clock,
): AsyncGenerator<EventSourceMessage, void, void> {
  let ready: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => ready.push(event) });
  const silence = watchSilence(response, clock);
  try {
    response.setEncoding('utf8');
    for await (const text of response) {
      silence.heard();
      parser.feed(text as string);
      const taken = ready;
      ready = [];
      yield* taken;
    }
  } finally {
    silence.stop();
  }
}

const isLost = (cause: unknown): boolean =>
  !(cause instanceof AppError) || cause.code === 'server_unreachable' || cause.code === 'unavailable';

/**
 * A job's events to its end. A connection that is lost is made again and goes on after the last event that came, so
 * that nothing is missed or seen twice. Ends early when the signal comes. @throws AppError when it is refused.
 */
export async function* followJob(options: {
  client: RestClient;
  jobId: JobId;
  clock: Clock;
  signal: AbortSignal;
  /** Called once when the connection was lost, however often it is tried again. */
  onLost(cause: unknown): void;
}): AsyncGenerator<JobEvent, void, void> {
  const { client, jobId, clock, signal, onLost } = options;
  let last = '';
  let failures = 0;
  let told = false;
  while (!signal.aborted) {
    try {
      const response = await client.open({
        path: `/jobs/${jobId}/events`,
        headers: { accept: 'text/event-stream', ...(last === '' ? {} : { 'last-event-id': last }) },
        signal,
      });
      for await (const message of messages(response, clock)) {
        failures = 0;
        told = false;
        last = message.id ?? last;
        const parsed = jobEventSchema.safeParse(JSON.parse(message.data));
        // An event of a later version is not for us.
        if (!parsed.success) continue;
        yield parsed.data;
        if (parsed.data.type === 'end') return;
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (!isLost(cause)) throw cause;
      if (!told) onLost(cause);
      told = true;
    }
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0;
    failures += 1;
    await clock.sleep(wait, signal).catch(() => undefined);
  }
}
