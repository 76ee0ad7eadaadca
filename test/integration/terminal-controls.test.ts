// Locks, approvals and rights at terminals, with a real orchestrator and a real agent.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Approval } from '../../protocol/rest-approvals.ts';
import { enrollHome } from '../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { createToken } from './support/enroll.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { addPerson, type Person } from './support/people.ts';
import { connectTerminal, type TerminalAtHand } from './support/terminal-client.ts';

let orchestrator: OrchestratorProcess;
let home: TempHome;
let agent: AgentProcess;
let vmId: string;
let olga: Person;
let bob: Person;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  home = await createTempHome();
  const { token } = await createToken(orchestrator);
  vmId = await enrollHome({ home: home.path, url: orchestrator.url, token });
  agent = startAgent({ home: home.path });
  await agent.logged((line) => line['msg'] === 'connected to the orchestrator');
  olga = addPerson(orchestrator, 'olga', 'operator');
  bob = addPerson(orchestrator, 'bob', 'approver');
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await home?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

const made: string[] = [];
/** An object of the organization, for one test. */
async function make(kind: 'locks' | 'approval-rules', body: Record<string, unknown>): Promise<void> {
  const answer = await orchestrator.call<{ id: string }>({ path: `${ORG}/${kind}`, body });
  expect(answer.status, answer.text).toBe(201);
  made.push(`${ORG}/${kind}/${answer.body.id}`);
}
afterEach(async () => {
  for (const path of made.splice(0)) await orchestrator.call({ method: 'DELETE', path });
});
const lock = (body: Record<string, unknown>) => make('locks', { reason: 'under investigation', ...body });

const knock = (who: Person) =>
  connectTerminal(orchestrator, {
    agent: vmId,
    first: { type: 'open', rows: 24, cols: 80, command: 'PS1="ready> " exec sh -i' },
    headers: { authorization: `Bearer ${who.token}` },
  });
async function sit(who: Person): Promise<TerminalAtHand> {
  const found = await knock(who);
  if ('status' in found) throw new Error(`refused: ${found.status} ${found.code}`);
  return found;
}

describe('[lock-2] a lock', () => {
  it.each([
    ['a person', () => ({ target_type: 'user', target: olga.id })],
    ['the machine', () => ({ target_type: 'agent', target: vmId })],
    ['the tool', () => ({ target_type: 'tool', target: 'open_*' })],
    ['the organization', () => ({ target_type: 'organization', target: 'default' })],
  ])('on %s ends a terminal that is open, and says why', async (_what, body) => {
    const at = await sit(olga);
    await at.until('ready> ');
    await lock(body());
    expect(await at.ended()).toMatchObject({
      reason: 'locked',
      message: expect.stringContaining('under investigation'),
    });
  });

  it('on a person is told before there is a WebSocket, and one on the machine by it', async () => {
    await lock({ target_type: 'user', target: olga.id });
    expect(await knock(olga)).toEqual({ status: 423, code: 'locked' });
    for (const path of made.splice(0)) await orchestrator.call({ method: 'DELETE', path });
    await lock({ target_type: 'agent', target: vmId });
    const at = await sit(olga);
    expect(await at.message('error')).toMatchObject({ code: 'locked' });
    expect(await at.closed).toBe(4101);
  });
});

describe('[session-2] a token', () => {
  it('that is revoked ends the terminal at once', async () => {
    const pete = addPerson(orchestrator, 'pete', 'operator');
    const at = await sit(pete);
    await at.until('ready> ');
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/api-tokens/${pete.tokenId}` });
    expect(await at.ended()).toMatchObject({ reason: 'access_ended' });
  });
});

describe('a rule that wants another person', () => {
  const pending = async (): Promise<Approval> => {
    const { body } = await bob.call<{ items: Approval[] }>({ path: `${ORG}/approvals` });
    const [found] = body.items;
    if (found === undefined) throw new Error('nothing waits');
    return found;
  };
  const decide = async (what: 'approve' | 'deny') => {
    const { id, digest } = await pending();
    const { status, text } = await bob.call({
      path: `${ORG}/approvals/${id}/${what}`,
      body: what === 'approve' ? { digest } : {},
    });
    expect(status, text).toBe(200);
  };

  it('[approval-1] holds a terminal until it is approved; then it starts for who waits at it', async () => {
    await make('approval-rules', { name: 'terminals', tools: ['open_terminal'] });
    const at = await sit(olga);
    await at.message('awaiting_approval');
    expect(at.messages.map(({ type }) => type)).not.toContain('started');
    await decide('approve');
    await at.until('ready> ');
    at.type('exit 3\n');
    expect(await at.ended()).toMatchObject({ reason: 'exit', exit_code: 3 });
  });

  it('ends it when it is denied', async () => {
    await make('approval-rules', { name: 'terminals', tools: ['open_terminal'] });
    const at = await sit(olga);
    await at.message('awaiting_approval');
    await decide('deny');
    expect(await at.ended()).toMatchObject({ reason: 'denied' });
  });
});

describe('a terminal nobody would sit at', () => {
  const refused = { status: 400, body: { detail: expect.stringMatching(/^A terminal is no job/) } };
  const job = { selector: 'all', tool: 'open_terminal', arguments: { rows: 24, cols: 80 } };

  it('is neither a job, a schedule, a call nor another try of one that was open', async () => {
    expect(await olga.call({ path: `${ORG}/jobs`, body: job })).toMatchObject(refused);
    expect(await olga.call({ path: `${ORG}/jobs/preview`, body: job })).toMatchObject(refused);
    expect(
      await olga.call({ path: `${ORG}/schedules`, body: { name: 'nightly', cron: '0 3 * * *', job } }),
    ).toMatchObject(refused);
    expect(
      await olga.call({ path: `${ORG}/agents/${vmId}/tools/open_terminal`, body: job.arguments }),
    ).toMatchObject(refused);
    const at = await sit(olga);
    await at.until('ready> ');
    at.type('exit 1\n');
    await at.ended();
    const { body } = await olga.call<{ items: { id: string; tool: string }[] }>({ path: `${ORG}/jobs` });
    const [found] = body.items.filter(({ tool }) => tool === 'open_terminal');
    await expect
      .poll(() => olga.call({ path: `${ORG}/jobs/${found?.id}/retry`, body: {} }))
      .toMatchObject(refused);
  });
});
