import { readlink, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { type Clock, isoTime } from '../../base/clock.ts';
import { SERVICE_UNIT, upgradeRecordFile } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { UpgradeRecord } from '../../protocol/upgrade.ts';
import { linkTarget, pointLink } from '../files.ts';
import { askHealth } from '../probe.ts';
import { digestOf, isWhole, pruneVersions } from '../versions.ts';
import { judge, type Look, resume, type Verdict } from './decide.ts';
import { noteRelease, readUpgrade, writeUpgrade } from './record.ts';
import { removeRollback, syncUnits, systemctl, type UnitPlaces } from './units.ts';

const LOOK_MS = 300;

export interface WatchDeps extends UnitPlaces {
  clock: Clock;
  bootId: string;
  /** Folder of the version that this process runs from, which was there before the upgrade. */
  own: string;
  log(text: string): void;
}

/**
 * Carries an upgrade that has been prepared to its end: the switch, the watch, and what follows from it. It may be
 * killed at any point and called again; the record says where to go on. Runs as the version that was there before.
 */
export async function watchUpgrade(deps: WatchDeps): Promise<void> {
  const { layout, log } = deps;
  let record: UpgradeRecord | undefined;
  try {
    record = await readUpgrade(layout);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    return goBackUnread(deps, cause);
  }
  const current = basename((await linkTarget(layout.current)) ?? '');
  const toIsWhole = record !== undefined && (await isWhole(join(layout.versions, record.to)));
  const next = resume(record, { toIsWhole, current });
  if (record === undefined || next.kind === 'nothing' || next.kind === 'clean_up') {
    await removeRollback(deps);
    return;
  }
  if (next.kind === 'roll_back') return rollBack(deps, record, next.reason);
  const watched = next.kind === 'switch' ? await switchTo(deps, record) : await resumeWatch(deps, record);
  log(`watching version ${watched.to_version} for up to ${watched.grace} s`);
  const verdict = await untilJudged(deps, watched);
  if (verdict.kind === 'commit') return commit(deps, watched);
  await rollBack(deps, watched, verdict.reason);
}

async function switchTo(deps: WatchDeps, record: UpgradeRecord): Promise<UpgradeRecord> {
  const { layout, clock, bootId, log } = deps;
  const switched: UpgradeRecord = {
    ...record,
    state: 'switched',
    switched_at: isoTime(clock.now()),
    boot_id: bootId,
  };
  log(
    `switching from version ${record.from_version} (${record.from}) to ${record.to_version} (${record.to})`,
  );
  await writeUpgrade(layout, switched);
  await syncUnits(deps, record.from, record.to);
  await pointLink(layout.current, `versions/${record.to}`);
  await restart(deps);
  return switched;
}

/** After a reboot its time begins anew; a boot takes some of it. */
async function resumeWatch(deps: WatchDeps, record: UpgradeRecord): Promise<UpgradeRecord> {
  const { layout, bootId } = deps;
  const counted: UpgradeRecord =
    record.boot_id === bootId ? record : { ...record, boot_id: bootId, boots: record.boots + 1 };
  if (counted !== record) await writeUpgrade(layout, counted);
  await syncUnits(deps, record.from, record.to);
  const running = await programOf(deps);
  if (running !== undefined && !runs(deps, record.to, running.program)) await restart(deps);
  return counted;
}

async function untilJudged(
  deps: WatchDeps,
  record: UpgradeRecord,
): Promise<Exclude<Verdict, { kind: 'wait' }>> {
  const { clock, layout } = deps;
  const { port } = (await loadAgentConfig({ layout, env: {} })).server;
  const watchedSince = clock.monotonic();
  let goodSince: { pid: number; at: number } | undefined;
  for (;;) {
    const look = await lookAt(deps, record, port);
    const verdict = judge({ record, look, now: clock.monotonic(), watchedSince, goodSince });
    if (verdict.kind !== 'wait') return verdict;
    goodSince = verdict.goodSince;
    await clock.sleep(LOOK_MS);
  }
}

async function lookAt(deps: WatchDeps, record: UpgradeRecord, port: number): Promise<Look> {
  const [health, running] = [await askHealth(port, deps.clock), await programOf(deps)];
  return {
    pid: running !== undefined && runs(deps, record.to, running.program) ? running.pid : undefined,
    answers: health !== undefined,
    connected: health?.websocket_connected === true,
    healthy: health?.status === 'healthy',
  };
}

/** What systemd runs as the agent at this moment. */
async function programOf({ host }: WatchDeps): Promise<{ pid: number; program: string } | undefined> {
  const { stdout } = await host.run('systemctl', ['show', '--property=MainPID', '--value', SERVICE_UNIT]);
  const pid = Number(stdout.trim());
  if (!(pid > 0)) return undefined;
  const program = await readlink(`/proc/${pid}/exe`).catch(() => undefined);
  return program === undefined ? undefined : { pid, program };
}

const runs = ({ layout }: WatchDeps, version: string, program: string): boolean =>
  program === join(layout.versions, version, 'runtime/node');

async function restart({ host }: WatchDeps): Promise<void> {
  await systemctl(host, 'reset-failed', SERVICE_UNIT);
  // One that cannot be started is seen by the watch.
  await systemctl(host, 'restart', SERVICE_UNIT);
}

async function commit(deps: WatchDeps, record: UpgradeRecord): Promise<void> {
  const { layout, clock, log } = deps;
  await noteRelease(layout, { version: record.to_version, sequence: record.sequence });
  await writeUpgrade(layout, { ...record, state: 'committed', ended_at: isoTime(clock.now()) });
  log(`version ${record.to_version} is good: it stays`);
  await pruneVersions(layout, [record.to, record.from]);
  await removeRollback(deps);
}

async function rollBack(deps: WatchDeps, record: UpgradeRecord, reason: string): Promise<void> {
  const { layout, clock, log } = deps;
  log(`rolling back to version ${record.from_version}: ${reason}`);
  // From here on nothing but the way back is left, whatever comes between.
  await writeUpgrade(layout, { ...record, reason });
  await syncUnits(deps, record.to, record.from);
  if ((await linkTarget(layout.current)) !== `versions/${record.from}`)
    await pointLink(layout.current, `versions/${record.from}`);
  const running = await programOf(deps);
  if (running === undefined || !runs(deps, record.from, running.program)) await restart(deps);
  await writeUpgrade(layout, { ...record, reason, state: 'rolled_back', ended_at: isoTime(clock.now()) });
  log(`version ${record.from_version} runs again`);
  await removeRollback(deps);
}

/** What the upgrade was is not known any more; that this version worked before it, is. */
async function goBackUnread(deps: WatchDeps, cause: AppError): Promise<void> {
  const { layout, own, log } = deps;
  log(`going back to ${own}: ${cause.message}`);
  const current = basename((await linkTarget(layout.current)) ?? own);
  if (current !== own) {
    await syncUnits(deps, current, own);
    await pointLink(layout.current, `versions/${own}`);
  }
  const running = await programOf(deps);
  if (running === undefined || !runs(deps, own, running.program)) await restart(deps);
  // Kept for who wants to know; out of the way of the next upgrade.
  const file = upgradeRecordFile(layout);
  await rename(file, `${file}.unreadable`);
  log(`the version in ${own} runs again`);
  await removeRollback(deps);
}

/** Whether the folder that `current` names was ever complete; undefined when there is none. */
export async function installedVersion(
  layout: UnitPlaces['layout'],
): Promise<{ folder: string; digest: string | undefined } | undefined> {
  const target = await linkTarget(layout.current);
  if (target === undefined) return undefined;
  const folder = basename(target);
  return { folder, digest: await digestOf(join(layout.versions, folder)) };
}
