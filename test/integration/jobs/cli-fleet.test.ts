import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { shutdownFromSignals } from '../../../base/shutdown.ts';
import type { CliDeps } from '../../../orchestrator/cli/deps.ts';
import { runCli } from '../../../orchestrator/cli.ts';
import { problemSchema } from '../../../protocol/problem.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { enrollAgent } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let cli: Cli;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
});
afterAll(async () => {
  await orchestrator.stop();
  await cli.close();
});

const said = async (args: readonly string[]) => {
  const { stdout, stderr, code } = await cli.run(args);
  return { stdout: stdout.toString(), stderr, code };
};

/** The program with somebody at the terminal, who gives this answer. */
async function atTerminal(args: readonly string[], answer: boolean) {
  const texts = { stdout: '', stderr: '' };
  const questions: string[] = [];
  const into = (name: 'stdout' | 'stderr') => ({
    write(data: string | Uint8Array, done?: unknown) {
      texts[name] += Buffer.from(data).toString();
      if (typeof done === 'function') done();
      return true;
    },
  });
  const absent = () => Promise.reject(new Error('no server here'));
  const deps: CliDeps = {
    version: '0.0.0',
    // This process does not trust the CA of the test by itself: the file says it.
    env: cli.env,
    stdout: into('stdout') as CliDeps['stdout'],
    stderr: into('stderr') as CliDeps['stderr'],
    clock: systemClock,
    confirm: async (question) => {
      questions.push(question);
      return answer;
    },
    shutdown: () => shutdownFromSignals(process),
    exitWith: () => undefined,
    server: {
      serve: absent,
      bootstrap: absent,
      adminReset: absent,
      verifyAudit: absent,
      backups: absent,
      backupKey: absent,
    },
  };
  return { code: await runCli(args, deps), questions, ...texts };
}

describe('agents revoke', () => {
  it('asks at a terminal, revokes, and says when there was nothing to revoke any more', async () => {
    const { vmId } = await enrollAgent(orchestrator);
    const listed = JSON.parse((await said(['agents', '--json', '--selector', `id=${vmId}`])).stdout);
    const agentId = listed.items[0].agent_id;
    const refused = await atTerminal(['agents', 'revoke', vmId], false);
    expect(refused).toMatchObject({ code: 1, stderr: 'Nothing was revoked.\n' });
    expect(refused.questions).toEqual([expect.stringContaining(`Revoke ${vmId} (agt-`)]);
    expect((await said(['agents'])).stdout).toContain(vmId);

    expect(await atTerminal(['agents', 'revoke', '--yes', vmId], false)).toMatchObject({
      code: 0,
      questions: [],
      stdout: `${vmId} is revoked\n`,
    });
    expect((await said(['agents'])).stdout).not.toContain(vmId);
    const again = await said(['agents', 'revoke', agentId, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ vm_id: vmId, revoked: true, already: true });
  });
});

describe('audit', () => {
  it('lists what happened, page by page', async () => {
    const { stdout } = await said(['audit', '--json']);
    const { items } = JSON.parse(stdout) as { items: { id: number; action: string }[] };
    expect(items.length).toBeGreaterThan(2);
    const table = (await said(['audit'])).stdout.split('\n');
    expect(table[0]).toMatch(/^TIME +ACTION +ACTOR +ADDRESS +TARGET$/);
    expect(table[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /);
    const first = JSON.parse((await said(['audit', '--json', '--limit', '1'])).stdout);
    const more = ['audit', '--json', '--limit', '1', '--cursor', first.next_cursor];
    const second = JSON.parse((await said(more)).stdout);
    expect([first.items[0].id, second.items[0].id]).toEqual(items.slice(0, 2).map(({ id }) => id));
  });
});

describe('a wrong call', () => {
  it.each([
    [['jobs', 'output', 'nope'], 'vm-orchestrator jobs lists them'],
    [['jobs', 'show', 'nope'], 'A job’s id is job-'],
    [['jobs', '--limit', '501'], '--limit is at most 500.'],
    [['token', 'create', '--ttl', '99999d'], '--ttl is at most 30d.'],
    [['token', 'create', '--ttl', '1s'], '--ttl is at least 10s.'],
    [['token', 'create', '--uses', '100001'], '--uses is at most 100000.'],
    [['token', 'create', '--label', 'a=b', '--label', 'a=c'], 'The label a is given twice.'],
    [['token', 'revoke', 'nope'], 'vm-orchestrator token list shows them'],
    [['agents', 'revoke', 'nope'], 'vm-orchestrator agents lists them'],
    [['run', '--timeout', '8d', '--', 'true'], '--timeout is at most 7d.'],
    [['run', '--selector', 'x', '--', 'true'], '"x" is not a selector term.'],
  ])('%j is refused in the words of the command line', async (args, sentence) => {
    const done = await atTerminal(args, false);
    expect(done.stderr).toContain(sentence);
    expect(done.code).toBe(2);
  });

  it.each([
    [['jobs', 'show', 'nope', '--json'], 2],
    [['token', 'list', '--json', '--nonsense'], 2],
    [['run', '--json', '--selector', 'no=body', '--', 'true'], 4],
    [['org', 'list', '--json', '--url', 'https://127.0.0.1:1'], 3],
    [['agents', '--json', '--url', 'nonsense'], 2],
  ])('%j is one problem object on stderr', async (args, code) => {
    const done = await atTerminal(args, false);
    expect(problemSchema.parse(JSON.parse(done.stderr)).detail).not.toBe('');
    expect(done).toMatchObject({ code, stdout: '' });
  });
});

describe('tokens', () => {
  it('are shown once with their line, the checkout’s only on demand', async () => {
    const short = await said(['token', 'create']);
    expect(short.stdout).toMatch(/Token \(shown once, valid until [\d-]+T[\d:]+Z\)/);
    expect(short.stdout).not.toContain('checkout');
    expect((await said(['token', 'create', '--verbose'])).stdout).toContain('checkout');
  });

  it('say their labels, and that they are used up or were revoked already', async () => {
    const made = JSON.parse((await said(['token', 'create', '--label', 'env=lab', '--json'])).stdout);
    const row = async () =>
      (await said(['token', 'list'])).stdout.split('\n').find((l) => l.startsWith(made.id));
    expect(await row()).toMatch(/until \S+Z +0\/1 +- +env=lab/);
    await enrollAgent(orchestrator, { provisioning_token: made.token });
    expect(await row()).toContain('used up');
    expect((await said(['token', 'revoke', made.id])).stdout).toBe(
      `${made.id} is revoked; it was used up before\n`,
    );
    expect((await said(['token', 'revoke', made.id])).stdout).toBe(`${made.id} was revoked already\n`);
  });
});

describe('run without a selector', () => {
  it('asks at a terminal when it means several machines, and runs nothing after a no', async () => {
    await enrollAgent(orchestrator);
    await enrollAgent(orchestrator);
    const refused = await atTerminal(['run', '--detach', '--', 'true'], false);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: 'Nothing was run.\n' });
    expect(refused.questions).toEqual([expect.stringMatching(/^Run on all \d machines/)]);
    expect((await said(['jobs', '--json'])).stdout).toContain('"items":[]');
    const done = await atTerminal(['run', '--expires', '1', '--yes', '--', 'true'], false);
    expect(done.questions).toEqual([]);
    expect(done.stderr).toMatch(/^running on \d machines \(all\); --selector chooses\n/);
  });
});
