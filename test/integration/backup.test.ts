import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { type BackupOptions, makeBackup } from '../../orchestrator/backup/backup.ts';
import { declareRestored, type RestoreOptions, restoreBackup } from '../../orchestrator/backup/restore.ts';
import { verifyBackup } from '../../orchestrator/backup/verify.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { enrollAgent, outputPath, readJob, submitJob } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

/** Backups of an orchestrator that serves all the while. */
let temp: TempHome;
let orchestrator: OrchestratorProcess;
let whole: string;
const OUTPUT = 'x'.repeat(5000);
const PASSPHRASE = 'correct horse battery staple';

const backup = (over: Partial<BackupOptions> = {}) =>
  makeBackup({
    dataDir: orchestrator.dataDir,
    to: `${temp.path}/`,
    masterKey: { kind: 'none' },
    clock: systemClock,
    version: '1.2.3',
    ...over,
  });
const restore = (over: Partial<RestoreOptions> = {}) =>
  restoreBackup({
    from: whole,
    dataDir: temp.join('restored'),
    masterKeyFile: join(orchestrator.dataDir, 'master.key'),
    passphrase: undefined,
    force: false,
    admitKnown: false,
    user: 'root',
    clock: systemClock,
    ...over,
  });
const query = (folder: string, sql: string) => {
  const database = new DatabaseSync(join(folder, 'orchestrator.db'), { readOnly: true });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
};

beforeAll(async () => {
  temp = await createTempHome();
  orchestrator = await startOrchestrator();
  const enrolled = await enrollAgent(orchestrator);
  const agent = enrolled.fake(orchestrator, { autoRun: () => ({ stdout: Buffer.from(OUTPUT) }) });
  await agent.connect();
  const { id } = await submitJob(orchestrator);
  let job = await readJob(orchestrator, id);
  while (job.commands[0]?.ended_at === null) job = await readJob(orchestrator, id);
  // It writes all the while.
  let serving = true;
  const writers = Array.from({ length: 4 }, async () => {
    while (serving) await submitJob(orchestrator);
  });
  whole = (await backup({ to: temp.join('whole.tar') })).file;
  serving = false;
  await Promise.all(writers);
  await agent.drop();
});
afterAll(async () => {
  await orchestrator?.stop();
  await temp?.remove();
});

