// Approvals, rules and locks from the command line.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { type Cli, cliFor, outcome } from './support/cli.ts';
import { type EnrolledAgent, enrollAgent } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { addPerson, type Person } from './support/people.ts';

let orchestrator: OrchestratorProcess;
let machine: EnrolledAgent;
let agent: FakeAgent;
let cli: Cli;
let olga: Person;
let bob: Person;
let home: TempHome;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  [machine, cli, home] = await Promise.all([
    enrollAgent(orchestrator),
    cliFor(orchestrator),
    createTempHome(),
  ]);
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', home.join('id')]);
  agent = machine.fake(orchestrator, {
    autoRun: ({ approvals }) => ({ stdout: Buffer.from(`by ${approvals.map(({ name }) => name)}\n`) }),
  });
  await agent.connect({
    approval_policy: {
      required: [{ tool: '*', command: '*signed*' }],
      approvers: [{ name: 'bob', key: (await readFile(home.join('id.pub'), 'utf8')).trim() }],
      quorum: 1,
    },
  });
  olga = addPerson(orchestrator, 'olga', 'operator');
  bob = addPerson(orchestrator, 'bob', 'approver');
});
afterAll(async () => {
  await agent?.drop();
  await cli?.close();
  await orchestrator?.stop();
  await home?.remove();
});

const as = (person: Person) => ({ VM_ORCHESTRATOR_API_TOKEN: person.token });
const run = async (words: readonly string[], who?: Person) => {
  const { code, stdout, stderr } = await cli.run(words, who && as(who));
  return { code, stdout: stdout.toString(), stderr };
};

/** `run`, from when it says that it waits: the approval, and what comes in the end. */
async function waitingRun(command: string) {
  const child = cli.spawn(['run', '--', command], as(olga));
  if (child.stderr === null) throw new Error('no stderr');
  const done = outcome(child);
  for await (const line of createInterface({ input: child.stderr })) {
    const id = /approvals show (apv-\w+)/.exec(line)?.[1];
    if (id !== undefined) return { id, done };
  }
  throw new Error('it did not wait');
}

describe('the command line', () => {
  it('adds a rule, waits in run, and goes on when another person has approved', async () => {
    const added = await run([
      'approval-rules',
      'add',
      'deploys',
      '--command',
      '*deploy*',
      '--expires',
      '10m',
    ]);
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^apr-\w+ "deploys" holds/) });
    const { id, done } = await waitingRun('deploy it');
    expect(await run(['approvals'], bob)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^APPROVAL .*\\n${id} +pending +olga's .* deploy it\\n$`)),
    });
    const shown = await run(['approvals', 'show', id], bob);
    expect(shown.stdout).toContain('  | deploy it\n');
    expect(shown.stdout).toContain(machine.vmId);
    expect(shown.stdout).toContain('rule "deploys": 0 of 1');
    expect(await run(['approvals', 'approve', id], olga)).toMatchObject({ code: 4 });
    expect(await run(['approvals', 'approve', id, '--comment', 'fine'], bob)).toEqual({
      code: 0,
      stdout: `${id} is approved\n`,
      stderr: '',
    });
    const { code, stdout } = await done;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "by bob's\n" });
  });

  it('says that it was denied', async () => {
    const { id, done } = await waitingRun('deploy that');
    expect(await run(['approvals', 'deny', id, '--comment', 'no'], bob)).toMatchObject({
      stdout: `${id} is denied\n`,
    });
    expect(await done).toMatchObject({ code: 1 });
    expect(await run(['approvals', '--state', 'ended'])).toMatchObject({
      stdout: expect.stringMatching(/denied/),
    });
  });

  it('signs what a machine demands by ssh-keygen, with a file or through a pipe', async () => {
    const first = await waitingRun('signed one');
    const challenge = await run(['approvals', 'challenge', first.id], bob);
    expect(challenge.stdout).toMatch(/^vm-agent-approval\.v1\n\{"arguments":\{"command":"signed one"\}/);
    await writeFile(home.join('what'), challenge.stdout);
    await promisify(execFile)('ssh-keygen', [
      ...['-q', '-Y', 'sign', '-n', 'vm-agent-approval', '-f', home.join('id')],
      home.join('what'),
    ]);
    const refused = await run(['approvals', 'approve', first.id], bob);
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('own signature') });
    expect(
      await run(['approvals', 'approve', first.id, '--signature', home.join('what.sig')], bob),
    ).toMatchObject({ code: 0, stdout: `${first.id} is approved\n` });
    expect(await first.done).toMatchObject({ code: 0 });
    // What the executor needs to make the subject again is in what was sent.
    expect(agent.commands.at(-1)).toMatchObject({
      critical: ['approval_proof'],
      approval_proof: { index: 0, path: [], targets: { count: 1 } },
      approvals: [{ signature: { kind: 'ssh' } }],
    });

    const second = await waitingRun('signed two');
    const { stdout: signature } = await run(['approvals', 'sign', second.id, '--key', home.join('id')], bob);
    expect(signature).toMatch(/^-----BEGIN SSH SIGNATURE-----/);
    const piped = cli.spawn(['approvals', 'approve', second.id, '--signature', '-'], as(bob), signature);
    expect(await outcome(piped)).toMatchObject({ code: 0 });
    expect(await second.done).toMatchObject({ code: 0 });
  });

  it('adds, lists and ends locks', async () => {
    const added = await run(['locks', 'add', 'user', 'olga', '--reason', 'laptop stolen', '--expires', '1h']);
    const id = /\((lck-\w+)\)/.exec(added.stdout)?.[1] ?? '';
    expect(added).toMatchObject({ code: 0, stdout: `olga is locked (${id})\n` });
    expect(await run(['run', '--', 'true'], olga)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('laptop stolen'),
    });
    expect((await run(['locks'])).stdout).toMatch(new RegExp(`${id} +user +olga .*laptop stolen`));
    expect(await run(['locks', 'remove', id])).toMatchObject({ code: 0 });
    expect(await run(['locks', 'remove', 'x'])).toMatchObject({ code: 2 });
    expect(await run(['locks', 'add', 'vm', 'x', '--reason', 'y'])).toMatchObject({ code: 2 });
    expect(await run(['locks'])).toMatchObject({ stdout: 'Nothing is locked.\n' });
  });

  it('lists and removes rules', async () => {
    const listed = await run(['approval-rules']);
    const id = /^(apr-\w+)/m.exec(listed.stdout)?.[1] ?? '';
    expect(listed.stdout).toMatch(/everybody +all +"\*deploy\*" +1 of approvals.decide +10m/);
    expect(await run(['approval-rules', 'remove', id], olga)).toMatchObject({ code: 4 });
    expect(await run(['approval-rules', 'remove', id])).toMatchObject({ code: 0 });
    expect((await run(['approval-rules'])).stdout).toMatch(/no rules/);
  });

  it('says that a rule for commands alone leaves other ways open', async () => {
    const add = async (tool: string) => {
      const { stdout } = await run(['approval-rules', 'add', 'some', '--tool', tool]);
      await run(['approval-rules', 'remove', stdout.slice(0, stdout.indexOf(' '))]);
      return stdout;
    };
    expect(await add('execute_shell_command')).toContain(
      "Terminals and file tools stay open; a rule that holds them as well: --tool '*'",
    );
    expect(await add('*')).not.toContain('stay open');
  });
});
