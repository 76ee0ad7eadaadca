import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { openAuthority } from '../../../../orchestrator/ca/authority.ts';
import { exportBackupKey, importBackupKey } from '../../../../orchestrator/ca/backup-key.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../../orchestrator/store/store.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

it('goes to a file once and comes back, and says of each mistake what to do', async () => {
  await using home = await createTempHome();
  const store = await openStore(home.join('store.db'));
  const own = { store, sealer: createSealer(randomBytes(32)), clock: createFakeClock() };
  await openAuthority({ ...own, log: silentLogger });
  const file = home.join('backup.pem');
  const passphrase = 'correct horse battery staple';
  const exported = (over: object = {}) => exportBackupKey({ ...own, file, passphrase, keep: false, ...over });
  const imported = (over: object = {}) => importBackupKey({ ...own, file, passphrase, ...over });

  await expect(exported({ file: home.join('usb', 'key.pem') })).rejects.toMatchObject({
    message: expect.stringContaining('ENOENT'),
    hint: expect.stringContaining('mounted'),
  });
  await expect(imported()).rejects.toThrow('cannot be read (ENOENT)');
  await exported();
  expect(await readFile(file, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  await expect(exported({ file: home.join('again.pem') })).rejects.toThrow('it was exported before');

  await expect(imported({ passphrase: undefined })).rejects.toMatchObject({
    hint: expect.stringContaining('--passphrase-file'),
  });
  await expect(imported({ passphrase: 'another passphrase' })).rejects.toMatchObject({
    hint: expect.stringContaining('not the one that it was exported with'),
  });
  await imported();
  await exported({ file: home.join('again.pem') });
  await store.close();
});
