// A host that gets another name, and a name that gets another machine: what is removed must not end what came instead.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentFleet } from '../../infra/index.ts';
import { installCommand } from '../../infra/remote/install.ts';
import { PACKAGE } from '../../scripts/lib/root.ts';
import { bootMachines, type Machines } from './support/machines.ts';
import { openStack, type TestStack } from './support/stack.ts';

const CONFIG = '/opt/vm-agent/config/agent_config.yaml';
let machines: Machines;
let stack: TestStack;
/** Hostnames of the machines, by the names that the program has for them. */
let hosts: Record<string, 'alpha' | 'beta'> = { 'web-10': 'alpha', 'db-10': 'beta' };

beforeAll(async () => {
  machines = await bootMachines(['alpha', 'beta']);
  stack = await openStack({ program });
});
afterAll(async () => {
  stack?.dispose();
  await machines?.dispose();
});

async function program() {
  const { orchestrator, key } = machines;
  const { url, apiToken, caPem } = orchestrator;
  const declared = Object.entries(hosts).map(([name, hostname]) => {
    const { machine, hostKey } = machines.get(hostname);
    const connection = { host: machine.address, privateKey: key.privateKey, hostKey };
    // One with labels and one without: they take different ways to a new identity.
    return [name, { connection, ...(name.startsWith('db') ? { labels: { role: 'db' } } : {}) }] as const;
  });
  const { status } = new AgentFleet('f', {
    orchestrator: { url, apiToken, caPem },
    hosts: Object.fromEntries(declared),
  });
  return { status };
}

/** `hostname name` of every agent that is not revoked and is online. */
const online = async () =>
  (await machines.orchestrator.agents())
    .filter((agent) => agent.online)
    .map(({ hostname, labels }) => `${hostname} ${labels['vm-agent.host']}`)
    .sort();
const all = async () => (await machines.orchestrator.agents()).length;

it('[fleet-10] a host that is renamed stays an agent, also where one name begins with the other', async () => {
  expect((await stack.up()).error).toBeUndefined();
  expect(await online()).toEqual(['alpha fleet-test.test.f-web-10', 'beta fleet-test.test.f-db-10']);

  hosts = { 'web-1': 'alpha', 'db-1': 'beta' };
  const renamed = await stack.up();
  expect(renamed.error).toBeUndefined();
  expect(renamed.touched).toContain('delete f-web-10-teardown');
  for (const machine of machines.all())
    expect((await machine.runOk('systemctl is-active vm-agent')).out).toBe('active\n');
  expect(await online()).toEqual(['alpha fleet-test.test.f-web-1', 'beta fleet-test.test.f-db-1']);
  expect(await all()).toBe(2);
  expect(await stack.up()).toMatchObject({ error: undefined, touched: [] });
});

it('a host that is removed leaves no label which would make a later agent that host', async () => {
  hosts = { 'web-1': 'alpha' };
  expect((await stack.up()).error).toBeUndefined();
  const kept = (await machines.get('beta').machine.runOk(`cat ${CONFIG}`)).out;
  expect(kept).toContain('agent:');
  expect(kept).not.toContain('vm-agent.host');
  expect(kept).not.toContain('vm-agent.deployment');
});

it('a name that gets another machine is installed there with a token of its own, and the former agent is revoked', async () => {
  hosts = { 'web-1': 'beta' };
  const moved = await stack.up();
  expect(moved.error).toBeUndefined();
  expect(await online()).toEqual(['beta fleet-test.test.f-web-1']);
  expect(await all()).toBe(1);
  expect(await stack.up()).toMatchObject({ error: undefined, touched: [] });
});

it('an installation without a token says so, and does nothing', async () => {
  const { orchestrator } = machines;
  const host = { host: 'x', deployment: 'x', version: PACKAGE.version, labelled: false };
  const command = installCommand({ url: orchestrator.url, ca: orchestrator.caPem, ...host });
  const { code, err } = await machines.get('beta').machine.run(`(${command}) </dev/null`);
  expect(code).toBe(14);
  expect(err).toContain('no provisioning token came on stdin');
  expect(await online()).toEqual(['beta fleet-test.test.f-web-1']);
});
