// Locks at a real orchestrator: at submission, at dispatch, and in what lives on.
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lock } from '../../protocol/rest-locks.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { type EnrolledAgent, enrollAgent, ORG, readJob, submitJob } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { addPerson, type Person } from './support/people.ts';

let orchestrator: OrchestratorProcess;
let machine: EnrolledAgent;
let agent: FakeAgent;
let olga: Person;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  machine = await enrollAgent(orchestrator);
  agent = machine.fake(orchestrator);
  await agent.connect();
  olga = addPerson(orchestrator, 'olga', 'operator');
});
afterAll(async () => {
  await agent?.drop();
  await orchestrator?.stop();
});

async function lock(body: Record<string, unknown>): Promise<Lock> {
  const answer = await orchestrator.call<Lock>({
    path: `${ORG}/locks`,
    body: { reason: 'under investigation', ...body },
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body;
}
const unlock = ({ id }: Lock) => orchestrator.call({ method: 'DELETE', path: `${ORG}/locks/${id}` });
const submission = (who: Pick<Person, 'call'>, more = {}) =>
  who.call<{ code?: string; detail?: string }>({
    path: `${ORG}/jobs`,
    body: { selector: `id=${machine.vmId}`, arguments: { command: 'true' }, ...more },
  });
const refused = {
  status: 423,
  body: { code: 'locked', detail: expect.stringContaining('under investigation') },
};

/** Opens a job's events, and resolves when the server ends them. */
async function follow(who: Person, jobId: string) {
  const request = httpsRequest(new URL(`${ORG}/jobs/${jobId}/events`, orchestrator.url), {
    ca: orchestrator.ca,
    servername: AGENT_SNI,
    agent: false,
    headers: { authorization: `Bearer ${who.token}` },
  });
  request.end();
  const [response] = await once(request, 'response');
  await once(response, 'data');
  response.resume();
  return { ended: once(response, 'end') };
}

describe('a locked user', () => {
  it('[lock-2] is refused with the reason, his tokens too, and so is what he follows', async () => {
    const job = await submitJob(olga);
    const { ended } = await follow(olga, job.id);
    const made = await lock({ target_type: 'user', target: 'olga' });
    expect(made).toMatchObject({ target: olga.id, target_name: 'olga', expires_at: null });
    await ended;
    expect(await submission(olga)).toMatchObject(refused);
    expect(await olga.call({ path: `${ORG}/jobs` })).toMatchObject(refused);
    // Others go on.
    expect((await orchestrator.call({ path: `${ORG}/jobs` })).status).toBe(200);
    await unlock(made);
    expect((await olga.call({ path: `${ORG}/jobs` })).status).toBe(200);
    await orchestrator.call({ method: 'POST', path: `${ORG}/jobs/${job.id}/cancel` });
  });

  it('cannot be oneself', async () => {
    const body = { target_type: 'user', target: 'admin', reason: 'oops' };
    expect(await orchestrator.call({ path: `${ORG}/locks`, body })).toMatchObject({ status: 409 });
    expect(await olga.call({ path: `${ORG}/locks`, body })).toMatchObject({ status: 403 });
  });
});

describe('a locked machine', () => {
  it('[lock-1] gets nothing while others do, and what waited when its lock ends', async () => {
    const other = await enrollAgent(orchestrator);
    const second = other.fake(orchestrator);
    await second.connect();
    const made = await lock({ target_type: 'agent', target: machine.vmId });
    expect(await submission(orchestrator)).toMatchObject(refused);
    const before = agent.commands.length;
    const job = await submitJob(orchestrator, { selector: `id=${machine.vmId}|${other.vmId}` });
    await second.command();
    const states = async () =>
      Object.fromEntries(
        (await readJob(orchestrator, job.id)).commands.map(({ vm_id, state }) => [vm_id, state]),
      );
    expect(await states()).toEqual({ [machine.vmId]: 'queued', [other.vmId]: 'sent' });
    // Not on a new connection either.
    await agent.drop();
    await agent.connect();
    expect(await states()).toMatchObject({ [machine.vmId]: 'queued' });
    expect(agent.commands).toHaveLength(before);
    await unlock(made);
    expect(await agent.command(before + 1)).toMatchObject({ job_id: job.id });
    await second.drop();
  });

  it('does not get again what it was sent before, until its lock ends', async () => {
    const late = await enrollAgent(orchestrator);
    const fake = late.fake(orchestrator, { autoAck: false });
    await fake.connect();
    const job = await submitJob(orchestrator, { selector: `id=${late.vmId}` });
    await fake.command();
    await fake.drop();
    const made = await lock({ target_type: 'selector', target: `id=${late.vmId}` });
    const again = late.fake(orchestrator);
    await again.connect();
    expect((await readJob(orchestrator, job.id)).commands[0]).toMatchObject({ state: 'sent' });
    expect(again.commands).toEqual([]);
    await unlock(made);
    expect(await again.command()).toMatchObject({ job_id: job.id });
    await again.drop();
  });
});

describe('what waits for its machine', () => {
  /** A command that waits, then a lock, then the machine's connection. */
  async function connectAfter(who: Pick<Person, 'call'>, body: Record<string, unknown>) {
    const offline = await enrollAgent(orchestrator);
    const job = await submitJob(who, { selector: `id=${offline.vmId}` });
    const made = await lock(body);
    const fake = offline.fake(orchestrator);
    await fake.connect();
    const { commands } = await readJob(orchestrator, job.id);
    // The queue of a connection is looked at after its welcome; the end of the job says that it was.
    await orchestrator.call({ path: `${ORG}/jobs/${job.id}/events` });
    const { commands: after } = await readJob(orchestrator, job.id);
    expect(commands).toHaveLength(1);
    expect(fake.commands).toEqual([]);
    await fake.drop();
    await unlock(made);
    return after[0];
  }

  it('[lock-1] is skipped when its tool was locked meanwhile', async () => {
    const ended = await connectAfter(orchestrator, { target_type: 'tool', target: 'execute_*' });
    expect(ended).toMatchObject({ state: 'skipped', reason: 'locked' });
  });

  it('[lock-1] is skipped when who asked was locked meanwhile', async () => {
    const ended = await connectAfter(olga, { target_type: 'user', target: 'olga' });
    expect(ended).toMatchObject({ state: 'skipped', reason: 'locked' });
  });
});

describe('locks', () => {
  it('of the whole organization and of a tool stop submissions, not reading', async () => {
    for (const body of [
      { target_type: 'organization' },
      { target_type: 'tool', target: 'execute_shell_command' },
    ]) {
      const made = await lock(body);
      expect(await submission(olga)).toMatchObject(refused);
      expect((await olga.call({ path: `${ORG}/jobs` })).status).toBe(200);
      await unlock(made);
      expect((await submission(olga)).status).toBe(202);
    }
  });

  it('end by themselves, and are audited', async () => {
    const made = await lock({ target_type: 'api_token', target: olga.tokenId, expires_in: 0.2 });
    expect(made.expires_at).not.toBeNull();
    while ((await olga.call({ path: `${ORG}/jobs` })).status === 423);
    const { body } = await orchestrator.call<{ items: { action: string; target: string }[] }>({
      path: `${ORG}/audit`,
    });
    expect(body.items).toEqual(
      expect.arrayContaining([expect.objectContaining({ action: 'lock.add', target: made.id })]),
    );
    expect((await orchestrator.call<{ items: Lock[] }>({ path: `${ORG}/locks` })).body.items).toEqual([]);
  });

  it('are refused for what there is not', async () => {
    for (const body of [
      { target_type: 'user', target: 'nobody' },
      { target_type: 'agent', target: 'vm-x-000000' },
      { target_type: 'selector', target: 'what is this' },
      { target_type: 'tool', target: 'Not A Tool' },
      { target_type: 'user', target: 'olga', reason: '' },
    ]) {
      const answer = await orchestrator.call({ path: `${ORG}/locks`, body: { reason: 'x', ...body } });
      expect([400, 404]).toContain(answer.status);
    }
  });
});

describe('a call, for which nobody can wait', () => {
  const call = () =>
    olga.call<{ code?: string; detail?: string; hint?: string }>({
      path: `${ORG}/agents/${machine.vmId}/tools/execute_shell_command`,
      body: { command: 'halt' },
    });

  it('is refused when it meets an approval rule, and told how it can be asked for', async () => {
    const before = agent.commands.length;
    const { body: rule } = await orchestrator.call<{ id: string }>({
      path: `${ORG}/approval-rules`,
      body: { name: 'stops', commands: ['*halt*'] },
    });
    expect(await call()).toMatchObject({
      status: 403,
      body: {
        code: 'forbidden',
        detail: expect.stringContaining('needs an approval'),
        hint: expect.stringContaining('job'),
      },
    });
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/approval-rules/${rule.id}` });
    expect(agent.commands).toHaveLength(before);
  });

  it('[lock-1] is refused with the reason when its machine is locked', async () => {
    const made = await lock({ target_type: 'agent', target: machine.vmId });
    expect(await call()).toMatchObject(refused);
    await unlock(made);
  });
});
