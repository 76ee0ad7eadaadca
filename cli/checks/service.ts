import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import {
  EXEC_SERVICE_UNIT,
  EXEC_SOCKET_UNIT,
  SERVICE_UNIT,
  trustEntries,
} from '../../protocol/disk-layout.ts';
import { exists } from '../../provision/files.ts';
import { lastWords } from '../../provision/last-words.ts';
import { askHealth } from '../../provision/probe.ts';
import { unitsFor } from '../../provision/units.ts';
import type { Bench } from './bench.ts';
import { type Check, type Found, fail, info, ok, warn } from './check.ts';
import { showUnit, systemctl } from './systemd.ts';

const START_MS = 30_000;
const POLL_MS = 200;
const LATELY_S = 3600;
const EXPOSED = 5;

/** Units that the present version brings. */
const shippedUnits = ({ layout }: Pick<Bench, 'layout'>): Promise<string[]> =>
  readdir(join(layout.current, 'units'));

/** Whether commands run in the executor: it is installed, or it has a key and no other service is there in its place. */
async function isPrivileged(bench: Bench): Promise<boolean> {
  const { layout, unitDir } = bench;
  if (!(await shippedUnits(bench)).includes(EXEC_SOCKET_UNIT)) return false;
  if (await exists(join(unitDir, EXEC_SOCKET_UNIT))) return true;
  const present = await readFile(join(unitDir, SERVICE_UNIT), 'utf8').catch(() => undefined);
  const [plain] = unitsFor(false);
  const shipped =
    plain && (await readFile(join(layout.current, 'units', plain.file), 'utf8').catch(() => undefined));
  return (present === undefined || present !== shipped) && exists(trustEntries(layout).executorKey.path);
}

async function unitIsInstalled(bench: Bench, unit: string): Promise<Found> {
  const { host, layout, unitDir } = bench;
  const path = join(unitDir, unit);
  const file = unitsFor(await isPrivileged(bench)).find(({ name }) => name === unit)?.file ?? unit;
  const inUnits = (name: string) => readFile(join(layout.current, 'units', name), 'utf8');
  // A release from before the executor brings the one unit alone.
  const shipped = await inUnits(file).catch(() => inUnits(unit));
  const present = await readFile(path, 'utf8').catch(() => undefined);
  const reload = () => systemctl(host, 'daemon-reload');
  if (present !== shipped)
    return fail(
      `${path} ${present === undefined ? 'is missing' : 'is not the one that was shipped'}`,
      'vm-agent diagnose --fix writes it; own settings belong into `systemctl edit`, which keeps them apart.',
      {
        what: `write ${path} and reload systemd`,
        async apply() {
          await writeFileAtomic(path, shipped, { mode: 0o644 });
          await reload();
        },
      },
    );
  const { NeedDaemonReload: stale, DropInPaths: dropIns } = await showUnit(host, unit.replace('@.', '@0.'), [
    'NeedDaemonReload',
    'DropInPaths',
  ]);
  if (stale === 'yes')
    return fail(`systemd has not read the present ${unit}`, 'systemctl daemon-reload', {
      what: 'reload systemd',
      apply: reload,
    });
  return ok(`${path} is the one that was shipped${dropIns ? `, with ${dropIns}` : ''}`);
}

const enabled =
  (unit: string): Check<Bench>['run'] =>
  async ({ host }) => {
    const { UnitFileState: state = '' } = await showUnit(host, unit, ['UnitFileState']);
    if (state === 'enabled') return ok('starts at boot');
    return fail(`does not start at boot (${state || 'unknown'})`, `systemctl enable ${unit}`, {
      what: `enable ${unit}`,
      apply: () => systemctl(host, 'enable', '--quiet', unit),
    });
  };

const sinceText = (seconds: number): string =>
  seconds >= 7200
    ? `${Math.floor(seconds / 3600)} hours`
    : seconds >= 120
      ? `${Math.floor(seconds / 60)} minutes`
      : `${Math.floor(seconds)} seconds`;

async function secondsSince(bench: Bench, monotonicUs: string | undefined): Promise<number> {
  const uptime = Number((await readFile(join(bench.proc, 'uptime'), 'utf8')).split(' ')[0]);
  return Math.max(0, uptime - Number(monotonicUs) / 1e6);
}

async function lastLog({ host }: Bench): Promise<string> {
  const words = ['-u', SERVICE_UNIT, '-n', '5', '-o', 'cat', '--no-pager'];
  return lastWords((await host.run('journalctl', words)).stdout);
}

/** Starts the service and waits until it is online, which a fresh process is at once when the way is free. */
async function start(bench: Bench): Promise<void> {
  const { host, clock } = bench;
  await systemctl(host, 'reset-failed', SERVICE_UNIT).catch(() => undefined);
  await systemctl(host, 'start', SERVICE_UNIT);
  const end = clock.monotonic() + START_MS;
  while (clock.monotonic() < end) {
    if ((await askHealth(await bench.port(), clock))?.status === 'healthy') return;
    await clock.sleep(POLL_MS);
  }
}

