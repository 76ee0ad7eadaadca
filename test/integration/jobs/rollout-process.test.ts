import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { createRestClient } from '../../../orchestrator/cli/client.ts';
import { followJob } from '../../../orchestrator/cli/follow.ts';
import type { JobId } from '../../../protocol/ids.ts';
import type { JobEvent } from '../../../protocol/rest-jobs.ts';
import { outputGroupsSchema, previewSchema } from '../../../protocol/rest-rollout.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { type EnrolledAgent, enrollAgent, ORG, readJob, submitJob } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let dataDir: string;
let running: OrchestratorProcess;
let agents: EnrolledAgent[];
const started: OrchestratorProcess[] = [];

async function start(over: Parameters<typeof startOrchestrator>[0] = {}): Promise<void> {
  running = await startOrchestrator({ dataDir, ...over });
  started.push(running);
}
/** Ends it as a power cut would, and starts it again on the same port and data. */
async function killAndRestart(): Promise<void> {
  await running.kill();
  await start({ listen: new URL(running.url).host, credentials: running.credentials });
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rollout-'));
  await start();
  agents = [];
  for (let i = 0; i < 4; i++) agents.push(await enrollAgent(running));
  agents.sort((a, b) => (a.machine.response.agent_id < b.machine.response.agent_id ? -1 : 1));
});
afterEach(async () => {
  for (const one of started.splice(0)) await one.kill();
  await rm(dataDir, { recursive: true, force: true });
});

async function eventsOf(jobId: JobId, until?: (event: JobEvent) => boolean): Promise<JobEvent[]> {
  const client = createRestClient({
    url: new URL(running.url),
    token: running.credentials.api_token,
    ca: running.ca,
    organization: 'default',
  });
  const events: JobEvent[] = [];
  const signal = new AbortController().signal;
  for await (const event of followJob({
    client,
    jobId,
    clock: systemClock,
    signal,
    onLost: () => undefined,
  })) {
    events.push(event);
    if (until?.(event)) break;
  }
  return events;
}
const isEvent = (name: string, wave: number) => (event: JobEvent) =>
  event.type === 'rollout' && event.event === name && event.wave === wave;

/** Connects again and says what it was at, as a real agent's journal does. */
async function back(fake: FakeAgent): Promise<void> {
  fake.inFlight = fake.commands
    .filter(({ command_id }) => !ended.has(command_id))
    .map(({ command_id }) => ({
      id: command_id,
      state: 'running' as const,
      offsets: { stdout: 0, stderr: 0 },
    }));
  await fake.connect();
}
const ended = new Set<string>();
async function end(fake: FakeAgent): Promise<void> {
  const { command_id: id } = await fake.command();
  ended.add(id);
  fake.sendState(id, 'running');
  fake.sendResult(id);
  await fake.until(() => fake.link.unacked.length === 0);
}

describe('an orchestrator that is killed in a rollout', () => {
  it('[rollout-3] goes on where it was, in a wave, between two and while paused, and runs nothing twice', {
    timeout: 60_000,
  }, async () => {
    const fakes = agents.map((agent) => agent.fake(running));
    for (const fake of fakes) await fake.connect();
    const [first, second, third, fourth] = fakes as [FakeAgent, FakeAgent, FakeAgent, FakeAgent];
    const cut = async () => {
      const closed = fakes.map((fake) => fake.closed());
      await killAndRestart();
      await Promise.all(closed);
      for (const fake of fakes) await back(fake);
    };
    const job = await submitJob(running, { rollout: { waves: [1, '50%', '100%'], pause: 1 } });
    await first.command();
    await cut();
    // In the first wave: the canary was at work all the time.
    await end(first);
    await eventsOf(job.id, isEvent('wave_passed', 1));
    await cut();
    await end(second);
    await eventsOf(job.id, isEvent('wave_started', 3));
    await third.command();
    await running.call({ path: `${ORG}/jobs/${job.id}/pause`, method: 'POST' });
    await cut();
    await end(third);
    expect(await readJob(running, job.id)).toMatchObject({ rollout: { state: 'paused' } });
    await running.call({ path: `${ORG}/jobs/${job.id}/resume`, method: 'POST' });
    await end(fourth);
    await eventsOf(job.id);
    expect(await readJob(running, job.id)).toMatchObject({
      state: 'ended',
      counts: { succeeded: 4 },
      rollout: { state: 'completed' },
    });
    expect(fakes.map((fake) => fake.commands.length)).toEqual([1, 1, 1, 1]);
    for (const fake of fakes) await fake.drop();
  });
});

