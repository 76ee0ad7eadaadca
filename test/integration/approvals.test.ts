// Approvals with a real orchestrator and a real agent: who may let what run.
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Approval, ApprovalDetail } from '../../protocol/rest-approvals.ts';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import { createSshApprover } from '../fakes/ssh-approver.ts';
import { ORG, readJob, submitJob } from './support/fleet.ts';
import { installAgent } from './support/installed-agent.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { addPerson, type Person } from './support/people.ts';

let orchestrator: OrchestratorProcess;
let agent: Awaited<ReturnType<typeof installAgent>>;
let olga: Person;
let bob: Person;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  agent = await installAgent(orchestrator, { labels: { env: 'prod' } });
  olga = addPerson(orchestrator, 'olga', 'operator');
  bob = addPerson(orchestrator, 'bob', 'approver');
  await orchestrator.call({
    path: `${ORG}/approval-rules`,
    body: { name: 'stops', selector: 'env=prod', commands: ['*echo stop*'] },
  });
}, 120_000);
afterAll(async () => {
  await agent?.stop();
  await orchestrator?.stop();
});

const submit = (command: string) => submitJob(olga, { arguments: { command } });

/** Follows the job until this state of its command, by its live events. */
async function until(jobId: string, state: string): Promise<JobWithCommands> {
  for (;;) {
    const job = await readJob(orchestrator, jobId as JobWithCommands['id']);
    if (job.commands[0]?.state === state) return job;
    // Each answer comes when something has happened, or after five seconds.
    const { text } = await orchestrator.call({ path: `${ORG}/jobs/${jobId}/events` });
    if (text.includes('event: end')) {
      const ended = await readJob(orchestrator, jobId as JobWithCommands['id']);
      expect(ended.commands[0]).toMatchObject({ state });
      return ended;
    }
  }
}

async function approvalOf(jobId: string): Promise<Approval> {
  const { body } = await bob.call<{ items: Approval[] }>({ path: `${ORG}/approvals?state=all&limit=200` });
  const found = body.items.find(({ job_id }) => job_id === jobId);
  if (found === undefined) throw new Error(`no approval for ${jobId}`);
  return found;
}
const show = async (id: string) => (await bob.call<ApprovalDetail>({ path: `${ORG}/approvals/${id}` })).body;
const approve = (who: Pick<Person, 'call'>, { id, digest }: Pick<Approval, 'id' | 'digest'>, more = {}) =>
  who.call<ApprovalDetail & { code?: string; detail: string }>({
    path: `${ORG}/approvals/${id}/approve`,
    body: { digest, ...more },
  });

