import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomHex } from '../../base/random.ts';
import {
  closeFrame,
  decodePollBatch,
  encodePollBatch,
  type PollFrame,
  readClose,
} from '../../protocol/poll.ts';
import { AGENT_SNI, CLOSE, MAX_FRAME_BYTES } from '../../protocol/version.ts';
import { fakeFacts, fakeHello } from '../fakes/facts.ts';
import { type EnrolledMachine, enroll, newVmId } from './support/enroll.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let machine: EnrolledMachine;
let other: EnrolledMachine;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  machine = await enroll(orchestrator, { vm_id: newVmId('poll') });
  other = await enroll(orchestrator, { vm_id: newVmId('other') });
});
afterAll(() => orchestrator?.stop());

interface Ask {
  method?: 'GET' | 'POST';
  query: Record<string, string | number>;
  body?: Uint8Array;
  headers?: Record<string, string>;
  as?: EnrolledMachine | undefined;
  vmId?: string;
}

/** One poll, with a connection of its own. */
async function ask({ method = 'GET', query, body, headers = {}, as = machine, vmId }: Ask) {
  const url = new URL(`/api/v1/agents/${vmId ?? as.response.vm_id}/poll`, orchestrator.url);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  const request = httpsRequest(url, {
    method,
    ca: orchestrator.ca,
    servername: AGENT_SNI,
    agent: false,
    ...as.tls,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }), ...headers },
  });
  request.end(body);
  const [response] = await once(request, 'response');
  const bytes = await buffer(response);
  const decoded = response.statusCode === 200 ? decodePollBatch(bytes) : undefined;
  return {
    status: Number(response.statusCode),
    length: response.headers['content-length'],
    code: decoded === undefined ? (JSON.parse(bytes.toString()) as { code: string }).code : undefined,
    batch: decoded?.kind === 'ok' ? decoded.batch : undefined,
  };
}

const text = (message: object): PollFrame => ({ kind: 'text', bytes: Buffer.from(JSON.stringify(message)) });
const hello = text({
  type: 'hello',
  protocol_min: 1,
  protocol_max: 1,
  ...fakeHello({ facts: fakeFacts({ hostname: 'poll' }) }),
  clock: new Date(0).toISOString(),
  recv_seq: 0,
});
const post = (link: string, frames: PollFrame[], first = 1, more: Partial<Ask> = {}) =>
  ask({ method: 'POST', query: { link }, body: encodePollBatch({ first, taken: 0, frames }), ...more });
const typesOf = (frames: readonly PollFrame[] = []) =>
  frames.map((frame) =>
    frame.kind === 'close' ? readClose(frame).code : JSON.parse(Buffer.from(frame.bytes).toString()).type,
  );

/** A link that has been welcomed. */
async function open(as = machine): Promise<string> {
  const link = randomHex(32);
  const posted = await post(link, [hello], 1, { as });
  expect(posted.batch).toEqual({ first: 0, taken: 1, frames: [] });
  const welcome = await ask({ query: { link, after: 0 }, as });
  expect(typesOf(welcome.batch?.frames)).toContain('welcome');
  return link;
}

