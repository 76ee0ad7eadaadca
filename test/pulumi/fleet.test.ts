// A fleet of five booted machines by Pulumi's real engine, over SSH with checked host keys. The tests are one story:
// each begins where the one before ended.
import { secret } from '@pulumi/pulumi';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentFleet } from '../../infra/index.ts';
import { PACKAGE } from '../../scripts/lib/root.ts';
import { traces } from '../host/support/traces.ts';
import { providePulumi } from './engine/engine.ts';
import { bootMachines, type Machines } from './support/machines.ts';
import { openStack, type Run, type TestStack } from './support/stack.ts';

const ALL = ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'] as const;
const WAVES = ['1', '3', '100%'];

/** What the program of the next run says. */
const wanted = {
  hosts: [...ALL] as string[],
  version: PACKAGE.version,
  maxFailures: 0,
  dialErrorLimit: 1,
  /** A host of which another key is expected than it has. */
  stranger: '',
};
let machines: Machines;
let stack: TestStack;

beforeAll(async () => {
  await providePulumi();
  machines = await bootMachines(ALL);
  // One host lets in no root but somebody who may become it.
  await machineOf('web-5').runOk(`useradd --create-home --shell /bin/bash deploy
    mv /root/.ssh /home/deploy/ && chown -R deploy: /home/deploy/.ssh
    echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy`);
  stack = await openStack({ program: async () => program() });
});
afterAll(async () => {
  stack?.dispose();
  await machines?.dispose();
});

function program() {
  const { orchestrator, key } = machines;
  const hosts = wanted.hosts.map((name) => {
    const { machine, hostKey } = machines.get(name);
    const connection = {
      host: machine.address,
      ...(name === 'web-5' ? { user: 'deploy' } : {}),
      hostKey: wanted.stranger === name ? key.publicKey : hostKey,
      privateKey: key.privateKey,
      dialErrorLimit: wanted.dialErrorLimit,
    };
    return [name, { connection, labels: { role: 'web' } }] as const;
  });
  const fleet = new AgentFleet('fleet', {
    orchestrator: {
      url: orchestrator.url,
      apiToken: secret(orchestrator.apiToken),
      caPem: orchestrator.caPem,
    },
    hosts: Object.fromEntries(hosts),
    version: wanted.version,
    waves: WAVES,
    maxFailures: wanted.maxFailures,
    purgeOnDelete: true,
  });
  return { agentIds: fleet.agentIds, status: fleet.status };
}

/** Hosts that a run did something to. */
const hostsOf = (run: Run): string[] =>
  ALL.filter((name) => run.touched.some((step) => new RegExp(`\\b${name}\\b`).test(step)));
/** Hosts that were installed, with a bar where a gate was passed. */
const rolloutOf = ({ order }: Run): string =>
  order
    .flatMap((step) => {
      const [, host] = /^begin update fleet-(web-\d)-install$/.exec(step) ?? [];
      return host ?? (/^end \w+ fleet-gate-\d$/.test(step) ? '|' : []);
    })
    .join(' ')
    .split('|')
    .map((wave) => wave.trim().split(' ').sort().join(' '))
    .join(' | ');
const machineOf = (name: string) => machines.get(name).machine;
const agents = async () =>
  (await machines.orchestrator.agents()).toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1));
const online = async () =>
  (await agents()).filter((agent) => agent.online).map(({ hostname, version }) => `${hostname} ${version}`);
/** The process that is the agent, which a restart changes. */
const pidOf = async (name: string) =>
  (await machineOf(name).runOk('systemctl show --property MainPID vm-agent')).out.trim();
const tokens = async () =>
  (await machines.orchestrator.api<{ items: { id: string }[] }>('GET', 'provisioning-tokens')).items.length;

it('[fleet-1] enrolls five hosts, and a second run changes nothing', async () => {
  const first = await stack.up();
  expect(first.error).toBeUndefined();
  expect(hostsOf(first)).toEqual(ALL);
  expect(await online()).toEqual(ALL.map((name) => `${name} ${PACKAGE.version}`));
  expect((await agents()).map(({ labels }) => labels['role'])).toEqual(ALL.map(() => 'web'));
  expect(await stack.up()).toMatchObject({ error: undefined, touched: [] });
});

it('[fleet-2] does nothing to a host of which only the connection changes', async () => {
  const before = [await Promise.all(ALL.map(pidOf)), await tokens()];
  wanted.dialErrorLimit = 2;
  const run = await stack.up();
  expect(run.error).toBeUndefined();
  expect(hostsOf(run)).toEqual(ALL);
  expect([await Promise.all(ALL.map(pidOf)), await tokens()]).toEqual(before);
  expect((await stack.preview()).touched).toEqual([]);
});

it('[fleet-3] brings a new version in waves, and commands that run meanwhile do not notice', async () => {
  const command = machines.orchestrator.cli(
    [
      'run',
      '--selector',
      'role=web',
      '--',
      'touch /run/long; while [ -e /run/long ]; do sleep 0.2; done; echo survived',
    ],
    280_000,
  );
  await Promise.all(
    ALL.map((name) => machineOf(name).waitFor('the command', () => machineOf(name).exists('/run/long'))),
  );
  const before = (await agents()).map(({ agent_id }) => agent_id);
  await machines.releases.offer('0.2.0');
  wanted.version = '0.2.0';
  const run = await stack.up();
  expect(run.error).toBeUndefined();
  expect(rolloutOf(run)).toBe('web-1 | web-2 web-3 | web-4 web-5 | ');
  expect(await online()).toEqual(ALL.map((name) => `${name} 0.2.0`));
  expect((await agents()).map(({ agent_id }) => agent_id)).toEqual(before);
  await Promise.all(ALL.map((name) => machineOf(name).runOk('rm /run/long')));
  const { code, out } = await command;
  expect(code).toBe(0);
  expect(out.match(/survived/g)).toHaveLength(ALL.length);
  expect((await stack.preview()).touched).toEqual([]);
});

