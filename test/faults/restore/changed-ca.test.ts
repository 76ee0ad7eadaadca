// The CA changed after the backup: what agents trust and show then, the restored store does not know.
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import type { CaStatus } from '../../../protocol/rest-ca.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { type Machine, startMachine } from '../../integration/support/machine.ts';
import {
  type OrchestratorProcess,
  operate,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import { isFull } from '../support/size.ts';

let temp: TempHome;
let orchestrator: OrchestratorProcess;
const machines: Machine[] = [];
let backups = 0;

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > end)
      throw new Error(
        `${what} did not come\n${orchestrator.log().slice(-3000)}\n${machines
          .map(({ agent }) =>
            agent.log
              .slice(-8)
              .map((line) => JSON.stringify(line).slice(0, 400))
              .join('\n'),
          )
          .join('\n\n')}`,
      );
    await systemClock.sleep(100);
  }
}
const command = (...args: string[]) => operate(orchestrator, args);
const agent = async ({ vmId }: Machine) =>
  (
    await orchestrator.call<{
      online: boolean;
      state: string;
      quarantine: { reason: string; detail: string } | null;
    }>({
      path: `${ORG}/agents/${vmId}`,
    })
  ).body;
/** Every agent has confirmed the present roots and has a certificate of the issuer that is current. */
const allFollow = async () => {
  const { agents, issuing } = (await command('ca', 'show')) as CaStatus;
  const current = issuing.find(({ organization, current }) => organization === 'default' && current);
  return agents.unconfirmed.length === 0 && current?.agents === machines.length;
};
async function backup(): Promise<string> {
  backups += 1;
  const file = temp.join(`${backups}.tar`);
  await command('backup', '--data', orchestrator.dataDir, '--to', file, '--with-master-key');
  return file;
}
/** Puts the backup in the place of what runs, which is killed. */
async function restore(file: string): Promise<void> {
  const { credentials, url, dataDir } = orchestrator;
  await orchestrator.kill();
  await rm(dataDir, { recursive: true });
  await command('restore', '--from', file, '--data', dataDir, '--admit-known-agents');
  orchestrator = await startOrchestrator({ dataDir, credentials, listen: new URL(url).host });
}
const inQuarantine = async () =>
  (await Promise.all(machines.map(agent))).every(
    ({ state, quarantine }) => state === 'quarantined' && quarantine?.reason === 'certificate_unknown',
  );
async function admitAndRun(word: string): Promise<void> {
  await command('agents', 'admit', '--selector', 'all', '--reason', 'certificate_unknown');
  await until(
    async () => (await Promise.all(machines.map(agent))).every(({ online }) => online),
    'the return of all agents',
  );
  const { id } = await submitJob(orchestrator, { arguments: { command: `echo ${word}` } });
  await until(
    async () => (await readJob(orchestrator, id)).commands.every(({ state }) => state === 'succeeded'),
    'the end of a command on every machine',
  );
}

beforeAll(async () => {
  temp = await createTempHome();
  orchestrator = await startOrchestrator();
  machines.push(await startMachine(orchestrator));
}, 60_000);
afterAll(async () => {
  for (const machine of machines) await machine[Symbol.asyncDispose]();
  await orchestrator?.stop();
  await temp?.remove();
});

describe('[cert-41] a backup of before a change of the CA', () => {
  it('brings back agents whose certificates are of an issuing certificate that is lost, when they are admitted', async () => {
    const file = await backup();
    await command('ca', 'rotate', '--issuing');
    machines.push(await startMachine(orchestrator));
    await until(allFollow, 'the renewal of all agents');
    await restore(file);
    // Also the one that the backup knows: who issued its certificate is not known here, so a person decides.
    await until(inQuarantine, 'the quarantine of both agents');
    expect((await agent(machines[0] as Machine)).quarantine?.detail).toMatch(/so is what issued it/);
    await admitAndRun('issuing');
    await until(allFollow, 'certificates of the issuer that came back');
  }, 120_000);

  // Agents try again more and more seldom, and by then have been refused for a while: a minute.
  it.runIf(isFull)(
    'brings back agents that trust a later root, by the backup root',
    async () => {
      const file = await backup();
      for (const step of ['--start', '--activate']) {
        await command('ca', 'rotate', step);
        await until(allFollow, `that all agents follow after ${step}`);
      }
      await command('ca', 'rotate', '--finish');
      await until(allFollow, 'that all agents follow to the end');
      await restore(file);
      await command('ca', 'rotate', '--start', '--backup');
      await command('ca', 'rotate', '--activate');
      await until(inQuarantine, 'the quarantine of both agents');
      await admitAndRun('root');
      await until(allFollow, 'that all agents follow to the backup root');
      await command('ca', 'rotate', '--finish');
      await until(allFollow, 'that all agents trust what came back');
    },
    180_000,
  );
});