async function active(bench: Bench): Promise<Found> {
  const { host } = bench;
  const shown = await showUnit(host, SERVICE_UNIT, [
    'ActiveState',
    'SubState',
    'Result',
    'MainPID',
    'ActiveEnterTimestampMonotonic',
  ]);
  const { ActiveState: state, SubState: sub, Result: result, MainPID: pid } = shown;
  if (state === 'active')
    return ok(
      `active for ${sinceText(await secondsSince(bench, shown['ActiveEnterTimestampMonotonic']))}, pid ${pid}`,
    );
  if (state === 'activating' || state === 'deactivating')
    return fail(
      `it is ${state} (${sub}): it ends soon after each start.${await lastLog(bench)}`,
      `journalctl -u ${SERVICE_UNIT}`,
    );
  return fail(
    `the service is ${state}${result === 'success' ? '' : ` (${result})`}`,
    `systemctl start ${SERVICE_UNIT}`,
    {
      what: `start ${SERVICE_UNIT}`,
      apply: () => start(bench),
    },
  );
}

async function restarts(bench: Bench): Promise<Found> {
  const shown = await showUnit(bench.host, SERVICE_UNIT, ['NRestarts', 'ActiveEnterTimestampMonotonic']);
  const count = Number(shown['NRestarts']);
  const seconds = await secondsSince(bench, shown['ActiveEnterTimestampMonotonic']);
  if (count === 0) return ok('systemd had to restart it never since it was started');
  const detail = `systemd restarted it ${count} times, the last time ${sinceText(seconds)} ago`;
  return seconds < LATELY_S ? warn(detail, `journalctl -u ${SERVICE_UNIT}`) : ok(detail);
}

const security =
  (unit: string): Check<Bench>['run'] =>
  async ({ host }) => {
    const { stdout } = await host.run('systemd-analyze', ['security', '--no-pager', unit]);
    const score = /exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    if (score === undefined) return info('systemd-analyze does not say how exposed it is');
    const detail = `exposure ${score} of 10 by systemd-analyze security`;
    return Number(score) <= EXPOSED
      ? ok(detail)
      : warn(detail, `Look for drop-ins that open it: systemctl cat ${unit}`);
  };

const IN_DAEMON = 'there is none: commands run inside the daemon, with its rights';

/** Units beside the daemon's own: those of the executor, all or none of which are installed. */
async function executorUnits(bench: Bench): Promise<Found> {
  if (!(await isPrivileged(bench))) return info(IN_DAEMON);
  const units = unitsFor(true).filter(({ name }) => name !== SERVICE_UNIT);
  const found = await Promise.all(units.map(({ name }) => unitIsInstalled(bench, name)));
  const wrong = found.filter(({ result }) => result !== 'ok');
  if (wrong.length === 0) return ok(`${units.map(({ name }) => name).join(', ')} as shipped`);
  const repairs = wrong.flatMap(({ repair }) => repair ?? []);
  return fail(wrong.map(({ detail }) => detail).join('\n'), wrong[0]?.hint, {
    what: repairs.map(({ what }) => what).join('; '),
    async apply() {
      for (const repair of repairs) await repair.apply();
    },
  });
}

async function executorSocket(bench: Bench): Promise<Found> {
  const { host } = bench;
  if (!(await exists(join(bench.unitDir, EXEC_SOCKET_UNIT)))) return info(IN_DAEMON);
  const { ActiveState: state, UnitFileState: file } = await showUnit(host, EXEC_SOCKET_UNIT, [
    'ActiveState',
    'UnitFileState',
  ]);
  if (state === 'active' && file === 'enabled') return ok('listens, and does so at each boot');
  return fail(
    `${EXEC_SOCKET_UNIT} is ${state}, ${file}: no command can run`,
    `systemctl enable --now ${EXEC_SOCKET_UNIT}`,
    {
      what: `enable and start ${EXEC_SOCKET_UNIT}`,
      apply: () => systemctl(host, 'enable', '--quiet', '--now', EXEC_SOCKET_UNIT),
    },
  );
}

async function executorSecurity(bench: Bench): Promise<Found> {
  if (!(await exists(join(bench.unitDir, EXEC_SERVICE_UNIT)))) return info(IN_DAEMON);
  return security(EXEC_SERVICE_UNIT.replace('@.', '@0.'))(bench);
}

/** What systemd knows of it. */
export const SERVICE_CHECKS: readonly Check<Bench>[] = [
  {
    id: 'service.unit',
    title: 'unit',
    needs: ['link.current', 'dependencies'],
    run: (bench) => unitIsInstalled(bench, SERVICE_UNIT),
  },
  { id: 'service.enabled', title: 'unit at boot', needs: ['service.unit'], run: enabled(SERVICE_UNIT) },
  { id: 'executor.units', title: 'executor', needs: ['link.current', 'dependencies'], run: executorUnits },
  { id: 'executor.socket', title: 'executor, socket', needs: ['executor.units'], run: executorSocket },
  {
    id: 'service.active',
    title: 'service',
    needs: ['service.unit'],
    after: ['files', 'bundle', 'config', 'identity', 'port', 'disk.state', 'disk.programs'],
    run: active,
  },
  { id: 'service.restarts', title: 'restarts', needs: ['service.active'], run: restarts },
  { id: 'service.security', title: 'sandbox', needs: ['service.unit'], run: security(SERVICE_UNIT) },
  { id: 'executor.security', title: 'executor, sandbox', needs: ['executor.units'], run: executorSecurity },
];
