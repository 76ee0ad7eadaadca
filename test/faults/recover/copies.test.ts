import { execFile } from 'node:child_process';
import { cp, readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import { startAgent } from '../../fakes/agent-process.ts';
import { enrollAgent, ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { CLI } from '../../integration/support/installer.ts';
import { startMachine } from '../../integration/support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { agentOf, until } from '../support/sleepers.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(() => orchestrator?.stop());

const admit = (id: string) =>
  orchestrator.call<Agent>({ method: 'PATCH', path: `${ORG}/agents/${id}`, body: { state: 'active' } });
const quarantined = (id: string) =>
  until(async () => {
    const seen = await agentOf(orchestrator, id);
    return seen.state === 'quarantined' && seen;
  }, `the quarantine of ${id}`);
const online = (id: string) =>
  until(async () => (await agentOf(orchestrator, id)).online, `${id} to be online`);
async function run(vmId: string, command: string): Promise<string | undefined> {
  const job = await submitJob(orchestrator, { selector: `id=${vmId}`, arguments: { command } });
  const ended = await until(async () => {
    const [one] = (await readJob(orchestrator, job.id)).commands;
    return one !== undefined && ['succeeded', 'failed', 'unknown'].includes(one.state) && one;
  }, 'the end of a command');
  return ended.state;
}

describe('a machine that is there twice', () => {
  it('[return-4] is quarantined when a copy of its folder connects beside it, and gets nothing', async () => {
    await using vm = await startMachine(orchestrator);
    const copy = vm.join('copy');
    // Its pipes are of its processes, and none of its disk.
    const filter = (path: string) => !path.includes('/state/pipes');
    // A disk is copied as it is at one moment.
    vm.agent.signal('SIGSTOP');
    await cp(vm.join('agent'), copy, { recursive: true, filter });
    vm.agent.signal('SIGCONT');
    await using second = startAgent({ home: copy });
    const held = await quarantined(vm.vmId);
    expect(held.quarantine).toMatchObject({
      reason: 'two_machines',
      detail: expect.stringContaining('both answered at the same time'),
    });
    await until(async () => !(await agentOf(orchestrator, vm.vmId)).online, 'both to be cut off');
    const command = `echo ran >> ${vm.join('ran')}`;
    const body = { selector: `id=${vm.vmId}`, arguments: { command } };
    const refused = await orchestrator.call({ path: `${ORG}/jobs`, body });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'no_agents_match', hint: expect.stringContaining(`agents admit ${vm.vmId}`) },
    });
    await second.logged(({ msg }) => String(msg).includes('quarantine'));
    const args = [CLI, 'test-connection', '--home', copy];
    const env = { ...process.env, VM_AGENT_ORCHESTRATOR__URL: orchestrator.url };
    const tested = await promisify(execFile)(process.execPath, args, { env }).catch(
      (failed: { stdout: string }) => failed,
    );
    expect(tested.stdout).toContain('keeps this agent in quarantine');
    expect(tested.stdout).toContain(`vm-orchestrator agents show ${vm.vmId}`);
    expect(tested.stdout).not.toContain('firewall');
    second.signal('SIGKILL');
    await second.exited;
    await admit(vm.vmId);
    await online(vm.vmId);
    expect(await run(vm.vmId, command)).toBe('succeeded');
    expect(await readFile(vm.join('ran'), 'utf8')).toBe('ran\n');
  });

  it('[return-4] is not, when it restarts, or comes back while its old connection hangs', async () => {
    await using vm = await startMachine(orchestrator);
    vm.agent.signal('SIGKILL');
    await vm.agent.exited;
    await using again = startAgent({ home: vm.join('agent') });
    expect(await run(vm.vmId, 'true')).toBe('succeeded');
    expect(again.pid).toBeGreaterThan(0);
    // After a power cut nobody answers on the old socket, which is still open here.
    const machine = await enrollAgent(orchestrator);
    const before = machine.fake(orchestrator, { deaf: true });
    await before.connect({ boot_id: 'boot-1', process_id: 'one' });
    const after = machine.fake(orchestrator);
    await after.connect({ boot_id: 'boot-2', process_id: 'two' });
    expect(await agentOf(orchestrator, machine.vmId)).toMatchObject({ state: 'active', online: true });
    // A second connection of the same process is a renewal.
    const renewed = machine.fake(orchestrator);
    await renewed.connect({ boot_id: 'boot-2', process_id: 'two' });
    expect(await agentOf(orchestrator, machine.vmId)).toMatchObject({ state: 'active', online: true });
    for (const fake of [before, after, renewed]) await fake.drop();
  });
});

describe('a disk that is not what it was', () => {
  it('[return-5] is quarantined when it was rolled back, and never runs again what it had acknowledged', async () => {
    await using vm = await startMachine(orchestrator);
    const line = (text: string) => run(vm.vmId, `echo ${text} >> ${vm.join('ran')}`);
    expect(await line('one')).toBe('succeeded');
    vm.agent.signal('SIGTERM');
    await vm.agent.exited;
    const home = vm.join('agent');
    await cp(`${home}/state`, vm.join('snapshot'), { recursive: true });
    {
      await using later = startAgent({ home });
      expect(await line('two')).toBe('succeeded');
      later.signal('SIGTERM');
      await later.exited;
    }
    await rm(`${home}/state`, { recursive: true });
    await cp(vm.join('snapshot'), `${home}/state`, { recursive: true });
    await using rolledBack = startAgent({ home });
    expect((await quarantined(vm.vmId)).quarantine).toMatchObject({
      reason: 'rolled_back',
      detail: 'it had acknowledged command 2, and knows of none above 1',
    });
    const health = await until(async () => {
      const answer = await fetch(`http://127.0.0.1:${await rolledBack.port()}/health`);
      const { waiting_for } = (await answer.json()) as { waiting_for?: string };
      return waiting_for;
    }, 'what the agent says');
    expect(health).toContain(`vm-orchestrator agents admit ${vm.vmId}`);
    await admit(vm.vmId);
    await online(vm.vmId);
    expect(await line('three')).toBe('succeeded');
    expect(await readFile(vm.join('ran'), 'utf8')).toBe('one\ntwo\nthree\n');
  });

  it('[return-5] is quarantined as another machine, and known by its new hash once it is admitted', async () => {
    const machine = await enrollAgent(orchestrator);
    const first = machine.fake(orchestrator);
    await first.connect({ machine_hash: 'a'.repeat(64) });
    await first.drop();
    const moved = machine.fake(orchestrator);
    await moved.open();
    moved.sendRaw(JSON.stringify(moved.hello({ machine_hash: 'b'.repeat(64) })));
    expect((await quarantined(machine.vmId)).quarantine?.reason).toBe('machine_changed');
    await admit(machine.vmId);
    const after = machine.fake(orchestrator);
    await after.connect({ machine_hash: 'b'.repeat(64) });
    expect(await agentOf(orchestrator, machine.vmId)).toMatchObject({ state: 'active', online: true });
    await after.drop();
    // A container has no id of its own: that says nothing.
    const unknown = machine.fake(orchestrator);
    await unknown.connect({ machine_hash: 'unknown' });
    await unknown.drop();
    const old = machine.fake(orchestrator);
    await old.open();
    old.sendRaw(JSON.stringify(old.hello({ machine_hash: 'a'.repeat(64) })));
    await quarantined(machine.vmId);
  });
});
