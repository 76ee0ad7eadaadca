import { describe, expect, it } from 'vitest';
import { LongPollSocket } from '../../../../agent/channel/long-poll.ts';
import type { PollAnswer, PollClient, PollRequest } from '../../../../agent/channel/poll-request.ts';
import { PollSocket } from '../../../../orchestrator/hub/long-poll.ts';
import { decodePollBatch, encodePollBatch } from '../../../../protocol/poll.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/fake-clock.ts';

/** What happens to the next requests. */
type Fate = 'pass' | 'lose request' | 'lose answer' | 'page' | 'late page';

/** The two real ends with a network between them that does what it is told. */
function pair(fates: Fate[] = []) {
  const clock: FakeClock = createFakeClock();
  const server = new PollSocket({ clock, onGone: () => undefined });
  const never = new AbortController().signal;
  const holds: number[] = [];
  const answer = (status: number, body: Uint8Array | string): PollAnswer => ({
    status,
    contentType: undefined,
    retryAfter: undefined,
    body: Buffer.from(body as string),
  });
  async function pass({ method, query, body }: PollRequest): Promise<PollAnswer> {
    server.heard();
    if (method === 'GET') {
      holds.push(Number(query['hold']));
      const batch = await server.next(Number(query['after']), Number(query['hold']) * 1000, never);
      return answer(200, encodePollBatch(batch));
    }
    const decoded = decodePollBatch(body ?? new Uint8Array());
    if (decoded.kind !== 'ok') throw new Error(decoded.problem);
    return answer(200, encodePollBatch({ first: 0, taken: server.take(decoded.batch), frames: [] }));
  }
  const client: PollClient = {
    async ask(request) {
      const fate = fates.shift() ?? 'pass';
      if (fate === 'lose request') throw new Error('socket hang up');
      if (fate === 'page') return answer(403, '<html>no</html>');
      if (fate === 'late page') {
        await clock.sleep(4000);
        return answer(504, '<html>late</html>');
      }
      const answered = await pass(request);
      if (fate === 'lose answer') throw new Error('socket hang up');
      return answered;
    },
    close: () => undefined,
  };
  const agent = new LongPollSocket({ client, clock, random: () => 1, interval: () => 5 });
  const taken = { there: [] as string[], here: [] as string[], ends: [] as unknown[] };
  server.on('message', (data) => taken.there.push(String(data)));
  agent.on('message', (data) => taken.here.push(String(data)));
  for (const event of ['close', 'error', 'refused'] as const)
    agent.on(event, (what: unknown, reason?: Buffer) =>
      taken.ends.push(event === 'close' ? [what, String(reason)] : event),
    );
  server.on('close', (code: number, reason: Buffer) => taken.ends.push(['there', code, String(reason)]));
  return { clock, server, agent, taken, fates, holds };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `frame ${i}`);

