import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeOutputFrame } from '../../../protocol/output-frame.ts';
import { CLOSE } from '../../../protocol/version.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

let rig: JobsRig;
beforeEach(async () => {
  rig = await startJobsRig();
});
afterEach(() => rig.close());

const stateOf = async (jobId: Parameters<JobsRig['commands']>[0]) => (await rig.commands(jobId))[0]?.state;
const NO_COMMAND = 'cmd-00000000000000000000000000';

describe('a session whose link breaks', () => {
  it('goes on after a resume: what was lost on the way is sent again, what came is not', async () => {
    const { agent } = await rig.addAgent({ autoAck: false });
    await agent.connect();
    await rig.submit();
    await agent.command();
    await agent.drop();
    // Nothing was acknowledged, but it was handed on: recv_seq says so.
    const welcome = await agent.connect();
    expect(welcome).toMatchObject({ resumed: true, session_epoch: 2 });
    await rig.submit();
    await agent.command(2);
    expect(agent.commands.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(agent.received.filter(({ type }) => type === 'command')).toHaveLength(2);
  });

  it('[delivery-2] sends a command that never arrived again, and the agent sees it once', async () => {
    const { agent } = await rig.addAgent({ autoAck: false });
    await agent.connect();
    await rig.submit();
    await agent.command();
    await agent.drop();
    await agent.connect({ recv_seq: 0 });
    const copies = () => agent.received.filter(({ type }) => type === 'command');
    await agent.until(() => copies().length === 2);
    expect(copies()[1]).toMatchObject({ seq: 1 });
    expect(agent.commands).toHaveLength(1);
  });

  it('[delivery-4] takes a result whose acknowledgement was lost once', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendResult(id);
    await rig.eventsOf(jobId);
    await agent.until(() => agent.link.unacked.length === 0);
    // A new session: the agent has not seen the acknowledgement and sends its outbox again.
    await agent.drop();
    agent.sessionId = undefined;
    agent.inFlight = [{ id, state: 'succeeded', offsets: { stdout: 0, stderr: 0 } }];
    await agent.connect();
    agent.sendResult(id);
    await agent.until(() => agent.link.unacked.length === 0);
    const events = await rig.eventsOf(jobId);
    expect(events.filter(({ event }) => event.type === 'state' && event.state === 'succeeded')).toHaveLength(
      1,
    );
  });

  it('sends again, in a new session, what the agent’s journal does not name, and nothing that it names', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    await rig.submit();
    await rig.submit();
    const first = await agent.command(1);
    const second = await agent.command(2);
    await agent.drop();
    agent.sessionId = undefined;
    agent.inFlight = [{ id: first.command_id, state: 'accepted', offsets: { stdout: 0, stderr: 0 } }];
    expect(await agent.connect()).toMatchObject({ resumed: false });
    await agent.command(3);
    expect(agent.commands.map(({ command_id }) => command_id)).toEqual([
      first.command_id,
      second.command_id,
      second.command_id,
    ]);
  });

  it('[delivery-3] ends what ran on an agent that lost its journal as unknown, and never sends it again', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendState(id, 'running');
    await rig.untilState(jobId, 'running');
    await agent.drop();
    agent.sessionId = undefined;
    await agent.connect();
    await rig.eventsOf(jobId);
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'unknown', reason: 'agent_lost' });
    expect(agent.commands).toHaveLength(1);
  });

  it('replaces unknown once by a late result, which comes after the end with an end of its own', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendState(id, 'running');
    await rig.untilState(jobId, 'running');
    await agent.drop();
    agent.sessionId = undefined;
    await agent.connect();
    await rig.eventsOf(jobId);
    agent.sendResult(id, { exit_code: 7, state: 'failed' });
    agent.sendResult(id, { exit_code: 0, state: 'succeeded' });
    await agent.until(() => agent.link.unacked.length === 0);
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'failed', result_late: 1 });
    const types = (await rig.eventsOf(jobId)).map(({ event }) =>
      event.type === 'state' ? event.state : event.type,
    );
    expect(types).toEqual(['queued', 'sent', 'running', 'unknown', 'failed', 'end']);
    const audit = await rig.store.db.selectFrom('audit_events').select('action').execute();
    expect(audit.filter(({ action }) => action === 'command.result_late')).toHaveLength(1);
  });

  it('closes the older socket when the agent comes again, whoever is first', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const closed = agent.closed();
    await agent.connect();
    expect((await closed).code).toBe(CLOSE.supersededSession);
  });

  it('goes on with output from what is on disk', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendOutput(id, 'stdout', 0, Buffer.from('abc'));
    await agent.until(() => agent.acked.get(`${id}.stdout`) === 3);
    await agent.drop();
    agent.inFlight = [{ id, state: 'running', offsets: { stdout: 6, stderr: 0 } }];
    await agent.connect();
    agent.sendOutput(id, 'stdout', 1, Buffer.from('bcdef'));
    agent.sendResult(id, { stdout: { size: 6, head: '', tail: '', omitted: 6 } });
    const events = await rig.eventsOf(jobId);
    const text = events
      .map(({ event }) => (event.type === 'output' ? Buffer.from(event.data, 'base64') : ''))
      .join('');
    expect(text).toBe('abcdef');
  });
});

