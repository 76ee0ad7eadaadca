import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { type DiskLayout, EXEC_SOCKET_UNIT, ROLLBACK_UNIT } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { exists } from '../files.ts';
import type { Host } from '../host.ts';
import { unitsFor } from '../units.ts';

const UNIT = /\.(service|socket|timer|slice|target|path)$/;
const TEMPLATE = `${ROLLBACK_UNIT}.in`;

export interface UnitPlaces {
  layout: DiskLayout;
  host: Pick<Host, 'run'>;
  unitDir: string;
}

/** Units by the names under which they are installed. */
const unitsOf = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, 'units')).catch(() => [])).filter(
    (name) => UNIT.test(name) && unitsFor(false).every(({ file }) => file !== name),
  );

/** Asks systemd; whether it went well. */
export const systemctl = async (host: Pick<Host, 'run'>, ...words: string[]): Promise<boolean> =>
  (await host.run('systemctl', words)).code === 0;

/**
 * Makes the installed units those of `to`, from whichever state of an earlier try. A unit that `from` has as well but
 * that is not installed was left out on purpose, and stays so.
 */
export async function syncUnits(places: UnitPlaces, from: string, to: string): Promise<void> {
  const { layout, host, unitDir } = places;
  const [before, after] = [join(layout.versions, from), join(layout.versions, to)];
  const [old, wanted] = [await unitsOf(before), await unitsOf(after)];
  // Without its executor the daemon has another unit under the same name.
  const kind = unitsFor(await exists(join(unitDir, EXEC_SOCKET_UNIT)));
  const fileOf = (name: string) => kind.find((unit) => unit.name === name)?.file ?? name;
  let changed = false;
  for (const name of wanted) {
    const path = join(unitDir, name);
    const installed = await readFile(path, 'utf8').catch(() => undefined);
    if (installed === undefined && old.includes(name)) continue;
    const text = await readFile(join(after, 'units', fileOf(name)), 'utf8');
    if (text === installed) continue;
    await writeFileAtomic(path, text, { mode: 0o644 });
    changed = true;
  }
  for (const name of old.filter((unit) => !wanted.includes(unit))) {
    if (!(await exists(join(unitDir, name)))) continue;
    await systemctl(host, 'disable', '--quiet', '--now', name);
    await rm(join(unitDir, name), { force: true });
    changed = true;
  }
  if (changed) await systemctl(host, 'daemon-reload');
  for (const name of wanted.filter((unit) => !old.includes(unit))) {
    if (!/^\[Install\]$/m.test(await readFile(join(after, 'units', name), 'utf8'))) continue;
    await systemctl(host, 'enable', '--quiet', name);
    if (name.endsWith('.socket')) await systemctl(host, 'start', name);
  }
}

/** The version in `from` watches from now on, also after a reboot. */
export async function enableRollback(places: UnitPlaces, from: string): Promise<void> {
  const { layout, host, unitDir } = places;
  const folder = join(layout.versions, from);
  const template = await readFile(join(folder, 'units', TEMPLATE), 'utf8');
  await writeFileAtomic(join(unitDir, ROLLBACK_UNIT), template.replaceAll('@VERSION@', folder), {
    mode: 0o644,
  });
  const done =
    (await systemctl(host, 'daemon-reload')) && (await systemctl(host, 'enable', '--quiet', ROLLBACK_UNIT));
  if (done) return;
  throw new AppError('step_failed', {
    detail: `systemd did not take ${ROLLBACK_UNIT}.`,
    hint: `Nothing was switched. See: systemctl status ${ROLLBACK_UNIT}`,
  });
}

export async function removeRollback({ host, unitDir }: UnitPlaces): Promise<void> {
  if (!(await exists(join(unitDir, ROLLBACK_UNIT)))) return;
  await systemctl(host, 'disable', '--quiet', ROLLBACK_UNIT);
  await rm(join(unitDir, ROLLBACK_UNIT), { force: true });
  await systemctl(host, 'daemon-reload');
}