describe('[fault-3] a backup', () => {
  it('is one file that its owner alone reads, and is whole', async () => {
    expect((await stat(whole)).mode & 0o777).toBe(0o600);
    const { manifest } = await verifyBackup({ file: whole });
    expect(manifest).toMatchObject({
      agents: 1,
      organizations: 1,
      master_key: 'none',
      program_version: '1.2.3',
    });
    expect(manifest.ca_fingerprint).toBe(orchestrator.credentials.ca_fingerprint);
    expect((await readdir(temp.path)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('does not hold the master key, unless it is asked for, and then sealed', async () => {
    const key = (await readFile(join(orchestrator.dataDir, 'master.key'), 'utf8')).trim();
    expect((await readFile(whole)).includes(key)).toBe(false);
    const sealed = await backup({ masterKey: { kind: 'sealed', passphrase: PASSPHRASE } });
    expect((await readFile(sealed.file)).includes(key)).toBe(false);
    const from = { from: sealed.file, masterKeyFile: undefined };
    const dataDir = temp.join('sealed');
    await expect(restore({ ...from, dataDir })).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(restore({ ...from, dataDir, passphrase: 'another passphrase' })).rejects.toMatchObject({
      code: 'config_invalid',
    });
    await restore({ ...from, dataDir, passphrase: PASSPHRASE });
    expect((await readFile(join(dataDir, 'master.key'), 'utf8')).trim()).toBe(key);
    expect(await readdir(dataDir)).not.toContain('master.key.sealed');
  });

  it('refuses a passphrase that is guessed, and to replace another file', async () => {
    await expect(backup({ masterKey: { kind: 'sealed', passphrase: 'short' } })).rejects.toMatchObject({
      code: 'config_invalid',
    });
    await expect(backup({ to: whole })).rejects.toMatchObject({ code: 'conflict' });
  });

  it.each([
    [
      'a byte of the store is another',
      (bytes: Buffer) => bytes.fill(bytes.readUInt8(60_000) ^ 1, 60_000, 60_001),
    ],
    ['it was cut in the middle', (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2))],
    ['its last block is missing', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1024 - 512)],
    ['it is empty', () => Buffer.alloc(0)],
  ])('is refused when %s', async (_what, damage) => {
    const file = temp.join('damaged.tar');
    await writeFile(file, damage(await readFile(whole)));
    await expect(verifyBackup({ file })).rejects.toMatchObject({ code: 'signature_invalid' });
    await expect(restore({ from: file, dataDir: temp.join('never') })).rejects.toMatchObject({
      code: 'signature_invalid',
    });
    expect(await readdir(temp.path)).not.toContain('never');
  });

  it('is of one moment: every job in it has its commands, and what was printed comes back', async () => {
    const { organizations } = await restore();
    expect(organizations).toHaveLength(1);
    const folder = temp.join('restored');
    expect(query(folder, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    const halves = 'SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM commands WHERE job_id = jobs.id)';
    expect(query(folder, halves)).toEqual([]);
    const { credentials } = orchestrator;
    const again = await startOrchestrator({ dataDir: folder, credentials });
    try {
      const [first] = query(folder, 'SELECT id FROM commands ORDER BY id LIMIT 1');
      const answer = await again.call({ path: outputPath(String(first?.['id']) as never) });
      expect(answer.text).toBe(OUTPUT);
      await expect(
        declareRestored({ dataDir: folder, admitKnown: false, user: 'root', clock: systemClock }),
      ).rejects.toMatchObject({ code: 'conflict' });
    } finally {
      await again.kill();
    }
  });

  it('goes nowhere where something is, unless that may be moved aside', async () => {
    const dataDir = temp.join('taken');
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'precious'), 'x');
    await expect(restore({ dataDir })).rejects.toMatchObject({ code: 'conflict' });
    const { moved_aside } = await restore({ dataDir, force: true });
    expect(await readdir(moved_aside ?? '')).toEqual(['precious']);
    await expect(restore({ dataDir: orchestrator.dataDir, force: true })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('opens with its own master key alone', async () => {
    const other = temp.join('other.key');
    await writeFile(other, 'ab'.repeat(32));
    const dataDir = temp.join('wrong-key');
    await expect(restore({ dataDir, masterKeyFile: other })).rejects.toMatchObject({
      code: 'config_invalid',
    });
    await expect(restore({ dataDir, masterKeyFile: undefined })).rejects.toMatchObject({
      code: 'config_invalid',
    });
    expect(await readdir(temp.path)).not.toContain('wrong-key');
  });

  it('says on the day on which it is made whether a key opens it', async () => {
    const other = temp.join('other.key');
    await writeFile(other, 'ab'.repeat(32));
    const verify = (masterKeyFile?: string, passphrase?: string) =>
      verifyBackup({ file: whole, key: { masterKeyFile, passphrase } });
    expect((await verify(join(orchestrator.dataDir, 'master.key'))).opens).toBe(true);
    await expect(verify(other)).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(verify(undefined, PASSPHRASE)).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('that is restored twice begins two epochs, also when the clock went back', async () => {
    const first = await restore({ dataDir: temp.join('one') });
    const second = await restore({ dataDir: temp.join('two') });
    const [a = 0, b = 0] = [first, second].map(({ organizations }) => organizations[0]?.epoch);
    expect(b).toBeGreaterThan(a);
    const past = { ...systemClock, now: () => 0, sleep: async () => undefined };
    const third = await restore({ dataDir: temp.join('three'), clock: past });
    expect(third.organizations[0]?.epoch).toBeGreaterThan(1);
  });
});

describe('data that was put back by hand', () => {
  it('is declared in place, with the moment that it knows last', async () => {
    await restore({ dataDir: temp.join('by-hand') });
    const folder = temp.join('copied');
    await mkdir(folder);
    for (const name of ['orchestrator.db', 'master.key'])
      await copyFile(join(temp.join('by-hand'), name), join(folder, name));
    const done = await declareRestored({
      dataDir: folder,
      admitKnown: false,
      user: 'root',
      clock: systemClock,
    });
    const rows = query(folder, 'SELECT id, source FROM restores ORDER BY at');
    expect(rows).toMatchObject([{ source: 'backup' }, { id: done.restore_id, source: 'in_place' }]);
  });
});
