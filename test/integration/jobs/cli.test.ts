import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { type Cli, cliFor, outcome } from '../support/cli.ts';
import { enrollAgent } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let program: Cli;
const fakes: FakeAgent[] = [];

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  program = await cliFor(orchestrator);
});
afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.drop();
});
afterAll(async () => {
  await orchestrator.stop();
  await program.close();
});

const run: Cli['run'] = (args, over) => program.run(args, over);

async function online(over: Parameters<Awaited<ReturnType<typeof enrollAgent>>['fake']>[1] = {}) {
  const agent = await enrollAgent(orchestrator);
  const fake = agent.fake(orchestrator, over);
  await fake.connect();
  fakes.push(fake);
  return { ...agent, fake, selector: `id=${agent.vmId}` };
}

describe('vm-orchestrator run', () => {
  it('is as if the command ran here: bytes of both streams, and its exit code', async () => {
    const stdout = Buffer.from([0, 255, 10, 27, 200]);
    const { selector, fake } = await online({
      autoRun: () => ({ stdout, stderr: Buffer.from('warn\n'), exitCode: 42 }),
    });
    const done = await run(['run', '--selector', selector, '--', 'echo', 'a b']);
    expect(done.stdout.equals(stdout)).toBe(true);
    expect(done.stderr).toBe('warn\n');
    expect(done.code).toBe(42);
    expect(fake.commands[0]?.arguments).toEqual({ command: 'echo a b' });
  });

  it('names the machines when there are several, and exits 1 when they disagree', async () => {
    const one = await online({ autoRun: () => ({ stdout: Buffer.from('x\ny'), exitCode: 0 }) });
    const two = await online({ autoRun: () => ({ stdout: Buffer.from('z\n'), exitCode: 3 }) });
    const done = await run(['run', '--selector', `id=${one.vmId}|${two.vmId}`, '--', 'true']);
    expect(done.stdout.toString().trim().split('\n').toSorted()).toEqual(
      [`${one.vmId}: x`, `${one.vmId}: y`, `${two.vmId}: z`].toSorted(),
    );
    expect(done.stderr).toBe(`${two.vmId}: exit code 3\n`);
    expect(done.code).toBe(1);
  });

  it('says who is offline, and leaves at once with --detach', async () => {
    const { vmId } = await enrollAgent(orchestrator);
    const detached = await run(['run', '--selector', `id=${vmId}`, '--detach', '--', 'true']);
    expect(detached.code).toBe(0);
    expect(detached.stdout.toString()).toMatch(/^job-[0-9a-z]{26}\n$/);
    const waiting = await run(['run', '--selector', `id=${vmId}`, '--expires', '1', '--', 'true']);
    expect(waiting.stderr).toContain(`queued for ${vmId}: offline`);
    expect(waiting.stderr).toContain(`${vmId}: expired`);
    expect(waiting.code).toBe(1);
  });

  it('cancels the command on the machine at Ctrl-C and waits for its end', async () => {
    const { selector, fake } = await online();
    const child = program.spawn(['run', '--selector', selector, '--', 'sleep 1000']);
    const ended = outcome(child);
    const { command_id: id } = await fake.command();
    fake.sendOutput(id, 'stdout', 0, Buffer.from('started\n'));
    if (child.stdout) await once(child.stdout, 'readable');
    child.kill('SIGINT');
    await fake.until(() => fake.cancels.length > 0);
    fake.sendResult(id, {
      state: 'cancelled',
      reason: 'signal',
      signal: 'SIGTERM',
      stdout: { size: 8, head: '', tail: '', omitted: 8 },
    });
    const done = await ended;
    expect(done.code).toBe(130);
    expect(done.stdout.toString()).toBe('started\n');
    expect(done.stderr).toContain('cancelled');
  });

  it('prints events as JSON lines for machines', async () => {
    const { selector } = await online({ autoRun: () => ({ stdout: Buffer.from('hi') }) });
    const done = await run(['run', '--selector', selector, '--json', '--', 'true']);
    const types = done.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['state', 'state', 'state', 'state', 'output', 'state', 'end']);
  });
});

describe('the other subcommands', () => {
  it('make, list and revoke tokens', async () => {
    const made = await run([
      'token',
      'create',
      '--uses',
      '2',
      '--ttl',
      '1h',
      '--label',
      'env=prod',
      '--json',
    ]);
    const token = JSON.parse(made.stdout.toString()) as Record<string, string>;
    expect(Object.keys(token)).toEqual(['id', 'token', 'expires_at', 'one_liner', 'setup_command']);
    expect((await run(['token', 'list'])).stdout.toString()).toContain(token['id']);
    expect((await run(['token', 'revoke', token['id'] ?? ''])).code).toBe(0);
    expect((await run(['token', 'list'])).stdout.toString()).toContain('revoked');
  });

  it('list agents, organizations and jobs, and read what a command wrote', async () => {
    const { selector, vmId } = await online({ autoRun: () => ({ stderr: Buffer.from('kept\n') }) });
    expect((await run(['agents', '--selector', selector])).stdout.toString()).toMatch(
      new RegExp(`${vmId} +online`),
    );
    expect((await run(['org', 'list'])).stdout.toString()).toContain('default');
    await run(['run', '--selector', selector, '--', 'true']);
    const jobs = JSON.parse((await run(['jobs', '--json'])).stdout.toString()) as { items: { id: string }[] };
    const id = jobs.items[0]?.id ?? '';
    expect((await run(['jobs', 'show', id])).stdout.toString()).toContain(vmId);
    expect((await run(['jobs', 'output', id, '--stream', 'stderr'])).stdout.toString()).toBe('kept\n');
    expect(await run(['jobs', 'cancel', id])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('ended'),
    });
  });

  it.each([
    ['a wrong call', ['run'], {}, 2],
    ['no address', ['org', 'list'], { VM_ORCHESTRATOR_URL: '' }, 2],
    ['an orchestrator that is not there', ['org', 'list'], { VM_ORCHESTRATOR_URL: 'https://127.0.0.1:1' }, 3],
    ['a CA that is not known', ['org', 'list'], { VM_ORCHESTRATOR_CA_FILE: '' }, 3],
    ['a token that is not known', ['org', 'list'], { VM_ORCHESTRATOR_API_TOKEN: 'vmo_wrong' }, 4],
    ['a selector without agents', ['run', '--selector', 'a=b', '--', 'true'], {}, 4],
    ['a subcommand that there is not', ['org', 'merge', 'x'], {}, 2],
  ])('exit with their own code for %s', async (_name, args, over, code) => {
    const done = await run(args, over as Record<string, string>);
    expect(done.code).toBe(code);
    expect(done.stderr).not.toBe('');
  });
});
