import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, JobWithCommands } from '../../protocol/rest-jobs.ts';
import type { Schedule } from '../../protocol/rest-schedules.ts';
import { startAgent } from '../fakes/agent-process.ts';
import { startAgentRig } from '../fakes/agent-rig.ts';
import { enrollAgent, ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

const WAIT = { timeout: 20_000 };

describe('a machine that was given an occurrence ahead of its time', () => {
  it('[schedule-1] starts it by its own clock while it is cut off, after a restart, and once', async () => {
    await using rig = await startAgentRig();
    const { home, server, agent } = rig;
    const file = `${home.path}/ran`;
    const dueAt = Date.now() + 4000;
    const not_before = new Date(dueAt).toISOString();
    const signed = home.signer.shell(`date +%s%3N >> '${file}'`, { not_before, critical: ['not_before'] });
    server.sendCommand(signed);
    await expect
      .poll(() => server.messages.some((each) => each.type === 'state' && each.state === 'accepted'), WAIT)
      .toBe(true);
    await server.close();
    await agent[Symbol.asyncDispose]();
    expect(existsSync(file)).toBe(false);
    await using _again = startAgent({ home: home.path });
    await expect.poll(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'), WAIT).toBe(true);
    const times = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    expect(times).toHaveLength(1);
    expect(times[0]).toBeGreaterThanOrEqual(dueAt);
  });
});

describe('schedules over REST', () => {
  let orchestrator: OrchestratorProcess;
  const job = { selector: 'all', arguments: { command: 'true' } };
  const call = <T>(method: string, path: string, body?: unknown) =>
    orchestrator.call<T>({ method, path: `${ORG}/${path}`, ...(body === undefined ? {} : { body }) });

  beforeAll(async () => {
    orchestrator = await startOrchestrator();
    await enrollAgent(orchestrator);
  });
  afterAll(() => orchestrator?.stop());

  it('are made, changed, run at once and removed', async () => {
    const made = await call<Schedule>('POST', 'schedules', { name: 'nightly', cron: '0 3 * * *', job });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'nightly',
      enabled: true,
      runs_on: 'orchestrator',
      last_job_id: null,
    });
    expect(made.body.next_runs).toHaveLength(5);
    expect((await call('POST', 'schedules', { name: 'nightly', cron: '0 3 * * *', job })).status).toBe(409);
    const ran = await call<JobWithCommands>('POST', 'schedules/nightly/run');
    expect(ran.body).toMatchObject({ schedule_id: made.body.id });
    const changed = await call<Schedule>('PATCH', 'schedules/nightly', { enabled: false });
    expect(changed.body).toMatchObject({ enabled: false, next_runs: [], last_job_id: ran.body.id });
    expect((await call('DELETE', `schedules/${made.body.id}`)).status).toBe(204);
    expect((await call('GET', 'schedules/nightly')).status).toBe(404);
  });

  it('give a day of occurrences to machines that carry them, hide those from the news, and take them back', async () => {
    const body = { name: 'carried', cron: '0 * * * *', runs_on: 'agents', job };
    const { id } = (await call<Schedule>('POST', 'schedules', body)).body;
    const carried = async () =>
      (await call<{ items: Job[] }>('GET', `jobs?schedule=${id}&limit=100`)).body.items;
    await expect.poll(async () => (await carried()).length, WAIT).toBeGreaterThanOrEqual(24);
    const list = await call<{ items: Job[] }>('GET', 'jobs?limit=100');
    expect(list.body.items.filter((each) => each.schedule_id === id)).toEqual([]);
    expect(new Set((await carried()).map(({ due_at }) => due_at)).size).toBe((await carried()).length);
    await call('PATCH', 'schedules/carried', { enabled: false });
    await expect
      .poll(async () => (await carried()).every(({ counts }) => counts.cancelled === 1), WAIT)
      .toBe(true);
  });

  it('leave nothing that waits for an approval when they are removed', async () => {
    const rule = await call<{ id: string }>('POST', 'approval-rules', { name: 'all', tools: ['*'] });
    expect(rule.status).toBe(201);
    await call('POST', 'schedules', { name: 'asked', cron: '0 3 * * *', job });
    const ran = await call<JobWithCommands>('POST', 'schedules/asked/run');
    const states = async () =>
      (
        await call<{ items: { state: string }[] }>('GET', `approvals?job_id=${ran.body.id}&state=all`)
      ).body.items.map(({ state }) => state);
    expect(await states()).toEqual(['pending']);
    expect((await call('DELETE', 'schedules/asked')).status).toBe(204);
    await expect.poll(states, WAIT).toEqual(['cancelled']);
    expect((await call<Job>('GET', `jobs/${ran.body.id}`)).body.counts).toMatchObject({ cancelled: 1 });

    const ahead = { name: 'ahead', cron: '0 3 * * *', runs_on: 'agents', job };
    const refused = await call<{ detail: string; hint: string }>('POST', 'schedules', ahead);
    expect(refused.status).toBe(400);
    expect(refused.body.detail).toContain('The rule "all" wants the approval of another person.');
    expect(refused.body.hint).toContain('"runs_on": "orchestrator"');
    await call('DELETE', `approval-rules/${rule.body.id}`);
    expect((await call('POST', 'schedules', ahead)).status).toBe(201);
    await call('DELETE', 'schedules/ahead');
  });

  it('are refused when they say what cannot be', async () => {
    for (const wrong of [
      { cron: 'never' },
      { cron: '* * * * * *' },
      { time_zone: 'Nowhere/Land' },
      { runs_on: 'agents', job: { ...job, rollout: {} } },
      { job: { ...job, arguments: { nothing: true } } },
    ]) {
      const answer = await call('POST', 'schedules', { name: 'wrong', cron: '0 3 * * *', job, ...wrong });
      expect(answer.status, JSON.stringify(wrong)).toBe(400);
    }
  });

  it('have saved commands beside them, which are filled in when they run', async () => {
    const body = {
      name: 'restart',
      command: 'systemctl restart {{service}}',
      parameters: [{ name: 'service' }],
      selector: 'all',
    };
    expect((await call('POST', 'saved-commands', body)).status).toBe(201);
    const ran = await call<JobWithCommands>('POST', 'saved-commands/restart/run', {
      parameters: { service: 'a b' },
    });
    expect(ran.status).toBe(202);
    expect(ran.body).toMatchObject({
      arguments: { command: "systemctl restart 'a b'" },
      description: 'restart',
    });
    expect((await call('POST', 'saved-commands/restart/run', {})).status).toBe(400);
    expect((await call('DELETE', 'saved-commands/restart')).status).toBe(204);
  });
});
