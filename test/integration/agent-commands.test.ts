import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentHome } from '../fakes/agent-home.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';
import { isAlive } from '../fakes/processes.ts';

let home: AgentHome;
let server: FakeOrchestrator;
let rig: AgentRig;

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const text = (summary: { head: string; tail: string } | undefined) =>
  Buffer.from(summary?.head ?? '', 'base64').toString() +
  Buffer.from(summary?.tail ?? '', 'base64').toString();

describe('a command over the channel', () => {
  it('says hello with its tools, its machine and nothing in flight', () => {
    const [hello] = server.hellos;
    expect(hello?.in_flight).toEqual([]);
    expect(hello?.command_seq).toBe(0);
    expect(hello?.tools?.map((tool) => tool.name)).toContain('execute_shell_command');
    expect(hello?.policy_sha256).toBeNull();
  });

  it('returns exit code, stdout and stderr apart', async () => {
    const result = await server.run(home.signer.shell('echo out; echo err >&2; exit 7'));
    expect(result).toMatchObject({ state: 'failed', reason: 'exit', exit_code: 7 });
    expect(text(result.stdout)).toBe('out\n');
    expect(text(result.stderr)).toBe('err\n');
  });

  it('tells a duration that is the time from its start to its end, in tenths of a millisecond', async () => {
    const result = await server.run(home.signer.shell('sleep 0.2'));
    const { started_at = '', ended_at, duration_ms = 0 } = result;
    const span = Date.parse(ended_at) - Date.parse(started_at);
    // Times are cut to whole milliseconds.
    expect(Math.abs(span - duration_ms)).toBeLessThan(3);
    expect(duration_ms).toBe(Number(duration_ms.toFixed(1)));
  });

  it('can open /dev/stderr, which sockets refuse', async () => {
    const result = await server.run(home.signer.shell('echo through > /dev/stderr'));
    expect(result.state).toBe('succeeded');
    expect(text(result.stderr)).toBe('through\n');
  });

  it('gives commands a clean environment, a home and an empty stdin', async () => {
    const result = await server.run(home.signer.shell('env; cat; pwd'));
    const output = text(result.stdout);
    expect(output).not.toContain('SECRET_OF_THE_DAEMON');
    expect(output).toMatch(/^PATH=.*\/usr\/bin/m);
    expect(output).toMatch(/^VM_AGENT_COMMAND_ID=cmd-/m);
    expect(result.state).toBe('succeeded');
  });

  it('shows the first line before the second is printed', async () => {
    const gate = `${home.path}/gate`;
    const command = home.signer.shell(`echo first; while [ ! -e ${gate} ]; do sleep 0.05; done; echo second`);
    server.sendCommand(command);
    const id = command.payload.command_id;
    await server.until(() => server.outputOf(id, 'stdout').toString() === 'first\n');
    expect(existsSync(gate)).toBe(false);
    const open = home.signer.shell(`touch ${gate}`);
    expect((await server.run(open)).state).toBe('succeeded');
    const result = await server.resultOf(id);
    expect(text(result.stdout)).toBe('first\nsecond\n');
  });

  it('brings 50 MB of binary output in both streams, byte for byte', async () => {
    const size = 50 * 1024 * 1024;
    const make = (seed: string) =>
      `openssl enc -aes-128-ctr -nosalt -pass pass:${seed} -in /dev/zero 2>/dev/null | head -c ${size}`;
    const command = home.signer.shell(
      `{ ${make('a')} | tee /dev/fd/3 | sha256sum > ${home.path}/a; } 3>&1; { ${make('b')} | tee /dev/fd/3 | sha256sum > ${home.path}/b; } 3>&2; cat ${home.path}/a ${home.path}/b | cut -c1-64`,
    );
    const result = await server.run(command);
    const id = command.payload.command_id;
    expect(result.state).toBe('succeeded');
    const stdout = server.outputOf(id, 'stdout');
    const sums = stdout.subarray(size).toString().trim().split('\n');
    const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(sums).toEqual([sha(stdout.subarray(0, size)), sha(server.outputOf(id, 'stderr'))]);
    expect(result.stdout?.size).toBe(stdout.length);
    expect(result.stdout?.omitted).toBe(stdout.length - 32 * 1024);
  });

  it('frees the spool once result and output are acknowledged', async () => {
    await server.run(home.signer.shell('echo kept for a moment'));
    await server.until(() => server.messages.some((m) => m.type === 'result'));
    await expect.poll(() => readdir(`${home.path}/state/output`)).toEqual([]);
  });

  it('ends a command whose background child keeps the pipes open, and the child with it', async () => {
    const result = await server.run(home.signer.shell('sleep 4711 & echo $!'));
    expect(result).toMatchObject({ state: 'succeeded', exit_code: 0 });
    const pid = text(result.stdout).trim();
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('ends what a command daemonized when it ended by itself', async () => {
    const result = await server.run(
      home.signer.shell('setsid sh -c "echo \\$\\$; exec sleep 4712 >/dev/null 2>&1" & sleep 0.2'),
    );
    const pid = text(result.stdout).trim();
    expect(pid).toMatch(/^\d+$/);
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('cancels the whole tree: children, sessions of their own, double forks, and what ignores SIGTERM', async () => {
    const command = home.signer.shell(
      `sleep 4713 & echo $!
       setsid sh -c 'echo $$; exec sleep 4714' &
       (setsid sh -c '(trap "" TERM; sh -c "echo \\$PPID"; while :; do sleep 0.1; done) &') &
       sleep 0.3; echo ready; sleep 4715`,
    );
    server.sendCommand(command);
    const id = command.payload.command_id;
    await server.until(() => server.outputOf(id, 'stdout').includes('ready'));
    const pids = server.outputOf(id, 'stdout').toString().match(/\d+/g) ?? [];
    expect(pids).toHaveLength(3);
    server.cancel(command);
    const result = await server.resultOf(id);
    expect(result).toMatchObject({ state: 'cancelled', signal: 'SIGTERM' });
    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
  });

  it('times out and ends the tree', async () => {
    const command = home.signer.shell('echo $$; sleep 4716', { limits: { timeout_s: 0.3 } });
    const result = await server.run(command);
    expect(result).toMatchObject({ state: 'timed_out', signal: 'SIGTERM' });
    expect(isAlive(text(result.stdout).trim())).toBe(false);
  });

  it('[output-3] ends a command that passes its output limit, and keeps what was below', async () => {
    const command = home.signer.shell('yes', { limits: { output_bytes: 100_000 } });
    const result = await server.run(command);
    expect(result).toMatchObject({ state: 'failed', reason: 'output_limit' });
    expect(result.stdout?.size).toBe(100_000);
    expect(server.sizeOf(command.payload.command_id, 'stdout')).toBe(100_000);
  });

  it('says why a command could not be started', async () => {
    const command = home.signer.shell('true', { arguments: { command: 'true', cwd: '/nowhere' } });
    const result = await server.run(command);
    expect(result).toMatchObject({ state: 'failed', reason: 'not_started', error: { code: 'not_started' } });
    expect(result.error?.message).toContain('/nowhere');
  });

  it('runs one lane in order and lanes beside each other', async () => {
    const gate = `${home.path}/lane`;
    const first = home.signer.shell(`while [ ! -e ${gate} ]; do sleep 0.02; done; echo 1`, { lane: 'A' });
    const second = home.signer.shell('echo 2', { lane: 'A' });
    const other = home.signer.shell(`touch ${gate}`, { lane: 'B' });
    for (const command of [first, second, other]) server.sendCommand(command);
    await server.resultOf(second.payload.command_id);
    const order = server.results.map((entry) => entry.id);
    expect(order.indexOf(first.payload.command_id)).toBeLessThan(order.indexOf(second.payload.command_id));
    const states = server.messages.filter(
      (m) => m.type === 'state' && m.command_id === second.payload.command_id,
    );
    expect(states.map((m) => m.type === 'state' && m.state)).toEqual(['accepted', 'running']);
  });

  it('meets a command with the cancel that came before it', async () => {
    const command = home.signer.shell(`touch ${home.path}/never`);
    server.cancel(command);
    const result = await server.run(command);
    expect(result).toMatchObject({ state: 'cancelled', reason: 'not_started' });
    expect(existsSync(`${home.path}/never`)).toBe(false);
  });
});
