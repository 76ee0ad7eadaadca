import { basename } from 'node:path';
import { type Clock, isoTime } from '../../base/clock.ts';
import { ROLLBACK_UNIT } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { UpgradeRecord } from '../../protocol/upgrade.ts';
import { linkTarget } from '../files.ts';
import { isOpen, noteRelease, readUpgrade, writeUpgrade } from './record.ts';
import { enableRollback, systemctl, type UnitPlaces } from './units.ts';

const POLL_MS = 250;
/** Beside its grace: a stop that hangs, the way back, and a slow machine (ms). */
const PATIENCE_MS = 180_000;

/** Brings an upgrade that was prepared to its end, and waits for that. */
export async function carryOn(
  deps: UnitPlaces & { mode: 'system' | 'user'; clock: Clock },
  record: UpgradeRecord,
): Promise<UpgradeRecord> {
  if (deps.mode === 'user') return settleInUserMode(deps, record);
  const { layout, host, clock } = deps;
  await enableRollback(deps, record.from);
  await systemctl(host, 'reset-failed', ROLLBACK_UNIT);
  await systemctl(host, 'start', '--no-block', ROLLBACK_UNIT);
  const end = clock.monotonic() + record.grace * 1000 + PATIENCE_MS;
  for (;;) {
    const now = await readUpgrade(layout);
    if (now !== undefined && now.id === record.id && !isOpen(now)) return now;
    if (clock.monotonic() >= end) {
      throw new AppError('step_failed', {
        detail: `The upgrade to version ${record.to_version} has not ended yet.`,
        hint: `See: vm-agent upgrade --status; journalctl -u ${ROLLBACK_UNIT}`,
      });
    }
    await clock.sleep(POLL_MS);
  }
}

/** Without systemd an interrupted upgrade was switched or it was not. */
async function settleInUserMode(
  { layout, clock }: UnitPlaces & { clock: Clock },
  record: UpgradeRecord,
): Promise<UpgradeRecord> {
  const switched = basename((await linkTarget(layout.current)) ?? '') === record.to;
  if (switched) await noteRelease(layout, { version: record.to_version, sequence: record.sequence });
  const end: UpgradeRecord = {
    ...record,
    state: switched ? 'committed' : 'rolled_back',
    ...(switched ? {} : { reason: 'it was interrupted before the switch' }),
    ended_at: isoTime(clock.now()),
  };
  await writeUpgrade(layout, end);
  return end;
}
