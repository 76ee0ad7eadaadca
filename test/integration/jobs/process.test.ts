import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { createRestClient } from '../../../orchestrator/cli/client.ts';
import { followJob } from '../../../orchestrator/cli/follow.ts';
import type { JobId } from '../../../protocol/ids.ts';
import type { JobEvent } from '../../../protocol/rest-jobs.ts';
import { createFakeClock } from '../../fakes/fake-clock.ts';
import { type EnrolledAgent, enrollAgent, ORG, outputPath, readJob, submitJob } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let dataDir: string;
let running: OrchestratorProcess;
let agent: EnrolledAgent;
const started: OrchestratorProcess[] = [];

async function start(over: Parameters<typeof startOrchestrator>[0] = {}): Promise<OrchestratorProcess> {
  running = await startOrchestrator({ dataDir, ...over });
  started.push(running);
  return running;
}
/** Ends it as a power cut would, and starts it again on the same port and data. */
async function killAndRestart(): Promise<OrchestratorProcess> {
  await running.kill();
  return start({ listen: new URL(running.url).host, credentials: running.credentials });
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'jobs-process-'));
  await start();
  agent = await enrollAgent(running);
});
afterEach(async () => {
  for (const one of started.splice(0)) await one.kill();
  await rm(dataDir, { recursive: true, force: true });
});

const client = () =>
  createRestClient({
    url: new URL(running.url),
    token: running.credentials.api_token,
    ca: running.ca,
    organization: 'default',
  });

async function eventsOf(jobId: JobId): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  const signal = new AbortController().signal;
  const follow = followJob({ client: client(), jobId, clock: systemClock, signal, onLost: () => undefined });
  for await (const event of follow) events.push(event);
  return events;
}
const statesOf = (events: readonly JobEvent[]) =>
  events.flatMap((event) => (event.type === 'state' ? [event.state] : []));

describe('an orchestrator that is killed', () => {
  it('[delivery-1] between accepting a command and sending it, runs it once after its restart', async () => {
    const job = await submitJob(running);
    await killAndRestart();
    const fake = agent.fake(running, { autoRun: () => ({ stdout: Buffer.from('once') }) });
    await fake.connect();
    expect(statesOf(await eventsOf(job.id))).toEqual(['queued', 'sent', 'accepted', 'running', 'succeeded']);
    expect(fake.commands).toHaveLength(1);
    await fake.drop();
  });

  it('[delivery-1] after sending it, sends it again only to an agent that has not got it', async () => {
    const silent = agent.fake(running, { autoAck: false });
    await silent.connect();
    const job = await submitJob(running);
    const { command_id: id, seq } = await silent.command();
    const closed = silent.closed();
    await killAndRestart();
    await closed;
    // It had it: its journal says so, and it goes on.
    silent.inFlight = [{ id, state: 'accepted', offsets: { stdout: 0, stderr: 0 } }];
    expect(await silent.connect()).toMatchObject({ resumed: false });
    silent.sendState(id, 'running');
    silent.sendResult(id);
    expect(statesOf(await eventsOf(job.id)).at(-1)).toBe('succeeded');
    expect(silent.commands.map((command) => command.seq)).toEqual([seq]);
    await silent.drop();
  });

  it('[output-4] in the middle of an output, gives a reader who comes back every byte once', async () => {
    const fake = agent.fake(running);
    await fake.connect();
    const job = await submitJob(running);
    const { command_id: id } = await fake.command();
    fake.sendState(id, 'running');
    fake.sendOutput(id, 'stdout', 0, Buffer.from('first '));
    await fake.until(() => fake.acked.get(`${id}.stdout`) === 6);
    let lost = 0;
    const signal = new AbortController().signal;
    const clock = createFakeClock();
    const follow = followJob({
      client: client(),
      jobId: job.id,
      clock: { ...clock, sleep: (ms, s) => systemClock.sleep(ms, s) },
      signal,
      onLost: () => {
        lost += 1;
      },
    });
    const seen: string[] = [];
    for await (const event of follow) {
      if (event.type !== 'output') continue;
      seen.push(Buffer.from(event.data, 'base64').toString());
      if (seen.length > 1) continue;
      const closed = fake.closed();
      await killAndRestart();
      await closed;
      fake.inFlight = [{ id, state: 'running', offsets: { stdout: 12, stderr: 0 } }];
      await fake.connect();
      fake.sendOutput(id, 'stdout', 6, Buffer.from('second'));
      fake.sendResult(id, { stdout: { size: 12, head: '', tail: '', omitted: 12 } });
    }
    expect(seen.join('')).toBe('first second');
    expect(lost).toBeGreaterThan(0);
    const whole = await running.call({ path: outputPath(id) });
    expect(whole.text).toBe('first second');
    await fake.drop();
  });
});

