import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditReport } from '../../../protocol/audit-log.ts';
import { diskLayout, witnessFile } from '../../../protocol/disk-layout.ts';
import type { JobId } from '../../../protocol/ids.ts';
import { auditListSchema } from '../../../protocol/rest-audit.ts';
import { overviewSchema } from '../../../protocol/rest-overview.ts';
import { startAgent } from '../../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { enroll } from '../../integration/support/enroll.ts';
import { ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { type Machine, startMachine, untilOnline } from '../../integration/support/machine.ts';
import {
  type OrchestratorProcess,
  operate,
  runOrchestratorCli,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';

/**
 * An orchestrator is put back to a backup while its fleet went on: real processes all of them. `before` is known to
 * the backup, `sleeper` was offline when it was made, `after` enrolled later.
 */
const LATER = size({ short: 20, full: 200 });

let temp: TempHome;
let orchestrator: OrchestratorProcess;
let before: Machine;
let sleeper: Machine;
let after: Machine;
let backupFile: string;
let passphraseFile: string;
let token: string;
let held: JobId;
let lostJob: JobId;
let report: { organizations: { organization: string; epoch: number }[] };

const until = async <T>(read: () => Promise<T>, good: (value: T) => boolean): Promise<T> => {
  for (;;) {
    const value = await read();
    if (good(value)) return value;
  }
};
const ended = (jobId: JobId) =>
  until(
    () => readJob(orchestrator, jobId),
    ({ commands }) => commands.every(({ ended_at }) => ended_at !== null),
  );
/** Lines that commands left on a machine: each line is one execution. */
const ran = async (machine: Machine): Promise<string[]> =>
  (await readFile(machine.join('ran'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
const append = (machine: Machine, word: string) => ({
  selector: `id=${machine.vmId}`,
  arguments: { command: `echo ${word} >> ${machine.join('ran')}` },
});
const events = async (action: string) =>
  auditListSchema.parse((await orchestrator.call({ path: `${ORG}/audit?action=${action}` })).body).items;
const overview = async () =>
  overviewSchema.parse((await orchestrator.call({ path: `${ORG}/overview` })).body);
/** The CLI as an operator calls it. */
const operator = (...args: string[]) => operate(orchestrator, args);

beforeAll(async () => {
  temp = await createTempHome();
  passphraseFile = temp.join('passphrase');
  await writeFile(passphraseFile, 'correct horse battery staple\n');
  orchestrator = await startOrchestrator();
  before = await startMachine(orchestrator);
  sleeper = await startMachine(orchestrator);
  await ended((await submitJob(orchestrator, append(before, 'first'))).id);
  await sleeper.agent[Symbol.asyncDispose]();
  await until(
    async () =>
      (await orchestrator.call<{ online: boolean }>({ path: `${ORG}/agents/${sleeper.vmId}` })).body,
    ({ online }) => !online,
  );
  held = (await submitJob(orchestrator, append(sleeper, 'waited'))).id;
  token = (
    await orchestrator.call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: { uses: 5 } })
  ).body.token;

  const made = await runOrchestratorCli([
    'backup',
    '--data',
    orchestrator.dataDir,
    '--to',
    temp.path,
    '--passphrase-file',
    passphraseFile,
    '--json',
  ]);
  expect([made.code, made.stderr]).toEqual([0, '']);
  backupFile = JSON.parse(made.stdout).file;

  // What the backup does not know.
  after = await startMachine(orchestrator);
  for (let count = 0; count < LATER; count++)
    await ended((await submitJob(orchestrator, append(before, `later-${count}`))).id);
  sleeper.agent = startAgent({ home: sleeper.join('agent') });
  await ended(held);
  // It runs when the orchestrator goes, and ends before it is back.
  lostJob = (
    await submitJob(orchestrator, {
      selector: `id=${before.vmId}`,
      arguments: {
        command: `touch ${before.join('began')}; while [ ! -e ${before.join('go')} ]; do sleep 0.05; done; echo lost >> ${before.join('ran')}`,
      },
    })
  ).id;
  await until(
    () => readJob(orchestrator, lostJob),
    ({ commands }) => commands[0]?.state === 'running',
  );
  const verified = await runOrchestratorCli(['backup', 'verify', backupFile]);
  expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('whole')]);
  const data = temp.join('data');
  const restored = await runOrchestratorCli([
    'restore',
    '--from',
    backupFile,
    '--data',
    data,
    '--passphrase-file',
    passphraseFile,
    '--json',
  ]);
  expect([restored.code, restored.stderr]).toEqual([0, '']);
  report = JSON.parse(restored.stdout);
  const { credentials, url, dataDir } = orchestrator;
  await orchestrator.kill();
  await rm(dataDir, { recursive: true });
  await writeFile(before.join('go'), '');
  await until(
    () => ran(before),
    (lines) => lines.includes('lost'),
  );
  orchestrator = await startOrchestrator({ dataDir: data, credentials, listen: new URL(url).host });
  for (const machine of [before, sleeper]) await untilOnline(orchestrator, machine.vmId);
}, 120_000);

afterAll(async () => {
  for (const machine of [before, sleeper, after]) await machine?.[Symbol.asyncDispose]();
  await orchestrator?.kill();
  await temp?.remove();
});

describe('[fault-1] an orchestrator that is put back to an older backup', () => {
  it('begins a new epoch, and says what waits for somebody', async () => {
    expect(report.organizations).toMatchObject([
      { organization: 'default', commands_held: 1, tokens_revoked: 1 },
    ]);
    const { restore } = await overview();
    expect(restore).toMatchObject({ source: 'backup', held: { commands: 1, jobs: [{ id: held }] } });
    expect(restore?.epoch).toBe(report.organizations[0]?.epoch);
    expect(await events('orchestrator.restored')).toHaveLength(1);
  });

  it('ends provisioning tokens that nobody had used', async () => {
    const machine = enroll(orchestrator, { provisioning_token: token });
    await expect(machine).rejects.toThrow(/token_revoked/);
  });

  it('runs new commands once, though their numbers were given before, and none of the old ones again', async () => {
    const old = await ran(before);
    expect(old).toHaveLength(LATER + 2);
    for (let count = 0; count < LATER; count++) {
      const { commands } = await ended((await submitJob(orchestrator, append(before, `new-${count}`))).id);
      expect(commands[0]?.state).toBe('succeeded');
    }
    const now = await ran(before);
    expect(now.slice(0, old.length)).toEqual(old);
    expect(now.slice(old.length)).toEqual(Array.from({ length: LATER }, (_, count) => `new-${count}`));
  });

  it('keeps results of commands that the backup does not know, in the audit log', async () => {
    const [lost] = await until(
      () => events('command.result_lost'),
      ({ length }) => length > 0,
    );
    expect(lost).toMatchObject({
      actor: { name: before.vmId },
      detail: { state: 'succeeded', exit_code: 0 },
    });
    expect((await overview()).restore?.lost_results).toBe(1);
  });

  it('holds what waited until somebody releases it, and a machine that had done it does not do it again', async () => {
    const job = await readJob(orchestrator, held);
    expect(job.commands[0]).toMatchObject({ state: 'held', reason: 'restored' });
    expect(await ran(sleeper)).toEqual(['waited']);
    const { items } = await operator('jobs', 'release', '--all-held');
    expect(items).toHaveLength(1);
    expect((await ended(held)).commands[0]?.state).toBe('succeeded');
    expect(await ran(sleeper)).toEqual(['waited']);
  });

  it('knows an agent that enrolled after the backup again, and lets it work when it is admitted', async () => {
    const path = `${ORG}/agents/${after.vmId}`;
    const found = await until(
      () => orchestrator.call<{ state: string; quarantine: { reason: string } }>({ path }),
      ({ status }) => status === 200,
    );
    expect(found.body).toMatchObject({ state: 'quarantined', quarantine: { reason: 'certificate_unknown' } });
    const { items } = await operator(
      'agents',
      'admit',
      '--selector',
      'all',
      '--reason',
      'certificate_unknown',
    );
    expect(items).toEqual([{ vm_id: after.vmId, state: 'active' }]);
    await untilOnline(orchestrator, after.vmId);
    const { commands } = await ended((await submitJob(orchestrator, append(after, 'again'))).id);
    expect([commands[0]?.state, await ran(after)]).toEqual(['succeeded', ['again']]);
  });

  it('[audit-6] tells what agents had seen of its lost log, and they go on with what came back', async () => {
    const alarms = await until(
      () => events('audit.witness_differs'),
      ({ length }) => length > 0,
    );
    const { restore } = await overview();
    expect(alarms[0]?.detail).toMatchObject({ restore_id: restore?.id, genuine: true });
    const report = await until(
      async () => (await orchestrator.call<AuditReport>({ path: `${ORG}/audit/verify`, body: {} })).body,
      ({ witnesses }) => (witnesses?.filter(({ agrees }) => agrees).length ?? 0) >= 3,
    );
    expect(report.ok).toBe(true);
    const kept = JSON.parse(await readFile(witnessFile(diskLayout(sleeper.join('agent'))), 'utf8'));
    expect(kept).toMatchObject({ line: restore?.epoch, former: [{ line: 0 }] });
    expect(kept.former[0].size).toBeGreaterThan(restore?.audit_size ?? 0);
  });

  it('says no more of it when somebody has dealt with it', async () => {
    const { restore } = await overview();
    await operator('restores', 'acknowledge', restore?.id ?? '');
    expect((await overview()).restore).toBeNull();
    expect(await events('orchestrator.restore_acknowledged')).toHaveLength(1);
  });
});
