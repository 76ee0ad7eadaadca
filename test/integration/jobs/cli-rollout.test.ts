import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobWithCommands } from '../../../protocol/rest-jobs.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { enrollAgent } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let cli: Cli;
let folder: string;
const fakes: FakeAgent[] = [];
const vmIds: string[] = [];

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
  folder = await mkdtemp(join(tmpdir(), 'cli-rollout-'));
  const enrolled = [];
  for (let i = 0; i < 5; i++) enrolled.push(await enrollAgent(orchestrator));
  enrolled.sort((a, b) => (a.machine.response.agent_id < b.machine.response.agent_id ? -1 : 1));
  for (const [index, one] of enrolled.entries()) {
    vmIds.push(one.vmId);
    // The last one never comes.
    if (index === 4) continue;
    const fake = one.fake(orchestrator, {
      autoRun: ({ arguments: { command } }) => {
        const fails = command === 'break' || command === 'check';
        const exitCode = fails && index === 2 ? 7 : 0;
        return { stdout: Buffer.from(exitCode === 0 ? `fine\n` : 'broken\n'), exitCode };
      },
    });
    await fake.connect();
    fakes.push(fake);
  }
});
afterAll(async () => {
  for (const fake of fakes) await fake.drop();
  await orchestrator.stop();
  await cli.close();
  await rm(folder, { recursive: true });
});

const said = async (...args: string[]) => {
  const { stdout, stderr, code } = await cli.run(args);
  return { out: stdout.toString(), err: stderr, code };
};
const jobs = async (...args: string[]) =>
  JSON.parse((await said('jobs', ...args, '--json')).out) as JobWithCommands & { items: JobWithCommands[] };

describe('run in waves', () => {
  it('shows who would be hit and runs nothing', async () => {
    const { out, code } = await said('run', '--dry-run', '--waves', '1,100%', '--', 'uptime');
    expect(code).toBe(0);
    expect(out).toContain('5 machines: 4 online, 1 offline\nwave 1: 1, wave 2: 4\n');
    expect(out).toMatch(new RegExp(`${vmIds[4]} +2 +offline +offline: runs it when it returns`));
    expect(fakes.map((fake) => fake.commands.length)).toEqual([0, 0, 0, 0]);
  });

  it('stops after a failure and says who ran, who did not and why', async () => {
    const ran = await said('run', '--waves', '1,50%,100%', '--skip-offline', '--', 'break');
    // The third of four breaks: in the last wave, which began before.
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('Wave 3 of 3\n');
    expect(ran.err).toContain(`${vmIds[2]}: exit code 7\n`);
    expect(ran.err).toContain('Stopped in wave 3 of 3: 1 machine failed, none may\n');
    expect(ran.err).toContain(
      `1 skipped (it was offline when the job was made, and such machines were left out): ${vmIds[4]}`,
    );
    const [job] = (await jobs('list', '--state', 'failed')).items;
    const id = job?.id ?? '';
    const shown = await said('jobs', 'show', id);
    expect(shown.out).toContain(`${id}: stopped in wave 3 of 3: 1 machine failed, none may`);
    expect(shown.out).toMatch(new RegExp(`${vmIds[2]} +3 +failed +7 +7\\+0 +exit code 7\n`));
    const groups = await said('jobs', 'groups', id);
    expect(groups.out).toMatch(/^3 identical, 1 differs, 1 skipped\n/);
    expect(groups.out).toContain('-fine\n+broken\n');
    const again = JSON.parse((await said('jobs', 'retry', id, '--json')).out) as JobWithCommands;
    expect(again).toMatchObject({ retry_of: id, commands: [{ vm_id: vmIds[2] }] });
    expect((await said('jobs', 'retry', id, '--which', 'not-run')).err).toContain(
      'None of the 1 selected agents is online.',
    );
  });

  it('ends with 1 where it succeeded and a machine failed the check, however many may fail', async () => {
    const words = [
      '--waves',
      '100%',
      '--max-failures',
      '4',
      '--skip-offline',
      '--check',
      'check',
      '--',
      'deploy',
    ];
    const { code, err } = await said('run', ...words);
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(new RegExp(`1 succeeded \\(unwell after its wave.*: ${vmIds[2]}`)),
    });
    expect((await said('run', '--json', ...words)).code).toBe(1);
  });

  it('sends a script with its interpreter and arguments', async () => {
    const file = join(folder, 'deploy');
    await writeFile(file, '#!/usr/bin/env python3\nprint(1)\n');
    const selector = `id=${vmIds[0]}`;
    const { code } = await said('run', '--selector', selector, '--script', file, '--', 'v 42');
    expect(code).toBe(0);
    const payload = fakes[0]?.commands.at(-1);
    expect(payload?.arguments).toMatchObject({ stdin: '#!/usr/bin/env python3\nprint(1)\n' });
    expect(payload?.arguments['command']).toContain(`'python3' "$f" 'v 42' </dev/null`);
  });

  it('pauses, resumes and cancels', async () => {
    const { out } = await said('run', '--detach', '--waves', '1,100%', '--pause', '1h', '--', 'true');
    const id = out.trim();
    expect((await said('jobs', 'pause', id)).out).toMatch(/^job-\S+: paused, wave [01] of 2\n$/);
    expect((await jobs('list', '--state', 'paused')).items.map((job) => job.id)).toEqual([id]);
    expect((await said('jobs', 'resume', id)).out).toContain('running');
    expect((await said('jobs', 'cancel', id)).out).toMatch(
      /cancel requested for [45]; [01] had ended already/,
    );
    expect((await jobs('show', id)).rollout?.state).toBe('cancelled');
    expect((await said('jobs', 'pause', id)).err).toContain(`${id} is cancelled.`);
  });

  it.each([
    [['run', '--waves', '1,10%', '--', 'x'], 'the last one 100%'],
    [['run', '--max-failures', 'x', '--', 'x'], 'from 0 on'],
    [['run', '--waves', '100%'], 'There is nothing to run.'],
    [['run', '--script', '/does/not/exist'], 'cannot be read (ENOENT)'],
    [['run', '--interpreter', 'bash', '--', 'x'], 'needs --script'],
    [['jobs', 'retry', 'job-x'], 'A job’s id'],
  ])('refuses %j', async (args, words) => {
    const { code, err } = await said(...args);
    expect(err).toContain(words);
    expect(code).toBe(2);
  });
});
