import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../../protocol/version.ts';
import { createFakeClock, type FakeClock } from '../../fakes/fake-clock.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

const CERTIFICATE_MS = 45 * 60_000;
let clock: FakeClock;
let rig: JobsRig;
beforeEach(async () => {
  clock = createFakeClock();
  rig = await startJobsRig({ clock, certificateMs: CERTIFICATE_MS });
});
afterEach(() => rig.close());

describe('[delivery-5] a deadline that passes', () => {
  it('ends what never left as expired, and the agent never sees it', async () => {
    const { agent } = await rig.addAgent();
    const { jobId } = await rig.submit({ expires_in: 60 });
    const events = rig.eventsOf(jobId);
    await clock.advance(60_000);
    await events;
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'expired' });
    await agent.connect();
    await rig.submit();
    expect((await agent.command()).seq).toBe(2);
  });

  it('ends what may have started as unknown', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit({ expires_in: 60 });
    await agent.command();
    const events = rig.eventsOf(jobId);
    await clock.advance(60_000);
    await events;
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'unknown', reason: 'agent_lost' });
  });

  it('gives what runs its timeout and a minute more', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit({ expires_in: 60, timeout: 100 });
    const { command_id: id } = await agent.command();
    agent.sendState(id, 'running');
    // It waits a moment for a result that might come with it.
    await clock.untilArmed(clock.armed().length + 1);
    await clock.advance(1000);
    await rig.untilState(jobId, 'running');
    await clock.advance(159_000);
    await rig.commits.idle();
    expect((await rig.commands(jobId))[0]?.state).toBe('running');
    const events = rig.eventsOf(jobId);
    await clock.advance(1000);
    await events;
    expect((await rig.commands(jobId))[0]?.state).toBe('unknown');
  });
});

describe('a link', () => {
  it('is closed when no hello comes', async () => {
    const { agent } = await rig.addAgent();
    await agent.open();
    const closed = agent.closed();
    // The server's side of the upgrade may be a turn behind.
    await clock.untilArmed(1);
    await clock.advance(10_000);
    expect((await closed).code).toBe(CLOSE.helloTimeout);
  });

  it('is closed when its certificate ends', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const closed = agent.closed();
    await clock.advance(CERTIFICATE_MS - 1);
    expect(rig.hub.onlineCount()).toBe(1);
    await clock.advance(1);
    expect((await closed).code).toBe(CLOSE.certificateEnded);
  });

  it('is taken for dead after 25 s without a byte', async () => {
    const { agent } = await rig.addAgent({ deaf: true });
    await agent.connect();
    const closed = agent.closed();
    await clock.advance(20_000);
    expect(rig.hub.onlineCount()).toBe(1);
    await clock.advance(10_000);
    await closed;
    expect(rig.hub.onlineCount()).toBe(0);
  });

  it('forgets a session that nobody resumed', async () => {
    const { agent, agentId } = await rig.addAgent();
    await agent.connect();
    await agent.drop();
    await rig.commits.idle();
    await clock.advance(5 * 60_000);
    expect(rig.hub.session(agentId)).toBeUndefined();
    expect(await agent.connect()).toMatchObject({ resumed: false });
  });
});
