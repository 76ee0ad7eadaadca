import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Proposed } from '../../../orchestrator/jobs/hooks.ts';
import { readJob } from '../../../orchestrator/jobs/read.ts';
import type { JobId } from '../../../protocol/ids.ts';
import { rolloutPlanSchema } from '../../../protocol/rest-rollout.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

const APPROVAL = { id: 'usr-2', name: 'bob', at: '2026-01-01T00:00:00.000Z' };

describe('a job that is held for an approval', () => {
  let rig: JobsRig;
  let proposed: Proposed[];
  let held: Proposed[];
  beforeEach(async () => {
    proposed = [];
    held = [];
    rig = await startJobsRig({
      hooks: {
        hold: async (_tx, job) => {
          proposed.push(job);
          return job.work.arguments['command'] === 'danger';
        },
        held: async (tx, job) => {
          held.push(job);
          const rows = await tx
            .selectFrom('commands')
            .select('id')
            .where('job_id', '=', job.jobId ?? '')
            .execute();
          expect(rows).toHaveLength(job.targets.length);
        },
      },
    });
  });
  afterEach(() => rig.close());

  const release = (jobId: JobId, within?: () => Promise<void>) =>
    rig.jobs.release({
      organizationId: rig.organizationId,
      jobId,
      actor: rig.actor,
      address: null,
      approvals: [APPROVAL],
      ...(within === undefined ? {} : { within }),
    });
  const read = (jobId: JobId) => readJob(rig.store.db, rig.organizationId, jobId);
  const submit = (rollout?: object) =>
    rig.submit({
      arguments: { command: 'danger' },
      ...(rollout === undefined ? {} : { rollout: rolloutPlanSchema.parse(rollout) }),
    });

  it('reaches no machine before, and says who approved it', async () => {
    const { agent } = await rig.addAgent({ autoRun: () => ({}) });
    await agent.connect();
    const { jobId } = await submit();
    expect(held).toMatchObject([{ jobId, work: { kind: 'command' }, targets: [{ online: true }] }]);
    expect((await read(jobId)).commands).toMatchObject([
      { state: 'awaiting_approval', seq: 0, why: 'waits for an approval' },
    ]);
    // Commands that come meanwhile take no part of it with them, and are not taken for later ones.
    await rig.eventsOf((await rig.submit()).jobId);
    expect(agent.commands.map(({ seq }) => seq)).toEqual([1]);
    await expect(release(jobId, () => Promise.reject(new Error('not allowed')))).rejects.toThrow(
      'not allowed',
    );
    expect((await read(jobId)).commands[0]?.state).toBe('awaiting_approval');
    await release(jobId);
    await rig.eventsOf(jobId);
    expect(agent.commands.at(-1)).toMatchObject({ seq: 2, approvals: [APPROVAL] });
    expect((await read(jobId)).counts).toEqual({ succeeded: 1 });
    await expect(release(jobId)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('begins its waves with the approval, and its check needs none of its own', async () => {
    for (let i = 0; i < 3; i++) await (await rig.addAgent({ autoRun: () => ({}) })).agent.connect();
    const { jobId } = await submit({ waves: [1, '100%'], check: { command: 'danger' } });
    expect((await read(jobId)).rollout).toMatchObject({ state: 'awaiting_approval', wave: 0 });
    await release(jobId);
    await rig.eventsOf(jobId);
    const job = await read(jobId);
    expect(job).toMatchObject({ counts: { succeeded: 3 }, rollout: { state: 'completed' } });
    expect(job.rollout?.waves.every(({ check_job_id }) => check_job_id !== null)).toBe(true);
    expect(proposed).toHaveLength(1);
  });

  it('can be cancelled before anybody decided', async () => {
    await rig.addAgent();
    for (const plan of [undefined, { waves: ['100%'] }]) {
      const { jobId } = await submit(plan);
      await rig.cancel(jobId);
      expect(await read(jobId)).toMatchObject({ state: 'ended', counts: { cancelled: 1 } });
    }
  });
});