describe('what does not belong here', () => {
  it('refuses upgrades that are no agent’s, in HTTP', async () => {
    const { agent, vmId } = await rig.addAgent();
    const refused = async (over: Parameters<JobsRig['addAgent']>[0]) =>
      (await rig.addAgent(over)).agent.open();
    await expect(refused({ headers: { origin: 'https://evil.example' } })).rejects.toThrow('403');
    await expect(refused({ subprotocols: ['vm-agent.v0'] })).rejects.toThrow('400');
    const { FakeAgent } = await import('../../fakes/fake-agent.ts');
    const url = (path: string) => new FakeAgent({ url: agent.url.replace(/\/api\/.*/, path) });
    await expect(url('/api/v1/agents/vm-nobody-000000/ws').open()).rejects.toThrow('403');
    await expect(url(`/api/v1/agents/${vmId}/socket`).open()).rejects.toThrow('404');
  });

  it('drops frames about commands of others and closes the connection after the third', async () => {
    const victim = await rig.addAgent();
    const rogue = await rig.addAgent();
    await victim.agent.connect();
    const { jobId } = await rig.submit({ selector: `id=${victim.vmId}` });
    const { command_id: id } = await victim.agent.command();
    await rogue.agent.connect();
    const closed = rogue.agent.closed();
    rogue.agent.sendResult(id, { exit_code: 0 });
    rogue.agent.sendRaw(
      encodeOutputFrame({
        command_id: id,
        stream: 'stdout',
        offset: 0,
        at_ms: 0,
        data: Buffer.from('forged'),
      }),
    );
    rogue.agent.sendRaw(JSON.stringify({ type: 'welcome' }));
    expect((await closed).code).toBe(CLOSE.protocolError);
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'sent', stdout_size: 0, result: null });
    expect(victim.agent.received.filter(({ type }) => type === 'output_ack')).toEqual([]);
  });

  it('answers types that it does not know and goes on', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    for (const type of ['telepathy', '__proto__', 'constructor']) {
      const from = agent.received.length;
      agent.sendRaw(JSON.stringify({ type }));
      expect(await agent.next('error', from)).toMatchObject({ code: 'unknown_type', ref: type });
    }
    await rig.submit();
    await agent.command();
  });

  it.each([
    ['no JSON', 'nonsense'],
    ['a known type of another shape', JSON.stringify({ type: 'ack', ack: -1 })],
    ['a broken output frame', new Uint8Array([1, 9, 200])],
    [
      'a seq with a gap',
      JSON.stringify({
        type: 'state',
        seq: 5,
        command_id: NO_COMMAND,
        state: 'running',
        at: '2026-01-01T00:00:00.000Z',
      }),
    ],
    ['a second hello', undefined],
  ])('closes the connection for %s', async (_name, frame) => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const closed = agent.closed();
    agent.sendRaw(frame ?? JSON.stringify(agent.hello()));
    expect((await closed).code).toBe(CLOSE.protocolError);
  });

  it('wants hello first, in a version that it speaks', async () => {
    const { agent } = await rig.addAgent();
    await agent.open();
    const closed = agent.closed();
    agent.sendRaw(JSON.stringify({ type: 'ack', ack: 0 }));
    expect((await closed).code).toBe(CLOSE.protocolError);
    await agent.open();
    const refused = agent.closed();
    agent.sendRaw(JSON.stringify(agent.hello({ protocol_min: 9, protocol_max: 9 })));
    expect((await refused).code).toBe(CLOSE.unsupportedVersion);
  });

  it('takes the labels that a hello brings, and keeps those it has where it brings none', async () => {
    const { agent, agentId } = await rig.addAgent();
    const reported = async () => {
      const query = rig.store.db.selectFrom('agents').select('reported_labels').where('id', '=', agentId);
      return JSON.parse((await query.executeTakeFirstOrThrow()).reported_labels);
    };
    await agent.connect({ labels: { rack: 'b2' } });
    expect(await reported()).toEqual({ rack: 'b2' });
    await agent.drop();
    await agent.connect();
    expect(await reported()).toEqual({ rack: 'b2' });
    await agent.drop();
    await agent.connect({ labels: {} });
    expect(await reported()).toEqual({});
  });

  it('[identity-4] cuts a revoked agent at once', async () => {
    const { agent, agentId } = await rig.addAgent();
    await agent.connect();
    const closed = agent.closed();
    await rig.store.db.updateTable('agents').set({ state: 'revoked' }).where('id', '=', agentId).execute();
    rig.bus.publish({ topic: 'revoked', agent_id: agentId });
    expect((await closed).code).toBe(CLOSE.certificateRevoked);
    await agent.open();
    const again = agent.closed();
    agent.sendRaw(JSON.stringify(agent.hello()));
    expect((await again).code).toBe(CLOSE.certificateRevoked);
  });
});