describe('REST of rollouts', () => {
  it('shows who would be hit, and does nothing', async () => {
    const fake = agents[2]?.fake(running);
    await fake?.connect();
    const { status, body } = await running.call({
      path: `${ORG}/jobs/preview`,
      body: {
        selector: 'all',
        script: { body: 'echo' },
        rollout: { waves: [1, '100%'], concurrency: '50%' },
      },
    });
    expect(status).toBe(200);
    const preview = previewSchema.parse(body);
    expect(preview).toMatchObject({
      total: 4,
      online: 1,
      offline: 3,
      waves: [
        { wave: 1, size: 1, online: 1 },
        { wave: 2, size: 3, online: 0 },
      ],
      concurrency: 2,
      max_failures: 0,
      notices: [],
      omitted: 0,
    });
    expect(preview.targets[0]).toMatchObject({ vm_id: agents[2]?.vmId, wave: 1, note: null });
    expect(preview.targets[1]?.note).toBe('offline: runs it when it returns');
    const jobs = await running.call<{ items: unknown[] }>({ path: `${ORG}/jobs` });
    expect(jobs.body.items).toEqual([]);
    await fake?.drop();
  });

  it('refuses what could not be done, and says why', async () => {
    const big = (kib: number) => ({ command: 'x', stdin: 'x'.repeat(kib * 1024) });
    const wrong: [object, number, string][] = [
      [{ rollout: { waves: [1, '10%'] } }, 400, 'must end with'],
      [{ rollout: { waves: ['100 %'] } }, 400, 'rollout'],
      [{ script: { body: 'x'.repeat(256 * 1024 + 1) } }, 400, '256 KiB'],
      [{ script: { body: 'x' }, arguments: { command: 'x' } }, 400, 'does one thing'],
      [{ script: { body: 'x', interpreter: 'bash -x' } }, 400, 'without arguments'],
      [{ rollout: {}, arguments: big(500) }, 202, ''],
      [{ rollout: {}, arguments: big(900) }, 413, 'a frame to an agent holds'],
    ];
    for (const [over, status, words] of wrong) {
      const answer = await running.call({ path: `${ORG}/jobs`, body: { selector: 'all', ...over } });
      expect([answer.status, answer.text.slice(0, 400)]).toEqual([status, expect.stringContaining(words)]);
    }
  });

  it('finds jobs by state, text, person and time', async () => {
    const one = await submitJob(running, {
      arguments: { command: 'echo 100%_done' },
      description: 'Nightly',
    });
    const two = await submitJob(running, { rollout: {} });
    await running.call({ path: `${ORG}/jobs/${two.id}/pause`, method: 'POST' });
    await running.call({ path: `${ORG}/jobs/${one.id}/cancel`, method: 'POST' });
    const find = async (query: string) =>
      (await running.call<{ items: { id: string }[] }>({ path: `${ORG}/jobs?${query}` })).body.items.map(
        ({ id }) => id,
      );
    expect(await find('state=paused')).toEqual([two.id]);
    expect(await find('state=ended')).toEqual([one.id]);
    expect(await find('state=failed')).toEqual([]);
    expect(await find(`text=${encodeURIComponent('100%_D')}`)).toEqual([one.id]);
    expect(await find('text=nightly')).toEqual([one.id]);
    expect(await find(`text=${encodeURIComponent('100__')}`)).toEqual([]);
    expect(await find(`who=${one.created_by.id}`)).toHaveLength(2);
    expect(await find('who=nobody')).toEqual([]);
    expect(await find(`since=${one.created_at}`)).toHaveLength(2);
    expect(await find(`until=${one.created_at}`)).toEqual([]);
  });

  it('takes an Idempotency-Key for everything that changes a job', async () => {
    const job = await submitJob(running, { rollout: {} });
    const post = (verb: string, key: string, body?: unknown) =>
      running.call({
        path: `${ORG}/jobs/${job.id}/${verb}`,
        method: 'POST',
        headers: { 'idempotency-key': key },
        ...(body === undefined ? {} : { body }),
      });
    expect((await post('pause', 'a')).body).toMatchObject({ rollout: { state: 'paused' } });
    expect((await post('resume', 'b')).body).toMatchObject({ rollout: { state: 'running' } });
    // The same request again is no new one: it gets its first answer, and the job goes on.
    expect((await post('pause', 'a')).body).toMatchObject({ rollout: { state: 'paused' } });
    expect((await readJob(running, job.id)).rollout).toMatchObject({ state: 'running' });
    expect((await post('resume', 'a')).body['code']).toBe('idempotency_mismatch');
    const cancelled = await post('cancel', 'c');
    expect(cancelled.body).toMatchObject({ cancel_requested: 4, already_ended: 0 });
    expect((await post('cancel', 'c')).body).toEqual(cancelled.body);
    expect((await post('cancel', 'd')).body['code']).toBe('not_cancellable');
    expect((await post('pause', 'e')).body['code']).toBe('conflict');
    const retried = await post('retry', 'f', { which: 'not_run' });
    expect([retried.status, retried.body['retry_of']]).toEqual([202, job.id]);
    expect(await post('retry', 'f', { which: 'not_run' })).toMatchObject({
      status: 200,
      body: { id: retried.body['id'] },
    });
    const groups = await running.call({ path: `${ORG}/jobs/${job.id}/groups` });
    expect(outputGroupsSchema.parse(groups.body)).toMatchObject({ total: 4, summary: '4 cancelled' });
  });
});
