import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/logger.ts';
import { beginEpoch } from '../../../orchestrator/backup/new-epoch.ts';
import { ensureRoot } from '../../../orchestrator/ca/authority-rows.ts';
import { readJob } from '../../../orchestrator/jobs/read.ts';
import { AHEAD_MS } from '../../../orchestrator/schedules/due.ts';
import { createScheduleEngine } from '../../../orchestrator/schedules/engine.ts';
import { createSealer } from '../../../orchestrator/store/sealed.ts';
import { rolloutPlanSchema } from '../../../protocol/rest-rollout.ts';
import { insertSchedule } from '../../fakes/store-rows.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

/** What goes on by itself in an organization, when its orchestrator is put back to a backup. */
let rig: JobsRig;
beforeEach(async () => {
  rig = await startJobsRig();
  await ensureRoot({ ...rig, sealer: createSealer(randomBytes(32)) });
});
afterEach(() => rig.close());

const HOUR_MS = 3_600_000;
const restore = async () => {
  const { organizations } = await beginEpoch(rig.store, {
    clock: rig.clock,
    backupAt: rig.clock.now() - HOUR_MS,
    source: 'backup',
    admitKnown: false,
    user: 'root',
  });
  return organizations[0];
};

describe('[fault-1] a rollout that was under way in the backup', () => {
  it('gives out nothing more before somebody resumes it, and then goes on where it was', async () => {
    const members = [];
    for (let count = 0; count < 3; count += 1) members.push(await rig.addAgent());
    members.sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
    const [first, ...others] = members;
    for (const { agent } of members) await agent.connect();
    const { jobId } = await rig.submit({ rollout: rolloutPlanSchema.parse({ waves: [1, '100%'] }) });
    const read = () => readJob(rig.store.db, rig.organizationId, jobId);
    const before = await first?.agent.command();

    expect(await restore()).toMatchObject({ rollouts_paused: 1, commands_held: 0, commands_skipped: 0 });
    if (before !== undefined) first?.agent.sendResult(before.command_id);
    await first?.agent.until(() => first.agent.link.unacked.length === 0);
    // What is given now comes after whatever the wave that has passed might have brought.
    const { jobId: probe } = await rig.submit();
    for (const { agent } of members) {
      const { command_id: id } = await agent.command(agent.commands.length + 1);
      agent.sendResult(id);
    }
    await rig.eventsOf(probe);
    expect(others.map(({ agent }) => agent.commands.length)).toEqual([1, 1]);
    expect((await read()).rollout).toMatchObject({ state: 'paused' });

    const { organizationId, actor } = rig;
    await rig.jobs.control('resume', {
      organizationId,
      jobId,
      actor,
      address: null,
      idempotencyKey: undefined,
    });
    for (const { agent } of others) agent.sendResult((await agent.command(2)).command_id);
    await rig.eventsOf(jobId);
    expect((await read()).counts).toEqual({ succeeded: 3 });
  });
});

describe('[fault-1] a schedule of the backup', () => {
  it.each([
    ['orchestrator' as const, 0],
    ['agents' as const, AHEAD_MS],
  ])(
    'of the %s leaves out what may have been run already, says so, and goes on after it',
    async (runs_on, ahead) => {
      const now = rig.clock.now();
      const id = await insertSchedule(rig.store.db, {
        organization_id: rig.organizationId,
        cron: '* * * * *',
        runs_on,
        next_at: now - HOUR_MS,
      });
      const untouched = await insertSchedule(rig.store.db, {
        organization_id: rig.organizationId,
        cron: '0 0 1 1 *',
        runs_on,
        next_at: now + 2 * AHEAD_MS,
      });

      expect(await restore()).toMatchObject({ occurrences_skipped: 1 });
      const nextAt = async (schedule: string) =>
        Number(
          (
            await rig.store.db
              .selectFrom('schedules')
              .select('next_at')
              .where('id', '=', schedule)
              .executeTakeFirstOrThrow()
          ).next_at,
        );
      const engine = createScheduleEngine({
        store: rig.store,
        submit: rig.jobs.submit,
        clock: rig.clock,
        log: silentLogger,
        requireNoApprovals: () => Promise.resolve(),
      });
      await engine.look();
      await engine.close();
      expect(await rig.store.db.selectFrom('jobs').select('id').execute()).toEqual([]);
      expect(await nextAt(id)).toBeGreaterThan(now + ahead);
      expect(await nextAt(id)).toBeLessThanOrEqual(rig.clock.now() + ahead + 60_000);
      expect(await nextAt(untouched)).toBe(now + 2 * AHEAD_MS);
      const events = await rig.store.db
        .selectFrom('audit_events')
        .select(['target', 'detail'])
        .where('action', '=', 'schedule.skipped')
        .execute();
      expect(events).toMatchObject([
        { target: id, detail: expect.stringContaining('restored from a backup') },
      ]);
    },
  );
});
