import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../base/random.ts';
import { type CommandId, commandIdSchema, encodeUlid } from '../../../protocol/ids.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

/** What agents say to a store that was put back to a backup. */
let rig: JobsRig;
beforeEach(async () => {
  rig = await startJobsRig();
});
afterEach(() => rig.close());

const HOUR_MS = 3_600_000;

/** As `restore` leaves the store. */
const declare = (backupAt: number) =>
  rig.store.db
    .insertInto('restores')
    .values({
      organization_id: rig.organizationId,
      id: newId('rst', rig.clock),
      at: rig.clock.now(),
      backup_at: backupAt,
      source: 'backup',
      epoch: 7,
      audit_size: 0,
      admit_known: 0,
      commands_held: 0,
      rollouts_paused: 0,
      tokens_revoked: 0,
    })
    .execute();
const idOf = (time: number): CommandId =>
  commandIdSchema.parse(`cmd-${encodeUlid(time, new Uint8Array(10).fill(7))}`);
const events = (action: string) =>
  rig.store.db.selectFrom('audit_events').selectAll().where('action', '=', action).execute();

describe('[fault-1] results of commands that no row knows', () => {
  it('are kept once when they were given between the backup and the restore', async () => {
    await declare(rig.clock.now() - HOUR_MS);
    const { agent } = await rig.addAgent();
    await agent.connect();
    const lost = idOf(rig.clock.now() - HOUR_MS / 2);
    for (let count = 0; count < 5; count++) agent.sendResult(lost);
    agent.sendOutput(lost, 'stdout', 0, Buffer.from('said'));
    await agent.until(() => agent.link.unacked.length === 0 && agent.acked.get(`${lost}.stdout`) === 4);
    expect(agent.received.filter(({ type }) => type === 'error')).toEqual([]);
    expect(await events('command.result_lost')).toHaveLength(1);
  });

  it.each([
    ['without a restore', false, HOUR_MS / 2],
    ['from before the backup', true, 3 * HOUR_MS],
  ])('are counted against the agent %s', async (_what, declared, age) => {
    if (declared) await declare(rig.clock.now() - HOUR_MS);
    const { agent } = await rig.addAgent();
    await agent.connect();
    const closed = agent.closed();
    for (let count = 0; count < 3; count++) agent.sendResult(idOf(rig.clock.now() - age - count));
    expect((await closed).code).toBe(4001);
    expect(await events('command.result_lost')).toEqual([]);
  });
});

describe('an agent that took more commands than were given to it', () => {
  it.each([
    ['tells of it when nobody declared a restore', false, 1],
    ['is explained by a restore', true, 0],
  ])('gets the next number behind them, and %s', async (_what, declared, alarms) => {
    if (declared) await declare(rig.clock.now() - HOUR_MS);
    const { agent } = await rig.addAgent();
    await agent.connect({ command_seq: 41 });
    await rig.submit();
    await agent.command();
    await rig.submit();
    expect((await agent.command(2)).seq).toBeGreaterThan(41);
    expect(await events('orchestrator.rollback_suspected')).toHaveLength(alarms);
  });

  it('is told of again when it had been connected since the restore: the store was put back once more', async () => {
    await declare(rig.clock.now() - HOUR_MS);
    const { agent, agentId } = await rig.addAgent();
    await rig.store.db
      .updateTable('agents')
      .set({ last_heartbeat_at: rig.clock.now() + 1 })
      .where('id', '=', agentId)
      .execute();
    await agent.connect({ command_seq: 41 });
    await rig.submit();
    expect((await agent.command()).seq).toBeGreaterThan(41);
    expect(await events('orchestrator.rollback_suspected')).toHaveLength(1);
  });
});

describe('a command that the backup knows', () => {
  it('is final when its agent says that it had done it while it was held', async () => {
    const { agent } = await rig.addAgent();
    const { jobId } = await rig.submit();
    await rig.store.db.updateTable('commands').set({ state: 'held', reason: 'restored' }).execute();
    await declare(rig.clock.now());
    await agent.connect();
    const [row] = await rig.commands(jobId);
    agent.sendResult(commandIdSchema.parse(row?.id));
    await agent.until(() => agent.link.unacked.length === 0);
    expect((await rig.commands(jobId))[0]?.state).toBe('succeeded');
  });

  it('is asked for again when it ran, and is unknown when its agent has forgotten it', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendState(id, 'running');
    await agent.until(() => agent.link.unacked.length === 0);
    await agent.drop();
    await rig.store.db.updateTable('commands').set({ created_at: 1, sent_at: 1 }).execute();
    await declare(rig.clock.now());
    agent.sessionId = undefined;
    await agent.connect();
    expect((await agent.command(2)).command_id).toBe(id);
    agent.sendResult(id, { state: 'refused', error: { code: 'command_replayed', message: 'a replay' } });
    await agent.until(() => agent.link.unacked.length === 0);
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'unknown', reason: 'agent_lost' });
  });
});
