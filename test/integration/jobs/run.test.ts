import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import { type JobsRig, startJobsRig } from '../support/jobs-rig.ts';

describe('a command over a real WebSocket', () => {
  let rig: JobsRig;
  beforeEach(async () => {
    rig = await startJobsRig();
  });
  afterEach(() => rig.close());

  const statesOf = (events: Awaited<ReturnType<JobsRig['eventsOf']>>) =>
    events.flatMap(({ event }) => (event.type === 'state' ? [event.state] : [event.type]));

  it('goes through its states to its result, each an event and an audit entry', async () => {
    const { agent } = await rig.addAgent({ autoRun: () => ({ stdout: Buffer.from('hi\n'), exitCode: 3 }) });
    await agent.connect();
    const { jobId } = await rig.submit();
    const events = await rig.eventsOf(jobId);
    expect(statesOf(events)).toEqual(['queued', 'sent', 'accepted', 'running', 'output', 'failed', 'end']);
    expect(events.map(({ id }) => id)).toEqual(events.map(({ id }) => id).toSorted((a, b) => a - b));
    const failed = events.find(({ event }) => event.type === 'state' && event.state === 'failed')?.event;
    expect(failed).toMatchObject({ reason: 'exit', result: { exit_code: 3 } });
    const audit = await rig.store.db
      .selectFrom('audit_events')
      .select(['action', 'detail', 'actor_name'])
      .execute();
    expect(audit.map(({ action }) => action)).toEqual([
      'job.submit',
      ...Array.from({ length: 4 }, () => 'command.state'),
    ]);
  });

  it('is stored before it is sent, signed, with the seq of its envelope', async () => {
    const { agent, agentId } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const payload = await agent.command();
    const [row] = await rig.commands(jobId);
    expect(row).toMatchObject({ state: 'sent', seq: 1, agent_id: agentId });
    expect(payload).toMatchObject({
      seq: 1,
      agent_id: agentId,
      job_id: jobId,
      tool: 'execute_shell_command',
    });
    const message = await agent.next('command');
    expect(message.envelope.payload_type).toBe(PAYLOAD_TYPE.command);
    expect(message.delegation.payload_type).toBe(PAYLOAD_TYPE.delegation);
  });

  it('[delivery-6] waits for an agent that is offline and is sent in order when it comes', async () => {
    const { agent } = await rig.addAgent();
    for (let i = 1; i <= 100; i++) await rig.submit({ arguments: { command: `echo ${i}` } });
    await agent.connect();
    await agent.command(100);
    expect(agent.commands.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it('keeps a window of unacknowledged commands and leaves the rest in the store', async () => {
    const { agent } = await rig.addAgent({ autoAck: false });
    for (let i = 1; i <= 100; i++) await rig.submit();
    await agent.connect();
    await agent.command(64);
    await rig.commits.idle();
    const queued = await rig.store.db
      .selectFrom('commands')
      .select('id')
      .where('state', '=', 'queued')
      .execute();
    expect(queued).toHaveLength(36);
    agent.sendRaw(JSON.stringify({ type: 'ack', ack: 64 }));
    await agent.command(100);
  });

  it('[output-1] keeps 50 MB of output byte for byte, on both streams apart', {
    timeout: 60_000,
  }, async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    const stdout = randomBytes(50 * 1024 * 1024);
    const stderr = Buffer.from([0, 255, 10, 13, 128]);
    agent.sendState(id, 'running');
    agent.sendOutput(id, 'stderr', 0, stderr);
    await agent.sendStream(id, 'stdout', stdout);
    agent.sendResult(id, {
      stdout: { size: stdout.length, head: '', tail: '', omitted: stdout.length },
      stderr: { size: stderr.length, head: '', tail: '', omitted: stderr.length },
    });
    const events = await rig.eventsOf(jobId);
    const bytes = (stream: string) =>
      Buffer.concat(
        events.flatMap(({ event }) =>
          event.type === 'output' && event.stream === stream ? [Buffer.from(event.data, 'base64')] : [],
        ),
      );
    expect(bytes('stdout').equals(stdout)).toBe(true);
    expect(bytes('stderr').equals(stderr)).toBe(true);
    const read = await rig.jobs.files.read(
      { organizationId: rig.organizationId, commandId: id, stream: 'stdout' },
      0,
      stdout.length + 1,
    );
    expect(read.equals(stdout)).toBe(true);
  });

  it('[output-2] shows the first line before the second was printed', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    const signal = new AbortController().signal;
    const lines: string[] = [];
    agent.sendOutput(id, 'stdout', 0, Buffer.from('1\n'));
    const follow = await rig.jobs.events.follow({
      organizationId: rig.organizationId,
      jobId,
      after: 0,
      signal,
    });
    for await (const step of follow) {
      if (step === 'quiet' || step.event.type !== 'output') continue;
      lines.push(Buffer.from(step.event.data, 'base64').toString());
      if (lines.length === 1) agent.sendOutput(id, 'stdout', 2, Buffer.from('2\n'));
      else break;
    }
    expect(lines).toEqual(['1\n', '2\n']);
  });

  it('[output-4] goes on after the last event that a reader has seen', async () => {
    const { agent } = await rig.addAgent({ autoRun: () => ({ stdout: Buffer.from('x') }) });
    await agent.connect();
    const { jobId } = await rig.submit();
    const all = await rig.eventsOf(jobId);
    for (const [index, { id }] of all.entries()) {
      const rest = await rig.eventsOf(jobId, id);
      expect(rest.map((e) => e.event)).toEqual(
        index === all.length - 1
          ? [{ type: 'end', job_id: jobId }]
          : all.slice(index + 1).map((e) => e.event),
      );
    }
  });

  it('holds a final state back until the output is complete', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendState(id, 'running');
    agent.sendResult(id, { stdout: { size: 4, head: '', tail: '', omitted: 4 } });
    agent.sendOutput(id, 'stdout', 0, Buffer.from('ab'));
    await agent.until(() => agent.acked.get(`${id}.stdout`) === 2 && agent.link.unacked.length === 1);
    expect((await rig.commands(jobId))[0]?.state).toBe('running');
    agent.sendOutput(id, 'stdout', 2, Buffer.from('cd'));
    await rig.eventsOf(jobId);
    expect((await rig.commands(jobId))[0]).toMatchObject({ state: 'succeeded', stdout_size: 4 });
    await agent.until(() => agent.link.unacked.length === 0);
  });

  it('shows all output before the end, however long the store is busy', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: commandId } = await agent.command();
    agent.sendOutput(commandId, 'stdout', 0, Buffer.from('a'));
    await agent.until(() => agent.acked.get(`${commandId}.stdout`) === 1);
    const { promise: busy, resolve: release } = Promise.withResolvers<void>();
    // The state waits behind this transaction while the output reaches its file and the result comes.
    const blocker = rig.commits.run(() => busy);
    agent.sendState(commandId, 'running');
    agent.sendOutput(commandId, 'stdout', 1, Buffer.from('b'));
    agent.sendResult(commandId, { stdout: { size: 2, head: '', tail: '', omitted: 2 } });
    const file = { organizationId: rig.organizationId, commandId, stream: 'stdout' as const };
    while ((await rig.jobs.files.read(file, 0, 2)).length < 2)
      await new Promise((resolve) => setImmediate(resolve));
    release();
    await blocker;
    const types = (await rig.eventsOf(jobId)).map(({ event }) =>
      event.type === 'state' ? event.state : event.type,
    );
    expect(types).toEqual(['queued', 'sent', 'output', 'running', 'output', 'succeeded', 'end']);
  });

  it('drops what overlaps and asks for what is missing', async () => {
    const { agent } = await rig.addAgent();
    await agent.connect();
    const { jobId } = await rig.submit();
    const { command_id: id } = await agent.command();
    agent.sendOutput(id, 'stdout', 0, Buffer.from('abc'));
    agent.sendOutput(id, 'stdout', 2, Buffer.from('cdef'));
    await agent.until(() => agent.acked.get(`${id}.stdout`) === 6);
    const seen = agent.received.length;
    agent.sendOutput(id, 'stdout', 9, Buffer.from('jkl'));
    expect((await agent.next('output_ack', seen)).durable_offset).toBe(6);
    agent.sendOutput(id, 'stdout', 6, Buffer.from('ghijkl'));
    await agent.until(() => agent.acked.get(`${id}.stdout`) === 12);
    const key = { organizationId: rig.organizationId, commandId: id, stream: 'stdout' as const };
    expect((await rig.jobs.files.read(key, 0, 100)).toString()).toBe('abcdefghijkl');
    expect((await rig.commands(jobId))[0]?.stdout_size).toBe(12);
  });
});