describe('a job that meets a rule', () => {
  it('[approval-1] waits for another person, who sees what it is, and then runs', async () => {
    const job = await submit('echo stop it');
    expect(job.commands[0]).toMatchObject({ state: 'awaiting_approval', seq: 0 });
    const approval = await approvalOf(job.id);
    expect(approval).toMatchObject({
      state: 'pending',
      requester: { name: "olga's" },
      tool: 'execute_shell_command',
      arguments: { command: 'echo stop it' },
      targets: 1,
      rules: [{ name: 'stops', needed: 1, given: 0 }],
      may_decide: true,
    });
    expect(await show(approval.id)).toMatchObject({ target_list: [{ vm_id: job.commands[0]?.vm_id }] });
    const answer = await approve(bob, approval, { comment: 'go on' });
    expect(answer).toMatchObject({
      status: 200,
      body: { state: 'approved', decisions: [{ decision: 'approve', comment: 'go on' }] },
    });
    const ended = await until(job.id, 'succeeded');
    expect(Buffer.from(ended.commands[0]?.result?.stdout?.head ?? '', 'base64').toString()).toBe('stop it\n');
    const { body } = await orchestrator.call<{ items: { action: string }[] }>({ path: `${ORG}/audit` });
    const actions = body.items.map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(['approval.request', 'approval.approve']));
    // Who approved is in what the agent was sent.
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'), { readOnly: true });
    const row = database.prepare('SELECT envelope FROM commands WHERE job_id = ?').get(job.id);
    database.close();
    const { payload } = JSON.parse(String(row?.['envelope'])) as { payload: string };
    expect(JSON.parse(Buffer.from(payload, 'base64').toString())).toMatchObject({
      approvals: [{ id: bob.tokenId, name: "bob's" }],
    });
  });

  it('is not held when it does not meet it', async () => {
    const job = await submit('echo other');
    await until(job.id, 'succeeded');
  });

  it('[approval-1] is not approved by who asked, nor by another token of the same person', async () => {
    // The admin's own: he has the right, and it is his job.
    const job = await submitJob(orchestrator, { arguments: { command: 'echo stop mine' } });
    const approval = await approvalOf(job.id);
    expect(await approve(orchestrator, approval)).toMatchObject({
      status: 403,
      body: { code: 'own_approval' },
    });
    const { body } = await orchestrator.call<{ token: string }>({
      path: `${ORG}/api-tokens`,
      body: { name: 'second' },
    });
    const second = {
      call: <T>(options: Parameters<Person['call']>[0]) =>
        orchestrator.call<T>({ token: body.token, ...options }),
    };
    expect(await approve(second as Person, approval)).toMatchObject({
      status: 403,
      body: { code: 'own_approval' },
    });
    // An operator may not decide at all.
    expect(await approve(olga, approval)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await show(approval.id)).state).toBe('pending');
    await approve(bob, approval);
    await until(job.id, 'succeeded');
    expect(await approve(bob, approval)).toMatchObject({ status: 409, body: { code: 'approval_ended' } });
  });

  it('ends when it is denied, or cancelled', async () => {
    const job = await submit('echo stop no');
    const { id } = await approvalOf(job.id);
    const denied = await bob.call({ path: `${ORG}/approvals/${id}/deny`, body: { comment: 'not today' } });
    expect(denied).toMatchObject({ status: 200, body: { state: 'denied' } });
    await until(job.id, 'refused');
    expect(await show(id)).toMatchObject({ detail: "Denied by bob's: not today" });

    const other = await submit('echo stop cancelled');
    const approval = await approvalOf(other.id);
    await olga.call({ method: 'POST', path: `${ORG}/jobs/${other.id}/cancel` });
    await until(other.id, 'cancelled');
    expect(await approve(bob, approval)).toMatchObject({ status: 409 });
    expect((await show(approval.id)).state).toBe('cancelled');
  });

  it('[approval-2] is not run when what is stored is not what was asked for', async () => {
    const job = await submit('echo stop changed');
    const approval = await approvalOf(job.id);
    expect(await approve(bob, { ...approval, digest: '0'.repeat(64) })).toMatchObject({
      status: 409,
      body: { code: 'approval_mismatch' },
    });
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'));
    database.exec('PRAGMA busy_timeout = 5000');
    database
      .prepare('UPDATE jobs SET arguments = ? WHERE id = ?')
      .run(JSON.stringify({ command: 'echo something else' }), job.id);
    database.close();
    expect(await approve(bob, approval)).toMatchObject({ status: 409, body: { code: 'approval_mismatch' } });
    await until(job.id, 'refused');
    expect((await show(approval.id)).state).toBe('void');
  });

  it('[approval-4] expires', async () => {
    const job = await submit('echo stop late');
    const approval = await approvalOf(job.id);
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'));
    database.exec('PRAGMA busy_timeout = 5000');
    database.prepare('UPDATE approvals SET expires_at = 1 WHERE id = ?').run(approval.id);
    database.close();
    expect(await approve(bob, approval)).toMatchObject({ status: 409, body: { code: 'approval_ended' } });
    await until(job.id, 'expired');
    expect(await show(approval.id)).toMatchObject({ state: 'expired', detail: 'Nobody decided in time.' });
  });

  it('may go in waves: the first begins with the approval, and a denial ends all', async () => {
    const inWaves = (command: string) =>
      submitJob(olga, { arguments: { command }, rollout: { waves: ['100%'] } });
    const job = await inWaves('echo stop wave');
    expect(job.commands[0]?.state).toBe('awaiting_approval');
    await approve(bob, await approvalOf(job.id));
    await until(job.id, 'succeeded');
    const other = await inWaves('echo stop no wave');
    const { id } = await approvalOf(other.id);
    await bob.call({ path: `${ORG}/approvals/${id}/deny`, body: {} });
    const ended = await until(other.id, 'refused');
    expect(ended).toMatchObject({ state: 'ended', rollout: { state: 'cancelled' } });
  });

  it('needs as many people as each of its rules says, of those that it names', async () => {
    const carol = addPerson(orchestrator, 'carol', 'approver');
    const { body } = await orchestrator.call<{ id: string }>({
      path: `${ORG}/approval-rules`,
      body: { name: 'two', commands: ['*echo stop two*'], approvers: { count: 1, actors: ['carol'] } },
    });
    const job = await submit('echo stop two');
    const approval = await approvalOf(job.id);
    expect((await approve(bob, approval)).body).toMatchObject({
      state: 'pending',
      rules: [
        { name: 'stops', given: 1 },
        { name: 'two', given: 0 },
      ],
    });
    expect(await approve(bob, approval)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await approve(carol, approval)).body).toMatchObject({ state: 'approved' });
    await until(job.id, 'succeeded');
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/approval-rules/${body.id}` });
  });
});

describe('a machine whose policy demands approvers’ own signatures', () => {
  const alice = createSshApprover('alice');
  afterEach(() => rm(agent.policy, { force: true }));

  /** The agent reads its policy at its next call, and tells the orchestrator what it demands. */
  async function demand(): Promise<void> {
    const approval = {
      required: [{ tool: 'execute_shell_command', command: '*echo signed*' }],
      approvers: [alice.approver],
    };
    const grants = { orchestrator: { tools: { allow: ['*'] }, approval } };
    writeFileSync(agent.policy, JSON.stringify({ version: 1, grants }), { mode: 0o644 });
  }

  it('[approval-3] refuses what the orchestrator alone has signed, and runs what they sign', async () => {
    await demand();
    // The orchestrator does not know yet, as a stolen one would not care.
    const rogue = await submit('echo signed by nobody');
    const ended = await until(rogue.id, 'refused');
    expect(ended.commands[0]).toMatchObject({
      reason: 'policy',
      result: { error: { code: 'approval_required', message: expect.stringContaining('alice') } },
    });
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'), { readOnly: true });
    const told = () => database.prepare('SELECT approval_policy AS p FROM agents').get()?.['p'];
    // Each call gives the agent the time of an answer to connect again.
    while (told() === null) await orchestrator.call({ path: `${ORG}/agents` });
    database.close();

    const job = await submit('echo signed by alice');
    expect(job.commands[0]?.state).toBe('awaiting_approval');
    const approval = await show((await approvalOf(job.id)).id);
    expect(approval).toMatchObject({
      rules: [],
      signatures: [{ approvers: ['alice'], needed: 1, signed_by: [] }],
    });
    expect(await approve(bob, approval)).toMatchObject({
      status: 422,
      body: { code: 'approval_signature_invalid' },
    });
    const mallory = createSshApprover('alice');
    expect(await approve(bob, approval, { signature: mallory.sign(approval.text) })).toMatchObject({
      status: 422,
      body: { code: 'approval_signature_invalid' },
    });
    expect(await approve(bob, approval, { signature: alice.sign(approval.text) })).toMatchObject({
      status: 200,
      body: { state: 'approved', signatures: [{ signed_by: ['alice'] }] },
    });
    const done = await until(job.id, 'succeeded');
    expect(Buffer.from(done.commands[0]?.result?.stdout?.head ?? '', 'base64').toString()).toBe(
      'signed by alice\n',
    );
  });
});
