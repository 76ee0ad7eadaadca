import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readJob } from '../../../orchestrator/jobs/read.ts';
import { factsOf, loadRollout } from '../../../orchestrator/jobs/rollout/facts.ts';
import type { JobId } from '../../../protocol/ids.ts';
import type { CreateJobRequest, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { rolloutPlanSchema } from '../../../protocol/rest-rollout.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

type Member = { agent: FakeAgent; agentId: string; vmId: string };

describe('a rollout over simulated agents', () => {
  let rig: JobsRig;
  /** Machines on which a command fails, by the command's text. */
  let failing: Map<string, Set<string>>;
  beforeEach(async () => {
    rig = await startJobsRig();
    failing = new Map();
  });
  afterEach(() => rig.close());

  const read = (jobId: JobId): Promise<JobWithCommands> => readJob(rig.store.db, rig.organizationId, jobId);
  const start = (rollout: object, over: Partial<CreateJobRequest> = {}) =>
    rig.submit({ arguments: { command: 'deploy' }, rollout: rolloutPlanSchema.parse(rollout), ...over });
  const control = (what: 'pause' | 'resume', jobId: JobId) =>
    rig.jobs.control(what, {
      organizationId: rig.organizationId,
      jobId,
      actor: rig.actor,
      address: null,
      idempotencyKey: undefined,
    });
  const fails = (command: string, members: readonly Member[]) =>
    failing.set(command, new Set(members.map(({ agentId }) => agentId)));

  /** Agents in the order of their turns. `online` of them are connected, and run what they get. */
  async function fleet(size: number, options: { online?: number; manual?: boolean } = {}): Promise<Member[]> {
    const members: Member[] = [];
    for (let i = 0; i < size; i++) {
      const one = await rig.addAgent(
        options.manual
          ? {}
          : {
              autoRun: ({ agent_id, arguments: args }) => {
                const exitCode = failing.get(String(args['command']))?.has(agent_id) ? 3 : 0;
                return { stdout: Buffer.from(exitCode === 0 ? 'done\n' : 'no\n'), exitCode };
              },
            },
      );
      members.push(one);
    }
    const { online = size } = options;
    const ordered = members.toSorted((a, b) => (a.agentId < b.agentId ? -1 : 1));
    for (const { agent } of ordered.slice(0, online)) await agent.connect();
    return ordered;
  }

  /** Follows a job until its rollout has told this. */
  async function untilEvent(jobId: JobId, event: string, wave?: number): Promise<void> {
    const signal = new AbortController().signal;
    const options = { organizationId: rig.organizationId, jobId, after: 0, signal };
    for await (const step of await rig.jobs.events.follow(options))
      if (
        step !== 'quiet' &&
        step.event.type === 'rollout' &&
        step.event.event === event &&
        (wave === undefined || step.event.wave === wave)
      )
        return;
    throw new Error(`the job ended without ${event}`);
  }
  const stories = async (jobId: JobId) =>
    (await rig.eventsOf(jobId)).flatMap(({ event }) =>
      event.type === 'rollout' ? [`${event.event} ${event.wave}`] : [],
    );
  const ran = (members: readonly Member[]) =>
    members.filter(({ agent }) => agent.commands.length > 0).map(({ vmId }) => vmId);
  const statesOf = (job: JobWithCommands) => job.commands.map(({ state }) => state);

  it('[rollout-1] stops at its threshold, and says exactly who ran, who did not and why', async () => {
    const members = await fleet(20);
    const broken = [members[2], members[5], members[8]].filter((one) => one !== undefined);
    fails('deploy', broken);
    const { jobId } = await start({ waves: [1, '50%', '100%'], max_failures: 2, concurrency: 4 });
    const told = await stories(jobId);
    const job = await read(jobId);
    expect(job.state).toBe('ended');
    expect(job.rollout).toMatchObject({
      state: 'stopped',
      stop_reason: 'threshold',
      stop_detail: '3 machines failed, only 2 may',
      failures: 3,
      wave: 2,
      waves: [{ state: 'passed' }, { state: 'stopped' }, { state: 'skipped' }],
    });
    expect(told).toEqual(['wave_started 1', 'gate 1', 'wave_passed 1', 'wave_started 2', 'stopped 2']);
    const by = (state: string) => job.commands.filter((one) => one.state === state);
    expect(by('failed').map(({ vm_id, why }) => [vm_id, why])).toEqual(
      broken.map(({ vmId }) => [vmId, 'exit code 3']),
    );
    // Who ran, by the agents' own account; nobody of the last wave did.
    const began = [...by('succeeded'), ...by('failed')].map(({ vm_id }) => vm_id);
    expect(began.toSorted()).toEqual(ran(members).toSorted());
    for (const one of by('skipped'))
      expect(one).toMatchObject({ reason: 'threshold', why: 'never begun: 3 machines failed, only 2 may' });
    expect(by('skipped').length).toBeGreaterThanOrEqual(10);
    expect(by('skipped').length + began.length).toBe(20);
    expect(by('skipped').filter(({ wave }) => wave === 3)).toHaveLength(10);
  });

  it('goes through its waves to its end when all is well', async () => {
    await fleet(5);
    const { jobId } = await start({ waves: [1, '50%', '100%'] });
    expect(await stories(jobId)).toEqual([
      'wave_started 1',
      'gate 1',
      'wave_passed 1',
      'wave_started 2',
      'gate 2',
      'wave_passed 2',
      'wave_started 3',
      'gate 3',
      'wave_passed 3',
      'completed 3',
    ]);
    const job = await read(jobId);
    expect(job.rollout?.waves.map(({ size, state }) => [size, state])).toEqual([
      [1, 'passed'],
      [2, 'passed'],
      [2, 'passed'],
    ]);
    expect(job.counts).toEqual({ succeeded: 5 });
  });

  it('never has more at work than its concurrency', async () => {
    const members = await fleet(6, { manual: true });
    const { jobId } = await start({ waves: ['100%'], concurrency: 2 });
    const open = new Set<string>();
    for (let ended = 0; ended < 6; ended++) {
      const next = await Promise.race(
        members
          .filter(({ vmId }) => !open.has(vmId))
          .map(async (one) => ({ one, command: await one.agent.command() })),
      );
      expect(members.filter(({ agent }) => agent.commands.length > 0).length).toBeLessThanOrEqual(ended + 2);
      open.add(next.one.vmId);
      next.one.agent.sendState(next.command.command_id, 'running');
      next.one.agent.sendResult(next.command.command_id);
    }
    await rig.eventsOf(jobId);
    expect((await read(jobId)).counts).toEqual({ succeeded: 6 });
  });

  it('stops after a canary that failed, although more may fail', async () => {
    const members = await fleet(4);
    fails('deploy', members.slice(0, 1));
    const { jobId } = await start({ waves: [1, '100%'], max_failures: 3 });
    await rig.eventsOf(jobId);
    const job = await read(jobId);
    expect(job.rollout).toMatchObject({ state: 'stopped', stop_reason: 'no_success' });
    expect(statesOf(job)).toEqual(['failed', 'skipped', 'skipped', 'skipped']);
  });

  it('asks the check of the machines of a wave, and stops when they fail it', async () => {
    const members = await fleet(4);
    fails('healthy', members.slice(1, 2));
    const { jobId } = await start({ waves: ['50%', '100%'], check: { command: 'healthy' } });
    await rig.eventsOf(jobId);
    const job = await read(jobId);
    expect(job.rollout).toMatchObject({
      state: 'stopped',
      stop_reason: 'health_gate',
      stop_detail: 'after wave 1 1 machine unwell: 1 failed the check',
    });
    expect(statesOf(job)).toEqual(['succeeded', 'succeeded', 'skipped', 'skipped']);
    expect(job.commands[1]?.why).toBe('unwell after its wave: not connected, or it failed the check');
    expect(job.rollout).toMatchObject({ failures: 1, waves: [{ unhealthy: [members[1]?.vmId] }, {}] });
    const check = await read(job.rollout?.waves[0]?.check_job_id as JobId);
    expect(check).toMatchObject({ check_of: jobId, counts: { succeeded: 1, failed: 1 } });
    expect(members[2]?.agent.commands).toEqual([]);
  });

  it('counts what a check found with the failures that are allowed', async () => {
    const members = await fleet(4);
    fails('healthy', members.slice(1, 2));
    const { jobId } = await start({ waves: ['50%', '100%'], check: { command: 'healthy' }, max_failures: 1 });
    await rig.eventsOf(jobId);
    const { rollout, counts } = await read(jobId);
    expect(rollout).toMatchObject({ state: 'completed', failures: 1 });
    expect(rollout?.waves[0]?.unhealthy).toEqual([members[1]?.vmId]);
    expect(counts).toEqual({ succeeded: 4 });
  });

  it('does not wait in a wave for machines that are offline, and gives them their turn when they return', async () => {
    const members = await fleet(4, { online: 2 });
    const { jobId } = await start({ waves: [1, '75%', '100%'] });
    await untilEvent(jobId, 'wave_passed', 3);
    const meanwhile = await read(jobId);
    expect(statesOf(meanwhile)).toEqual(['succeeded', 'succeeded', 'scheduled', 'scheduled']);
    expect(meanwhile.commands[3]?.why).toBe('offline: its turn comes when it returns');
    expect(meanwhile.rollout?.state).toBe('running');
    for (const { agent } of members.slice(2)) await agent.connect();
    await rig.eventsOf(jobId);
    expect(await read(jobId)).toMatchObject({ counts: { succeeded: 4 }, rollout: { state: 'completed' } });
  });

  it('goes no further than its first wave while all of it is offline', async () => {
    const members = await fleet(3, { online: 0 });
    const { jobId } = await start({ waves: [1, '100%'] });
    await untilEvent(jobId, 'wave_started', 1);
    await members[2]?.agent.connect();
    await rig.commits.idle();
    expect((await read(jobId)).rollout?.wave).toBe(1);
    expect(members[2]?.agent.commands).toEqual([]);
    for (const { agent } of members.slice(0, 2)) await agent.connect();
    await rig.eventsOf(jobId);
    expect((await read(jobId)).counts).toEqual({ succeeded: 3 });
  });

  /** A lock as `vm-orchestrator locks add` makes it; the way back removes it. */
  async function lock(target_type: 'agent' | 'selector' | 'organization', target: string) {
    const row = { organization_id: rig.organizationId, id: `lck-${target}`, target_type, target };
    const about = { reason: 'under investigation', created_at: 0, created_by: 'olga', expires_at: null };
    await rig.store.db
      .insertInto('locks')
      .values({ ...row, ...about })
      .execute();
    const tell = () => rig.bus.publish({ topic: 'locks', organization_id: rig.organizationId });
    tell();
    return async () => {
      await rig.store.db.deleteFrom('locks').where('id', '=', row.id).execute();
      tell();
    };
  }

  it('does not wait in a wave for machines that are locked, and gives them their turn when they are free', async () => {
    const members = await fleet(4);
    const [, a, b] = members;
    const free = [await lock('agent', a?.agentId ?? ''), await lock('selector', `id=${b?.vmId}`)];
    const { jobId } = await start({ waves: [1, 2, '100%'] });
    await untilEvent(jobId, 'wave_passed', 3);
    expect((await read(jobId)).counts).toEqual({ succeeded: 2, scheduled: 2 });
    expect(a?.agent.commands).toEqual([]);
    for (const unlock of free) await unlock();
    await rig.eventsOf(jobId);
    expect(await read(jobId)).toMatchObject({ rollout: { state: 'completed' }, counts: { succeeded: 4 } });
  });

  it('does not wait for what was queued for a machine before it was locked', async () => {
    const [first] = await fleet(2, { manual: true });
    const { jobId } = await start({ waves: ['100%'] });
    await first?.agent.command();
    await lock('agent', first?.agentId ?? '');
    // As it stands when the lock came before the dispatcher.
    await rig.store.db
      .updateTable('commands')
      .set({ state: 'queued' })
      .where('agent_id', '=', first?.agentId ?? '')
      .execute();
    const wave = await rig.store.transaction(async (tx) => {
      const loaded = await loadRollout(tx, rig.organizationId, jobId);
      return loaded && (await factsOf(tx, loaded, rig.clock.now())).waves[0];
    });
    expect(wave).toMatchObject({ queuedOffline: 1, active: 1 });
  });

  it('leaves machines out that are offline, when it is asked to', async () => {
    const members = await fleet(3, { online: 2 });
    const { jobId } = await start({ waves: [1, '100%'], offline: 'skip' });
    await rig.eventsOf(jobId);
    const { commands, rollout } = await read(jobId);
    expect(rollout?.state).toBe('completed');
    expect(commands.find(({ vm_id }) => vm_id === members[2]?.vmId)).toMatchObject({
      state: 'skipped',
      reason: 'offline',
      wave: null,
    });
  });

  it('gives out nothing while it is paused, and goes on where it was', async () => {
    const members = await fleet(3, { manual: true });
    const { jobId } = await start({ waves: [1, '100%'] });
    const first = await members[0]?.agent.command();
    await control('pause', jobId);
    if (first !== undefined) members[0]?.agent.sendResult(first.command_id);
    await untilEvent(jobId, 'wave_passed', 1);
    expect((await read(jobId)).rollout).toMatchObject({ state: 'paused', wave: 1 });
    expect(ran(members.slice(1))).toEqual([]);
    await control('resume', jobId);
    for (const { agent } of members.slice(1)) agent.sendResult((await agent.command()).command_id);
    await rig.eventsOf(jobId);
    expect((await read(jobId)).counts).toEqual({ succeeded: 3 });
  });

  it('is cancelled with the waves that wait', async () => {
    const members = await fleet(3, { manual: true });
    const { jobId } = await start({ waves: [1, '100%'] });
    const first = await members[0]?.agent.command();
    expect(await rig.cancel(jobId)).toEqual({ cancelRequested: 3, alreadyEnded: 0 });
    await members[0]?.agent.next('cancel');
    if (first !== undefined)
      members[0]?.agent.sendResult(first.command_id, { state: 'cancelled', exit_code: 143 });
    await rig.eventsOf(jobId);
    const job = await read(jobId);
    expect(job.rollout?.state).toBe('cancelled');
    expect(statesOf(job)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(job.commands.map(({ why }) => why)).toEqual([
      'cancelled while it ran',
      'cancelled before it began',
      'cancelled before it began',
    ]);
    expect(ran(members.slice(1))).toEqual([]);
  });

  it('is tried again where it failed, as a job of its own', async () => {
    const members = await fleet(4);
    fails('deploy', members.slice(1, 2));
    const { jobId } = await start({ waves: [1, '50%', '100%'] });
    await rig.eventsOf(jobId);
    expect((await read(jobId)).counts).toEqual({ succeeded: 1, failed: 1, skipped: 2 });
    failing.clear();
    const again = (which: 'failed' | 'not_run' | 'all', idempotencyKey: string) =>
      rig.jobs.retry({
        organizationId: rig.organizationId,
        jobId,
        actor: rig.actor,
        address: null,
        idempotencyKey,
        which,
      });
    const retried = await again('all', 'k');
    expect(await again('all', 'k')).toEqual({ jobId: retried.jobId, created: false });
    await rig.eventsOf(retried.jobId);
    const job = await read(retried.jobId);
    expect(job).toMatchObject({ retry_of: jobId, counts: { succeeded: 3 }, rollout: { state: 'completed' } });
    expect(job.commands.map(({ vm_id }) => vm_id)).toEqual(members.slice(1).map(({ vmId }) => vmId));
    expect(members.map(({ agent }) => agent.commands.length)).toEqual([1, 2, 1, 1]);
  });

  it('groups what the machines printed', async () => {
    const members = await fleet(5, { online: 4 });
    fails('deploy', members.slice(0, 1));
    const { jobId } = await rig.submit({ arguments: { command: 'deploy' } });
    await rig.jobs.events.follow({
      organizationId: rig.organizationId,
      jobId,
      after: 0,
      signal: new AbortController().signal,
    });
    for (const { agent } of members.slice(0, 4)) {
      await agent.command();
      await agent.until(() => agent.link.unacked.length === 0);
    }
    const found = await rig.jobs.groups(rig.organizationId, jobId);
    expect(found.summary).toBe('3 identical, 1 differs, 1 offline');
    expect(found.groups.map(({ count, exit_code, stdout }) => [count, exit_code, stdout])).toEqual([
      [3, 0, 'done\n'],
      [1, 3, 'no\n'],
      [1, null, ''],
    ]);
    expect(found.groups[1]?.diff).toContain('-done\n+no\n');
  });
});
