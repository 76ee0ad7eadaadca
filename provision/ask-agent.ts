import { request } from 'node:http';
import type { Clock } from '../base/clock.ts';

const TIMEOUT_MS = 3000;

/** JSON that the agent on this machine answers; undefined when nothing answers in it. 503 carries an answer too. */
export function askAgent(port: number, path: string, clock: Clock): Promise<unknown> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', () => end(undefined));
      response.on('end', () => {
        try {
          end(JSON.parse(text));
        } catch {
          end(undefined);
        }
      });
    });
    const timer = clock.setTimer(TIMEOUT_MS, () => sent.destroy(new Error('no answer')));
    const end = (answer: unknown) => {
      timer.cancel();
      resolve(answer);
    };
    sent.on('error', () => end(undefined));
    sent.end();
  });
}
