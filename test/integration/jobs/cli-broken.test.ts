import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { enrollAgent } from '../support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let cli: Cli;
const fakes: FakeAgent[] = [];

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
});
afterAll(async () => {
  for (const fake of fakes) await fake.drop();
  await orchestrator.stop();
  await cli.close();
});

/** A run whose first output has come out. */
async function running() {
  const { vmId, fake: make } = await enrollAgent(orchestrator);
  const fake = make(orchestrator);
  fakes.push(fake);
  await fake.connect();
  const child = cli.spawn(['run', '--selector', `id=${vmId}`, '--', 'yes']);
  const { command_id: id } = await fake.command();
  fake.sendOutput(id, 'stdout', 0, Buffer.from('y\n'));
  if (child.stdout) await once(child.stdout, 'readable');
  return { child, fake, id };
}
const endOf = async (child: ChildProcess) => {
  if (!child.stderr) throw new Error('no pipe');
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { stderr, code };
};

describe('what nobody reads any more', () => {
  it('is cancelled on the machine, and run ends quietly as by SIGPIPE', async () => {
    const { child, fake, id } = await running();
    const ended = endOf(child);
    child.stdout?.destroy();
    fake.sendOutput(id, 'stdout', 2, Buffer.from('y\n'));
    await fake.until(() => fake.cancels.length > 0);
    expect(await ended).toEqual({ stderr: '', code: 141 });
  });

  it('ends every other subcommand quietly', async () => {
    const child = cli.spawn(['org', 'list']);
    child.stdout?.destroy();
    expect(await endOf(child)).toEqual({ stderr: '', code: 141 });
  });
});

describe('an orchestrator that has gone', () => {
  it('is tried again, and Ctrl-C, which it cannot take, ends run with 3', async () => {
    const { child } = await running();
    const ended = endOf(child);
    const said = new Promise<void>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.includes('Connection lost, trying again')) resolve();
      });
    });
    await orchestrator.kill();
    await said;
    child.kill('SIGINT');
    const { stderr, code } = await ended;
    expect(code).toBe(3);
    expect(stderr).toMatch(/The cancel was not taken: .* Job job-\w+ runs on\./);
    expect(stderr.match(/Connection lost/g)).toHaveLength(1);
  });
});
