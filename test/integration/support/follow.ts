import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { createParser } from 'eventsource-parser';
import { AGENT_SNI } from '../../../protocol/version.ts';

export interface FollowedStream<E> extends AsyncDisposable {
  readonly events: readonly E[];
  /** The first event that this is true of, among those that came and those that will. */
  until(test: (event: E) => boolean): Promise<E>;
  /** Resolves when the orchestrator ended the stream. */
  readonly ended: Promise<void>;
}

/** Reads Server-Sent Events as a program does. */
export async function followStream<E>(
  target: { url: string; ca: string },
  options: { path: string; token: string },
): Promise<FollowedStream<E>> {
  const request = httpsRequest(new URL(options.path, target.url), {
    ca: target.ca,
    servername: AGENT_SNI,
    agent: false,
    headers: { authorization: `Bearer ${options.token}`, accept: 'text/event-stream' },
  });
  request.end();
  const [response] = await once(request, 'response');
  if (response.statusCode !== 200) throw new Error(`the stream answered ${response.statusCode}`);
  const events: E[] = [];
  const waiting = new Set<() => void>();
  const parser = createParser({
    onEvent({ data }) {
      events.push(JSON.parse(data) as E);
      for (const look of waiting) look();
    },
  });
  response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
  const ended = new Promise<void>((resolve) => response.once('close', resolve));
  return {
    events,
    ended,
    until(test) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = events.find(test);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        void ended.then(() => reject(new Error('the stream ended before the event came')));
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      request.destroy();
      await ended;
    },
  };
}
