import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cli, cliFor } from './support/cli.ts';
import { type Machine, startMachine } from './support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let machine: Machine;
let cli: Cli;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  [machine, cli] = await Promise.all([startMachine(orchestrator), cliFor(orchestrator)]);
});
afterAll(async () => {
  await cli?.close();
  await machine?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await cli.run(args);
  return { code, stderr, text: stdout.toString() };
};
const at = (path: string) => `${machine.vmId}:${path}`;

describe('looking into a machine from the command line', () => {
  it('shows it and changes its labels', async () => {
    expect((await run('agents', 'label', machine.vmId, 'role=web', 'env=prod')).text).toContain('env=prod');
    const shown = JSON.parse((await run('agents', 'show', machine.vmId, '--json')).text);
    expect(shown).toMatchObject({ vm_id: machine.vmId, labels: { role: 'web', env: 'prod' } });
    expect(shown.certificates[0].fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect((await run('agents', 'label', machine.vmId, 'env-')).text).toBe(`${machine.vmId}: role=web\n`);
    expect((await run('agents', 'label', machine.vmId, 'no label')).code).toBe(2);
  });

  it('sends a file, lists it, and brings it back, also from the middle', async () => {
    const bytes = randomBytes(5_000_000);
    const [local, back] = [machine.join('local.bin'), machine.join('back.bin')];
    writeFileSync(local, bytes);
    const put = await run('files', 'put', local, at(machine.join('remote.bin')), '--mode', '600', '--json');
    expect(JSON.parse(put.text)).toMatchObject({ created: true, mode: '600', resumed_at: 0 });
    const again = await run('files', 'put', local, at(machine.join('remote.bin')));
    expect([again.code, again.stderr]).toEqual([4, expect.stringMatching(/exists already.*\n.*--overwrite/)]);
    expect((await run('files', 'ls', at(machine.folder))).text).toMatch(
      /file +600 .* 5000000 .* remote\.bin/,
    );
    const { headers } = await orchestrator.call({
      path: `/api/v1/organizations/default/agents/${machine.vmId}/files/content?path=${encodeURIComponent(machine.join('remote.bin'))}`,
      headers: { range: 'bytes=0-0' },
    });
    writeFileSync(`${back}.${headers.etag?.replaceAll('"', '')}.part`, bytes.subarray(0, 1_234_567));
    const got = await run('files', 'get', at(machine.join('remote.bin')), back, '--json');
    expect(JSON.parse(got.text)).toEqual({ path: back, size: 5_000_000, resumed_at: 1_234_567 });
    expect(readFileSync(back).equals(bytes)).toBe(true);
    const kept = await run('files', 'get', at(machine.join('remote.bin')), back);
    expect([kept.code, kept.stderr]).toEqual([4, expect.stringMatching(/exists already.*\n.*--overwrite/)]);
    expect((await run('files', 'get', at(machine.join('remote.bin')), back, '--overwrite')).code).toBe(0);
    const { stdout } = await cli.run(['files', 'cat', at(machine.join('remote.bin'))]);
    expect(stdout.equals(bytes)).toBe(true);
  });

  it('says what is not there', async () => {
    const { code, stderr } = await run('files', 'cat', at(machine.join('none')));
    expect([code, stderr]).toEqual([4, expect.stringContaining('does not exist')]);
    const local = machine.join('some');
    writeFileSync(local, 'x');
    const put = await run('files', 'put', local, at(machine.join('nowhere/some')));
    expect([put.code, put.stderr]).toEqual([
      4,
      expect.stringContaining(`no folder ${machine.join('nowhere')} `),
    ]);
    const token = await run('api-tokens', 'create', 'x', '--role', 'viewer', '--scope', 'jobs.run');
    expect([token.code, token.stderr]).toEqual([2, expect.stringContaining('operator')]);
  });

  it('ends a shell whose input has ended', async () => {
    const { code, text } = await run('shell', machine.vmId);
    expect({ code, text }).toEqual({ code: 0, text: expect.any(String) });
    const cat = await run('shell', machine.vmId, '--', 'cat');
    expect(cat.code).toBe(0);
  });

  it('shows processes and the load', async () => {
    expect((await run('ps', machine.vmId, '--filter', String(machine.folder))).text).toContain(
      'run-agent.ts',
    );
    expect((await run('metrics', machine.vmId)).text).toMatch(/memory_used +\d/);
  });

  it('follows a log until it is told to stop, and passes no control sequence on', async () => {
    const log = machine.join('app.log');
    writeFileSync(log, 'one\n\x1b[31mtwo\x07\n');
    const child = cli.spawn(['logs', machine.vmId, log, '--follow']);
    let text = '';
    const ended = new Promise((resolve) => child.once('close', resolve));
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        const before = text;
        text += chunk.toString();
        if (text.includes('two') && !before.includes('two')) appendFileSync(log, 'three\n');
        if (text.includes('three')) resolve();
      });
    });
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(text).toBe('one\ntwo?\nthree\n');
  });
});
