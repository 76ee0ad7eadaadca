import { randomBytes } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createSealer, loadMasterKey } from '../../../../orchestrator/store/sealed.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

it('opens what it sealed, under the same name alone', () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = sealer.seal('ca-key:1', Buffer.from('secret'));
  expect(sealed).not.toContain('secret');
  expect(sealer.open('ca-key:1', sealed).toString()).toBe('secret');
  expect(() => sealer.open('ca-key:2', sealed)).toThrow('does not open');
});

it('does not open with another master key, nor what was changed', () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = sealer.seal('k', Buffer.from('secret'));
  expect(() => createSealer(randomBytes(32)).open('k', sealed)).toThrow('master.key');
  const flipped = `v1.${sealed[3] === 'A' ? 'B' : 'A'}${sealed.slice(4)}`;
  expect(() => sealer.open('k', flipped)).toThrow('does not open');
});

it('makes one master key for all who start together, readable by its owner alone', async () => {
  await using home = await createTempHome();
  const path = home.join('data', 'master.key');
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadMasterKey(path, { mayCreate: true })));
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('does not replace a lost master key when something is sealed with it', async () => {
  await using home = await createTempHome();
  await expect(loadMasterKey(home.join('master.key'), { mayCreate: false })).rejects.toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('vm-orchestrator restore --from FILE'),
  });
});

it('refuses a master key file that holds something else', async () => {
  await using home = await createTempHome();
  await writeFile(home.join('master.key'), 'hello');
  await expect(loadMasterKey(home.join('master.key'), { mayCreate: true })).rejects.toThrow('64 hex');
});