it('[fleet-4] leaves later waves alone when more hosts fail than may, and a broken host fails alone', async () => {
  const versions = '/opt/vm-agent/versions';
  await machineOf('web-2').runOk(
    `mount --bind ${versions} ${versions} && mount -o remount,bind,ro ${versions}`,
  );
  await machines.releases.offer('0.3.0');
  wanted.version = '0.3.0';
  const stopped = await stack.up({ continueOnError: true });
  expect(stopped.error).toContain('Wave 2 is not well: web-2');
  expect(await online()).toEqual(['web-1 0.3.0', 'web-2 0.2.0', 'web-3 0.3.0', 'web-4 0.2.0', 'web-5 0.2.0']);
  wanted.maxFailures = 1;
  const without = await stack.up({ continueOnError: true });
  expect(without.error).toContain('fleet-web-2-install');
  expect(await online()).toEqual(['web-1 0.3.0', 'web-2 0.2.0', 'web-3 0.3.0', 'web-4 0.3.0', 'web-5 0.3.0']);
  await machineOf('web-2').runOk(`umount --lazy ${versions}`);
  const repaired = await stack.up();
  expect(repaired.error).toBeUndefined();
  expect(hostsOf(repaired)).toEqual(['web-2']);
  expect(await online()).toEqual(ALL.map((name) => `${name} 0.3.0`));
});

it('[fleet-5] sees an agent that was switched off in a preview, and repairs that host alone', async () => {
  const before = await Promise.all(ALL.map(pidOf));
  await machineOf('web-3').runOk('systemctl disable --now vm-agent');
  await machineOf('web-3').waitFor('the end of its connection', async () => (await online()).length === 4);
  expect(hostsOf(await stack.preview())).toEqual(['web-3']);
  const run = await stack.up();
  expect(run.error).toBeUndefined();
  expect(hostsOf(run)).toEqual(['web-3']);
  expect(await online()).toEqual(ALL.map((name) => `${name} 0.3.0`));
  expect((await machineOf('web-3').run('systemctl is-enabled vm-agent')).out).toBe('enabled\n');
  const after = await Promise.all(ALL.map(pidOf));
  expect(ALL.filter((_, index) => before[index] !== after[index])).toEqual(['web-3']);
  expect(await stack.up()).toMatchObject({ error: undefined, touched: [] });
});

it('[fleet-6] takes the agent off a host that is removed and puts it on one that is added, if that has its key, and touches no other', async () => {
  wanted.hosts = ALL.slice(0, 4);
  const removed = await stack.up();
  expect(removed.error).toBeUndefined();
  expect(hostsOf(removed)).toEqual(['web-5']);
  expect(await traces(machineOf('web-5'))).toBe('');
  expect((await agents()).map(({ hostname }) => hostname)).toEqual(wanted.hosts);
  wanted.hosts = [...ALL];
  wanted.stranger = 'web-5';
  expect((await stack.up()).error).toContain('host key mismatch');
  expect(await traces(machineOf('web-5'))).toBe('');
  wanted.stranger = '';
  const added = await stack.up();
  expect(added.error).toBeUndefined();
  expect(hostsOf(added)).toEqual(['web-5']);
  expect(await online()).toEqual(ALL.map((name) => `${name} 0.3.0`));
});

it('[fleet-9] takes no agent off its host while the orchestrator cannot be reached', async () => {
  await machines.orchestrator.stop();
  try {
    expect((await stack.preview()).error).toContain('cannot be reached');
    for (const continueOnError of [false, true]) {
      const run = await stack.up({ continueOnError });
      expect(run.error).toContain('cannot be reached');
      expect(run.touched.filter((step) => step.startsWith('delete'))).toEqual([]);
    }
  } finally {
    await machines.orchestrator.start();
  }
  await machineOf('web-1').waitFor('the agents', async () => (await online()).length === ALL.length, 60_000);
  const after = await stack.up();
  expect(after.error).toBeUndefined();
  expect(await online()).toEqual(ALL.map((name) => `${name} 0.3.0`));
});

it('[fleet-7] takes everything off the hosts and revokes every agent on destroy', async () => {
  expect((await stack.destroy()).error).toBeUndefined();
  for (const name of ALL) expect({ name, left: await traces(machineOf(name)) }).toEqual({ name, left: '' });
  expect(await agents()).toEqual([]);
});

it('[fleet-8] has put no token and no key into state, logs or output, in all that', async () => {
  const { apiToken } = machines.orchestrator;
  const key = machines.key.privateKey.split('\n')[2] ?? '';
  for (const secretText of [apiToken, key, /prov_[A-Za-z0-9]+_[A-Za-z0-9]+/]) {
    expect(stack.said).not.toMatch(secretText);
    expect(stack.filesWith(secretText)).toEqual([]);
  }
  expect(stack.filesWith('ciphertext')).not.toEqual([]);
});