describe('REST of jobs', () => {
  it('answers 202 for a new job and 200 for the same request again', async () => {
    const body = { selector: 'all', arguments: { command: 'true' } };
    const headers = { 'idempotency-key': 'k1' };
    const call = (over: Record<string, unknown> = {}) =>
      running.call({ path: `${ORG}/jobs`, body: { ...body, ...over }, headers });
    const first = await call();
    const second = await call();
    expect([first.status, second.status]).toEqual([202, 200]);
    expect(second.body['id']).toBe(first.body['id']);
    expect(first.headers.location).toMatch(new RegExp(`/jobs/${String(first.body['id'])}$`));
    const other = await call({ timeout: 1 });
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_mismatch']);
  });

  it('lists page by page, newest first, without missing or repeating one', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await submitJob(running)).id);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await running.call<{ items: { id: string }[]; next_cursor: string | null }>({
        path: `${ORG}/jobs?limit=2${cursor && `&cursor=${cursor}`}`,
      });
      seen.push(...page.body.items.map(({ id }) => id));
      cursor = page.body.next_cursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(ids.toSorted().toReversed());
  });

  it('gives a part of an output as bytes, with the size of all', async () => {
    const fake = agent.fake(running, { autoRun: () => ({ stdout: Buffer.from('0123456789') }) });
    await fake.connect();
    const job = await submitJob(running);
    await eventsOf(job.id);
    const [command] = (await readJob(running, job.id)).commands;
    if (command === undefined) throw new Error('no command');
    expect(command.output).toEqual({ stdout: 10, stderr: 0 });
    const part = await running.call({ path: outputPath(command.id, '?offset=3&limit=4') });
    expect(part.text).toBe('3456');
    expect(part.headers).toMatchObject({ 'x-output-size': '10', 'x-output-complete': 'false' });
    const beyond = await running.call({ path: outputPath(command.id, '?offset=99') });
    expect(beyond.text).toBe('');
    await fake.drop();
  });

  it('answers 404 for what is not there, and 401 without a token', async () => {
    const job = `${ORG}/jobs/job-00000000000000000000000000`;
    const command = `${ORG}/commands/cmd-00000000000000000000000000`;
    for (const path of [job, `${job}/events`, command, `${command}/output`]) {
      expect((await running.call({ path })).status).toBe(404);
      expect((await running.call({ path, token: null })).status).toBe(401);
    }
    expect((await running.call({ path: `${job}/cancel`, body: {} })).status).toBe(404);
    expect((await running.call({ path: `${job}/cancel`, body: {}, token: null })).status).toBe(401);
  });

  it('stops in order while an agent is connected and a job is followed', async () => {
    const fake = agent.fake(running);
    await fake.connect();
    const job = await submitJob(running);
    const response = await client().open({ path: `/jobs/${job.id}/events` });
    const closed = fake.closed();
    response.resume();
    response.on('error', () => undefined);
    expect(await running.stop()).toBe(0);
    expect((await closed).code).toBe(4000);
    expect(await fake.next('goaway')).toMatchObject({ type: 'goaway' });
  });
});