describe('polls', () => {
  it('begin with hello, and each answer is whole and says its length', async () => {
    const link = randomHex(32);
    await post(link, [hello]);
    const { batch, length } = await ask({ query: { link, after: 0 } });
    expect(typesOf(batch?.frames)).toContain('welcome');
    expect(Number(length)).toBeGreaterThan(100);
    const again = await ask({ query: { link, after: 0 } });
    expect(typesOf(again.batch?.frames)[0]).toBe('welcome');
  });

  it('take the same frames twice, and count them once', async () => {
    const link = await open();
    const beat = text({
      type: 'heartbeat',
      at: new Date(0).toISOString(),
      load: { uptime_s: 1, load1: 0, memory_used: 0, agent_rss_bytes: 1 },
    });
    expect((await post(link, [beat], 2)).batch?.taken).toBe(2);
    expect((await post(link, [beat], 2)).batch?.taken).toBe(2);
    expect((await post(link, [hello], 1)).batch?.taken).toBe(2);
  });

  it.each<[string, Partial<Ask> & { query?: never }, number, string]>([
    ['an Origin', { headers: { origin: 'https://evil.example' } }, 403, 'origin_refused'],
    ['another content type', { headers: { 'content-type': 'application/json' } }, 400, 'bad_request'],
  ])('refuse %s', async (_what, more, status, code) => {
    expect(await post(randomHex(32), [hello], 1, more)).toMatchObject({ status, code });
  });

  it('refuse what is no batch, too large, or for another agent', async () => {
    const query = { link: randomHex(32) };
    const sent = (body: Uint8Array, more: Partial<Ask> = {}) => ask({ method: 'POST', query, body, ...more });
    expect(await sent(Buffer.from('{}'))).toMatchObject({ status: 400, code: 'bad_request' });
    expect(await sent(new Uint8Array(2 * 1024 * 1024))).toMatchObject({
      status: 413,
      code: 'payload_too_large',
    });
    const foreign = { as: other, vmId: machine.response.vm_id };
    expect(await post(query.link, [hello], 1, foreign)).toMatchObject({ status: 403, code: 'wrong_agent' });
    expect(await ask({ query: { link: 'x', after: 0 } })).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('take a frame of the largest size, and not a byte more', async () => {
    const link = await open();
    const frame = (bytes: number): PollFrame => ({ kind: 'binary', bytes: new Uint8Array(bytes) });
    expect((await post(link, [frame(MAX_FRAME_BYTES)], 2)).batch?.taken).toBe(2);
    expect(await post(link, [frame(MAX_FRAME_BYTES + 1)], 3)).toMatchObject({
      status: 400,
      code: 'bad_request',
    });
  });

  it('[poll-5] know no link of another agent, nor one that did not begin here', async () => {
    const link = await open();
    expect(await ask({ query: { link, after: 0 }, as: other })).toMatchObject({
      status: 410,
      code: 'link_unknown',
    });
    expect(await post(randomHex(32), [hello], 2)).toMatchObject({ status: 410, code: 'link_unknown' });
  });

  it('close a link that leaves something out, and say so', async () => {
    const link = await open();
    await post(link, [hello], 9);
    const { batch } = await ask({ query: { link, after: 1 } });
    expect(typesOf(batch?.frames).at(-1)).toBe(CLOSE.protocolError);
  });

  it('[poll-5] keep three links of an agent at most, and one that waits of each', async () => {
    const links = [];
    for (let i = 0; i < 4; i++) links.push(await open(other));
    const [oldest = '', , , newest = ''] = links;
    expect((await ask({ query: { link: oldest, after: 0 }, as: other })).status).toBe(410);
    const asked = { link: newest, after: 50, hold: 15 };
    const first = ask({ query: asked, as: other });
    const second = ask({ query: asked, as: other });
    // Whichever came first is answered as the other comes; that one goes on waiting.
    expect((await Promise.race([first, second])).batch?.frames).toEqual([]);
    await post(newest, [closeFrame(CLOSE.goingAway, 'enough')], 2, { as: other });
    await Promise.all([first, second]);
  });

  it('end when the agent says goodbye', async () => {
    const link = await open(other);
    await post(link, [closeFrame(CLOSE.goingAway, 'the agent stops')], 2, { as: other });
    expect((await ask({ query: { link, after: 0 }, as: other })).status).toBe(410);
    const { body } = await orchestrator.call({ path: `${ORG}/agents/${other.response.vm_id}` });
    expect(body).toMatchObject({ online: false, transport: 'poll' });
  });

  it.each([
    ['quarantined', { method: 'PATCH', body: { state: 'quarantined' } }, CLOSE.quarantined],
    ['revoked', { method: 'DELETE' }, CLOSE.certificateRevoked],
  ])('[poll-5] a waiting one ends within a second when its agent is %s', async (_what, change, code) => {
    const one = await enroll(orchestrator, { vm_id: newVmId('cut') });
    const link = await open(one);
    const both = [1, 2].map(() => ask({ query: { link, after: 1 }, as: one }));
    // One is ended by the other, which waits.
    await Promise.race(both);
    await orchestrator.call({ path: `${ORG}/agents/${one.response.vm_id}`, ...change });
    const before = performance.now();
    const answers = await Promise.all(both);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(answers.flatMap(({ batch }) => typesOf(batch?.frames)).at(-1)).toBe(code);
    const again = await post(randomHex(32), [hello], 1, { as: one });
    expect([again.status, again.code]).toEqual(
      code === CLOSE.quarantined ? [200, undefined] : [403, 'certificate_revoked'],
    );
  });
});

describe('a request for the WebSocket without its upgrade', () => {
  it('is told that something took it out', async () => {
    const path = `/api/v1/agents/${machine.response.vm_id}/ws`;
    const answer = await orchestrator.call({ path, token: null, ...machine.tls });
    expect([answer.status, answer.body['code']]).toEqual([426, 'websocket_required']);
  });
});
