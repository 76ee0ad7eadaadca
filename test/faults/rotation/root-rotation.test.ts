// A whole rotation of the root while commands flow: agents that are connected, that come back in the middle of it, that
// come back when it is over, and that know nothing of rotations at all.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { diskLayout, securityEntry, trustEntries } from '../../../protocol/disk-layout.ts';
import type { JobId } from '../../../protocol/ids.ts';
import type { CaStatus } from '../../../protocol/rest-ca.ts';
import { caPinsFileSchema } from '../../../protocol/trust-files.ts';
import { enrollHome } from '../../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../../integration/support/enroll.ts';
import { enrollAgent, ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import {
  type OrchestratorProcess,
  operatorEnv,
  runOrchestratorCli,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';

const AGENTS = 50;
/** Daemons of this version, each a process; the others are light ones of a version that knows of no rotation. */
const REAL = size({ short: 3, full: 50 });
/** Away from before the start: this many come back after the activation, and as many after the end. */
const AWAY = size({ short: 1, full: 5 });
const LIGHT_AWAY = REAL === AGENTS ? 0 : 4;

interface Machine {
  home: string;
  vmId: string;
  process: AgentProcess | undefined;
}
interface Light {
  fake: FakeAgent;
  vmId: string;
}

let orchestrator: OrchestratorProcess;
let temp: TempHome;
let log: string;
const machines: Machine[] = [];
const lights: Light[] = [];
const jobs: JobId[] = [];
/** Job descriptions that a light agent executed, by vm_id. */
const done = new Map<string, string[]>();

const status = async (): Promise<CaStatus> =>
  (await orchestrator.call<CaStatus>({ path: '/api/v1/ca' })).body;
const rotate = (action: string, more = {}) =>
  orchestrator.call<CaStatus & { detail: string; code: string }>({
    path: '/api/v1/ca/rotation',
    body: { action, ...more },
  });
const online = async (vmId: string) =>
  (await orchestrator.call<{ online: boolean }>({ path: `${ORG}/agents/${vmId}` })).body.online;

/** One command to every agent. */
async function send(): Promise<JobId> {
  const name = `job-${jobs.length}`;
  const job = await submitJob(orchestrator, {
    arguments: { command: `echo ${name} >> ${log}` },
    description: name,
  });
  jobs.push(job.id);
  return job.id;
}

const start = (machine: Machine) => {
  machine.process = startAgent({ home: machine.home });
};
async function stop(machine: Machine): Promise<void> {
  machine.process?.signal('SIGTERM');
  await machine.process?.exited;
  machine.process = undefined;
}

/** Asks until it holds; each answer comes over the network. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + size({ short: 60_000, full: 300_000 });
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what} did not come`);
    await systemClock.sleep(100);
  }
}
const allFinal = async (job: JobId, vmIds: readonly string[]) =>
  (await readJob(orchestrator, job)).commands
    .filter(({ vm_id }) => vmIds.includes(vm_id))
    .every(({ state }) => state === 'succeeded');

const confirmed = async (vmIds: readonly string[]) => {
  const { unconfirmed } = (await status()).agents;
  return vmIds.every((vmId) => !unconfirmed.some(({ vm_id }) => vm_id === vmId));
};

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  temp = await createTempHome();
  log = temp.join('executed');
  for (let i = 0; i < REAL; i++) {
    const { token } = await createToken(orchestrator);
    const home = temp.join(`agent-${i}`);
    const vmId = await enrollHome({ home, url: orchestrator.url, token, hostname: `real-${i}` });
    machines.push({ home, vmId, process: undefined });
  }
  for (let i = REAL; i < AGENTS; i++) {
    const enrolled = await enrollAgent(orchestrator);
    const executed: string[] = [];
    done.set(enrolled.vmId, executed);
    const fake = enrolled.fake(orchestrator, {
      autoRun: (payload) => {
        executed.push(String(payload.arguments['command']).split(' ')[1] ?? '');
        return {};
      },
    });
    await fake.connect();
    lights.push({ fake, vmId: enrolled.vmId });
  }
  for (const machine of machines) start(machine);
  await until(async () => {
    for (const { vmId } of machines) if (!(await online(vmId))) return false;
    return true;
  }, 'the connection of all daemons');
});
afterAll(async () => {
  for (const machine of machines) await machine.process?.[Symbol.asyncDispose]();
  for (const { fake } of lights) await fake.drop();
  await orchestrator?.stop();
  await temp?.remove();
});

const idsOf = (list: readonly { vmId: string }[]) => list.map(({ vmId }) => vmId);

describe('a rotation of the root', () => {
  it(`[cert-38] loses none of ${AGENTS} agents, ${2 * (AWAY + LIGHT_AWAY)} of them away for a part of it, and no command`, async () => {
    const stay = machines.slice(2 * AWAY);
    const back = machines.slice(0, AWAY);
    const late = machines.slice(AWAY, 2 * AWAY);
    const lightBack = lights.slice(0, LIGHT_AWAY);
    const lightLate = lights.slice(LIGHT_AWAY, 2 * LIGHT_AWAY);
    const steady = [...idsOf(stay), ...idsOf(lights.slice(2 * LIGHT_AWAY))];
    const before = await status();
    const [first] = before.roots;
    expect(before).toMatchObject({ stage: 'none', roots: [{ state: 'active' }, { state: 'backup' }] });
    const oldTokens = [await createToken(orchestrator), await createToken(orchestrator)];

    // A daemon that is stopped ends what runs on it; that is not what is asked here.
    for (const machine of [...back, ...late]) await stop(machine);
    for (const { fake } of [...lightBack, ...lightLate]) await fake.drop();

    // The whole time one job follows another; each has reached all that stayed before the next is sent.
    let flowing = true;
    const flow = (async () => {
      while (flowing) {
        const job = await send();
        await until(() => allFinal(job, steady), 'the end of a job');
      }
    })();
    flow.catch(() => undefined);
    expect((await rotate('start')).status).toBe(200);
    await until(() => confirmed(idsOf(stay)), 'the next root at all who stayed');
    expect((await rotate('start')).status).toBe(409);
    expect((await rotate('finish')).status).toBe(409);

    const activated = await rotate('activate');
    expect(activated.body.stage).toBe('activated');
    // An agent of before is dropped by the network in the middle, and comes back through the cross-signed root.
    await lights.at(-1)?.fake.drop();
    await lights.at(-1)?.fake.connect();
    for (const machine of back) start(machine);
    for (const { fake } of lightBack) await fake.connect();
    await until(() => confirmed(idsOf([...stay, ...back])), 'a certificate under the new root for all');

    // A machine with a token of before, and one with a token of now.
    for (const [name, token] of [
      ['old', oldTokens[0]?.token ?? ''],
      ['new', (await createToken(orchestrator)).token],
    ] as const) {
      const machine = { home: temp.join(name), vmId: '', process: undefined };
      machine.vmId = await enrollHome({ home: machine.home, url: orchestrator.url, token, hostname: name });
      start(machine);
      machines.push(machine);
      await until(() => confirmed([machine.vmId]), `the confirmation of the ${name} one`);
    }

    const refused = await rotate('finish');
    expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(refused.body.detail).toContain(late[0]?.vmId ?? 'nobody');
    expect((await rotate('finish', { force: true })).body).toMatchObject({
      stage: 'none',
      roots: [{ state: 'retired' }, { state: 'backup' }, { state: 'active' }],
    });
    await expect(
      enrollHome({ home: temp.join('too-late'), url: orchestrator.url, token: oldTokens[1]?.token ?? '' }),
    ).rejects.toMatchObject({ code: 'ca_mismatch' });

    for (const machine of late) start(machine);
    for (const { fake } of lightLate) await fake.connect();
    await until(() => confirmed(idsOf([...stay, ...back, ...late])), 'those who came when it was over');
    flowing = false;
    await flow;

    // Each command was executed once, on each agent that was there when it was given.
    const everybody = [...idsOf([...stay, ...back, ...late]), ...idsOf(lights)];
    for (const job of jobs) await until(() => allFinal(job, everybody), 'the end of what waited');
    const lines = (await readFile(log, 'utf8')).trim().split('\n');
    for (const [number, job] of jobs.entries()) {
      const { commands } = await readJob(orchestrator, job);
      const isLight = (vmId: string) => done.has(vmId);
      const real = commands.filter(({ vm_id }) => !isLight(vm_id)).length;
      expect(lines.filter((line) => line === `job-${number}`)).toHaveLength(real);
      for (const { vm_id } of commands)
        if (isLight(vm_id)) expect(done.get(vm_id)?.filter((one) => one === `job-${number}`)).toHaveLength(1);
    }

    // What lies on each machine holds by itself, and names the new root and the backup alone.
    const end = await status();
    const trusted = end.roots.filter(({ state }) => state === 'active' || state === 'backup');
    for (const { home } of machines) {
      const layout = diskLayout(home);
      const pins = caPinsFileSchema.parse(
        JSON.parse(await readFile(trustEntries(layout).caPins.path, 'utf8')),
      );
      expect([...pins.roots].sort()).toEqual(trusted.map(({ fingerprint }) => fingerprint).sort());
      expect(pins.bundle_version).toBe(end.bundle_version);
      const file = (name: 'ca' | 'certificate') => securityEntry(layout, name).path;
      const verified = await promisify(execFile)('openssl', [
        'verify',
        '-CAfile',
        file('ca'),
        file('certificate'),
      ]);
      expect(verified.stdout).toContain(': OK');
    }
    expect(end.roots.find(({ fingerprint }) => fingerprint === first?.fingerprint)?.state).toBe('retired');
    process.stderr.write(
      `rotation: ${machines.length} daemons and ${lights.length} light agents, ${jobs.length} jobs, ${lines.length + [...done.values()].flat().length} commands executed\n`,
    );
  });

  it('[cert-39] to the backup root needs no key of the root, and is done on the command line', async () => {
    const env = operatorEnv(orchestrator);
    const cli = (...args: string[]) => runOrchestratorCli(args, env);
    const key = temp.join('backup.pem');
    const data = ['--data', orchestrator.dataDir, '--file', key];
    const exported = await cli('ca', 'backup-key', 'export', ...data);
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('is in the file alone') });
    expect((await status()).roots.find(({ state }) => state === 'backup')?.key_here).toBe(false);
    expect(await cli('ca', 'rotate', '--start', '--backup', '--yes')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('backup-key import'),
    });
    // The key of the root is lost.
    const { openOwnCa } = await import('../support/own-certificates.ts');
    const store = await openOwnCa(orchestrator.dataDir);
    await store.store.db
      .updateTable('certificate_authorities')
      .set({ sealed_key: null })
      .where('kind', '=', 'root')
      .where('state', '=', 'active')
      .execute();
    await store.close();
    expect(await cli('ca', 'rotate', '--start', '--yes')).toMatchObject({ code: 4 });
    expect(await cli('ca', 'backup-key', 'import', ...data)).toMatchObject({ code: 0 });
    expect(await cli('ca', 'rotate', '--start', '--backup', '--yes')).toMatchObject({ code: 0 });
    expect(await cli('ca', 'rotate', '--activate', '--yes')).toMatchObject({ code: 0 });
    const ids = idsOf(machines);
    await until(() => confirmed(ids), 'the backup root at all daemons');
    const last = await cli('ca', 'rotate', '--finish', '--force', '--yes', '--json');
    expect(last.code).toBe(0);
    const job = await send();
    await until(() => allFinal(job, [...ids, ...idsOf(lights)]), 'a command after it');
    const issuingOf = async (organization: string | null) =>
      (await status()).issuing.find((one) => one.current && one.organization === organization)?.fingerprint;
    const [own, ofAgents] = [await issuingOf(null), await issuingOf('default')];
    expect(await cli('ca', 'rotate', '--issuing', '--orchestrator', '--yes')).toMatchObject({ code: 0 });
    expect([(await issuingOf(null)) === own, (await issuingOf('default')) === ofAgents]).toEqual([
      false,
      true,
    ]);
    expect(await cli('ca', 'rotate', '--issuing', '--org', 'default', '--yes')).toMatchObject({ code: 0 });
    expect((await issuingOf('default')) === ofAgents).toBe(false);
    await until(() => confirmed(ids), 'certificates of the new issuing one');
    const shown = await cli('ca', 'show');
    expect(shown.stdout).toContain('no rotation of the root is under way');
    expect((await status()).roots.map(({ state }) => state)).toEqual([
      'retired',
      'active',
      'retired',
      'backup',
    ]);
  });
});