describe('a link of polls', () => {
  it('brings frames of both ends, in their order', async () => {
    const { clock, server, agent, taken } = pair();
    for (const text of numbers(3)) agent.send(text);
    await clock.advance(10);
    for (const text of numbers(3)) server.send(text);
    await clock.advance(10);
    expect([taken.there, taken.here]).toEqual([numbers(3), numbers(3)]);
  });

  it.each<[string, Fate[]]>([
    ['requests are', ['pass', 'pass', 'lose request', 'lose request', 'lose request']],
    ['answers are', ['pass', 'pass', 'lose answer', 'lose answer', 'lose answer', 'lose answer']],
    ['both are, by turns', ['pass', 'pass', 'lose answer', 'lose request', 'lose answer', 'lose request']],
  ])('[poll-2] loses and doubles no frame when %s lost', async (_what, fates) => {
    const { clock, server, agent, taken } = pair(fates);
    agent.send('hello');
    await clock.advance(10);
    for (const [i, text] of numbers(20).entries()) {
      agent.send(text);
      server.send(text);
      await clock.advance(i * 100);
    }
    await clock.advance(30_000);
    expect(fates).toEqual([]);
    expect(taken.there).toEqual(['hello', ...numbers(20)]);
    expect(taken.here).toEqual(numbers(20));
  });

  it('[poll-2] would hand a frame on twice if its number were not looked at', async () => {
    const { server, taken } = pair();
    const frame = { kind: 'text', bytes: Buffer.from('once') } as const;
    expect(server.take({ first: 1, taken: 0, frames: [frame] })).toBe(1);
    expect(server.take({ first: 1, taken: 0, frames: [frame] })).toBe(1);
    expect(taken.there).toEqual(['once']);
    server.take({ first: 2, taken: 0, frames: [frame] });
    expect(taken.there).toEqual(['once', 'once']);
  });

  it('ends when a frame is missing', () => {
    const { server, taken } = pair();
    server.take({ first: 2, taken: 0, frames: [{ kind: 'text', bytes: Buffer.from('x') }] });
    expect(taken.ends).toEqual([['there', 4001, 'a frame before number 2 is missing']]);
  });

  it('keeps the bytes of a frame until they were taken', async () => {
    const { clock, agent, fates } = pair();
    agent.send('hello');
    await clock.advance(10);
    const done: string[] = [];
    fates.push('lose answer');
    agent.send(new Uint8Array([1]), { binary: true }, () => done.push('taken'));
    await clock.advance(10);
    expect(done).toEqual([]);
    await clock.advance(5000);
    expect(done).toEqual(['taken']);
  });

  it('tells the other end why it is closed, from either end', async () => {
    const one = pair();
    one.agent.send('hello');
    await one.clock.advance(10);
    one.agent.close(4000, 'the agent stops');
    await one.clock.advance(10);
    expect(one.taken.ends).toEqual([
      ['there', 4000, 'the agent stops'],
      [4000, 'the agent stops'],
    ]);
    const other = pair();
    other.agent.send('hello');
    await other.clock.advance(10);
    other.server.close(4006, 'revoked');
    await other.clock.advance(10);
    expect(other.taken.ends).toEqual([
      ['there', 4006, 'revoked'],
      [4006, 'revoked'],
    ]);
  });

  it('leaves a first answer that is none of ours to the channel', async () => {
    const { clock, agent, taken } = pair(['page']);
    agent.send('hello');
    await clock.advance(10);
    expect(taken.ends).toEqual(['refused', [1006, '']]);
  });

  it('leaves a network that never worked to the channel', async () => {
    const { clock, agent, taken } = pair(['lose request']);
    agent.send('hello');
    await clock.advance(10);
    expect(taken.ends).toEqual(['error', [1006, '']]);
  });

  it('[poll-4] asks for shorter holds when something on the way has no patience', async () => {
    const { clock, agent, holds } = pair(['pass', 'late page']);
    agent.send('hello');
    await clock.advance(4600);
    expect(holds).toEqual([3]);
  });

  it('gives up frames that nobody takes for a minute', async () => {
    const { clock, agent, taken, fates } = pair();
    agent.send('hello');
    await clock.advance(10);
    agent.send('lost');
    fates.push(...Array<Fate>(400).fill('lose request'));
    await clock.advance(70_000);
    expect(taken.ends).toEqual(['error', [1006, '']]);
  });
});

describe('the orchestrator’s end', () => {
  const signal = new AbortController().signal;

  it('[poll-5] has one waiting poll: a second one ends the first', async () => {
    const { clock, server } = pair();
    const first = server.next(0, 15_000, signal);
    const second = server.next(0, 15_000, signal);
    expect(await first).toMatchObject({ frames: [] });
    server.send('for the second');
    await clock.advance(10);
    expect((await second).frames).toHaveLength(1);
    expect(clock.armed()).toEqual([]);
  });

  it('answers with nothing when the hold is over, or the agent has gone', async () => {
    const { clock, server } = pair();
    const held = server.next(0, 15_000, signal);
    await clock.advance(15_000);
    expect((await held).frames).toEqual([]);
    const gone = new AbortController();
    const left = server.next(0, 15_000, gone.signal);
    gone.abort();
    expect((await left).frames).toEqual([]);
    expect(clock.armed()).toEqual([]);
  });

  it('[poll-5] ends a link whose agent does not fetch what waits for it', () => {
    const { server, taken } = pair();
    for (let i = 0; i < 20; i++) server.send('x'.repeat(1024 * 1024));
    expect(taken.ends).toEqual([['there', 1006, '']]);
  });

  it('tells a later poll why it was closed, and then forgets', async () => {
    const clock = createFakeClock();
    let gone = false;
    const server = new PollSocket({
      clock,
      onGone: () => {
        gone = true;
      },
    });
    server.close(4007, 'quarantined');
    expect((await server.next(0, 15_000, signal)).frames.map(({ kind }) => kind)).toEqual(['close']);
    expect(gone).toBe(false);
    await clock.advance(30_000);
    expect(gone).toBe(true);
  });
});
