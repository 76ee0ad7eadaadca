// A virtual machine from the printed line to what only a kernel of its own can show of commands: limits that bite, and a
// power cut while one runs. Everything in it is emulated: Node needs seconds to start there, so waits are long; the order
// of events is what counts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMAND_SLICE, COMMAND_UNIT_PREFIX } from '../../protocol/disk-layout.ts';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import { freePort } from '../fakes/free-port.ts';
import { type HostOrchestrator, serve } from '../host/support/orchestrator.ts';
import { hostAddress } from './harness/image-recipe.ts';
import { bootVm, type Vm } from './harness/vm.ts';

const TASKS = 64;
const POLICY = `version: 1
grants:
  orchestrator:
    tools: {allow: ['*']}
    roots: {read: [/], write: [/]}
    run_as: root
    limits: {memory: 128MB, tasks: ${TASKS}}
`;
const ONLINE_TIMEOUT_MS = 240_000;
const END_TIMEOUT_MS = 180_000;

let vm: Vm;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  const port = await freePort();
  orchestrator = await serve({
    address: '127.0.0.1',
    port,
    publicUrl: `https://${hostAddress}:${port}`,
  });
  vm = await bootVm({ hostname: 'vm-2' });
});
afterAll(async () => {
  await orchestrator?.dispose();
  await vm?.dispose();
});

const only = async () => (await orchestrator.agents())[0];
const online = () => vm.waitFor('the agent online', async () => (await only())?.online, ONLINE_TIMEOUT_MS);

async function command(text: string) {
  const run = ['run', '--selector', 'env=vm', '--timeout', '60', '--', text];
  return orchestrator.cli(run, END_TIMEOUT_MS);
}

/** Sends a command; `id` is its job's. */
const send = (text: string, timeout: number) =>
  orchestrator.api('POST', 'jobs', { selector: 'env=vm', timeout, arguments: { command: text } });

/** The folder of a job's command in the kernel's hierarchy of control groups. */
async function cgroupOf(job: string): Promise<string> {
  const [sent] = (await orchestrator.api<JobWithCommands>('GET', `jobs/${job}`)).commands;
  return `/sys/fs/cgroup/${COMMAND_SLICE}/${COMMAND_UNIT_PREFIX}${sent?.id}.service`;
}

describe('the one-liner on a virtual machine', () => {
  it('enrolls it', async () => {
    const { one_liner } = await orchestrator.createToken('--label', 'env=vm');
    expect(one_liner).toContain(hostAddress);
    const { code, out, err } = await vm.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 300_000 });
    expect({ code, tail: code === 0 ? '' : out + err }).toEqual({ code: 0, tail: '' });
    await online();
    expect(await only()).toMatchObject({ hostname: 'vm-2', labels: { env: 'vm' }, state: 'active' });
  });

  it('confines the agent as tightly as systemd can measure', async () => {
    const { out } = await vm.run(['systemd-analyze', 'security', '--no-pager', 'vm-agent.service']);
    const score = /exposure level for vm-agent\.service: ([\d.]+)/.exec(out)?.[1];
    expect(Number(score)).toBeLessThanOrEqual(1.2);
  });

  it('lets commands run on it', async () => {
    const { code, out, err } = await command('uname -n; echo oops >&2; exit 4');
    expect({ code, out }).toEqual({ code: 4, out: 'vm-2\n' });
    expect(err).toContain('oops');
  });
});

describe('a command on a virtual machine', () => {
  beforeAll(async () => {
    // As an owner would: complete at each moment, and it holds from the next call on.
    const path = '/opt/vm-agent/config/policy.yaml';
    await vm.runOk(`cat >${path}.new && mv ${path}.new ${path}`, { input: POLICY });
  });

  it('ends as failed for want of memory when it passes its limit, and the agent stays', async () => {
    const before = await only();
    const { id } = await send('head -c 400M /dev/zero | tail', 120);
    expect(await orchestrator.ended(id, END_TIMEOUT_MS)).toMatchObject({ state: 'failed', reason: 'oom' });
    expect(await only()).toMatchObject({ online: true, connected_at: before?.connected_at });
    expect((await command('echo works')).out).toBe('works\n');
  });

  it('cannot start more processes than its limit, and ends with all of them in its time', async () => {
    const before = await only();
    // Doubles until it may not; what has doubled stays, can be found by its name, and does not end when it is asked to.
    const bomb = 'bomb() { bomb & bomb & exec sleep 98765; }';
    const { id } = await send(`trap "" TERM; ${bomb}; bomb & exec sleep 98765`, 20);
    const cgroup = await cgroupOf(id);
    const counted = await vm.waitFor('the bomb at its limit', async () => {
      const { code, out } = await vm.run(['cat', `${cgroup}/pids.events`, `${cgroup}/pids.current`]);
      const [, refused, tasks] = /^max (\d+)\n(\d+)\n$/.exec(out) ?? [];
      if (code !== 0 || refused === undefined || Number(refused) === 0) return undefined;
      return { refused: Number(refused), tasks: Number(tasks) };
    });
    expect(counted.tasks).toBeLessThanOrEqual(TASKS);
    expect(await orchestrator.ended(id, END_TIMEOUT_MS)).toMatchObject({ state: 'timed_out' });
    expect((await vm.run(['pgrep', '-c', '-f', 'sleep 98765'])).out).toBe('0\n');
    expect((await vm.run(['test', '-e', cgroup])).code).toBe(1);
    expect(await only()).toMatchObject({ online: true, connected_at: before?.connected_at });
  });

  it('is unknown after the power was cut while it ran, and does not run again', async () => {
    const before = await only();
    const { id } = await send('echo started >>/root/starts; sync; touch /run/started; sleep 3600', 3600);
    await vm.waitFor('its start', async () => (await vm.run(['test', '-e', '/run/started'])).code === 0);
    await vm.cutPower();
    await expect(vm.run(['true'])).rejects.toThrow('vm-2 is off');
    await vm.boot();
    // Gone with the memory, where what was flushed to the disk stays.
    expect((await vm.run(['test', '-e', '/run/started'])).code).toBe(1);
    await vm.waitFor(
      'the agent online again',
      async () => {
        const agent = await only();
        return agent?.online === true && agent.connected_at !== before?.connected_at;
      },
      ONLINE_TIMEOUT_MS,
    );
    expect(await orchestrator.ended(id, END_TIMEOUT_MS)).toMatchObject({
      state: 'unknown',
      reason: 'host_rebooted',
    });
    expect((await vm.run(['cat', '/root/starts'])).out).toBe('started\n');
    expect((await command('echo works')).out).toBe('works\n');
  });
});