describe('a cancel', () => {
  it('is final at once for a command that never left', async () => {
    await rig.addAgent();
    const { jobId } = await rig.submit();
    expect(await rig.cancel(jobId)).toEqual({ cancelRequested: 1, alreadyEnded: 0 });
    expect(await stateOf(jobId)).toBe('cancelled');
    await expect(rig.cancel(jobId)).rejects.toMatchObject({ code: 'not_cancellable' });
  });

  it('reaches the agent, and the agent says how it ended', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    await rig.cancel(jobId);
    await agent.until(() => agent.cancels.length === 1);
    expect(await stateOf(jobId)).toBe('sent');
    agent.sendResult(id, { state: 'cancelled', reason: 'signal', signal: 'SIGTERM' });
    await rig.eventsOf(jobId);
    expect(await stateOf(jobId)).toBe('cancelled');
  });

  it('is kept for an agent that is offline', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    await agent.drop();
    await rig.cancel(jobId);
    await agent.connect();
    await agent.until(() => agent.cancels.length === 1);
    expect(agent.cancels).toEqual([id]);
  });
});

describe('[delivery-7] an Idempotency-Key', () => {
  it('gives the same job for the same request and refuses another one', async () => {
    await rig.addAgent();
    const first = await rig.submit({}, 'key-1');
    expect(await rig.submit({ timeout: 300 }, 'key-1')).toEqual({ jobId: first.jobId, created: false });
    await expect(rig.submit({ timeout: 5 }, 'key-1')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    expect((await rig.submit({}, 'key-2')).jobId).not.toBe(first.jobId);
  });

  it('gives one job to many who ask at once', async () => {
    await rig.addAgent();
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.submit({}, 'key-1')));
    expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
  });
});

describe('a submission', () => {
  it.each([
    [{ selector: 'env=none' }, 'no_agents_match'],
    [{ selector: 'env' }, 'invalid_selector'],
    [{ arguments: { command: '' } }, 'bad_request'],
    [{ arguments: { command: 'true', shell: 'zsh' } }, 'bad_request'],
    [{ tool: 'no_such_tool', arguments: {} }, 'unsupported'],
  ])('of %o is refused as %s and leaves nothing', async (body, code) => {
    const { agent } = await rig.addAgent({ labels: { env: 'prod' } });
    await agent.connect();
    await expect(rig.submit(body)).rejects.toMatchObject({ code });
    expect(await rig.store.db.selectFrom('commands').select('id').execute()).toEqual([]);
  });

  it('reaches the agents that its selector means, and no other', async () => {
    const prod = await rig.addAgent({ labels: { env: 'prod' } });
    await rig.addAgent({ labels: { env: 'test' } });
    const { jobId } = await rig.submit({ selector: 'env=prod' });
    expect((await rig.commands(jobId)).map(({ agent_id }) => agent_id)).toEqual([prod.agentId]);
  });
});
