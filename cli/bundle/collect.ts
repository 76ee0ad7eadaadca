import { open, readdir, readFile } from 'node:fs/promises';
import { networkInterfaces, release } from 'node:os';
import { join } from 'node:path';
import {
  agentLogFile,
  configFile,
  EXEC_SERVICE_UNIT,
  EXEC_SOCKET_UNIT,
  journalFile,
  policyFile,
  SERVICE_UNIT,
} from '../../protocol/disk-layout.ts';
import { askAgent } from '../../provision/ask-agent.ts';
import { linkTarget } from '../../provision/files.ts';
import type { Bench } from '../checks/bench.ts';
import type { Diagnosis } from '../diagnose.ts';
import { journalSummary } from './journal-summary.ts';
import { processList } from './processes.ts';

const TAIL_BYTES = 1024 * 1024;
const JOURNAL_LINES = 20_000;
const UNITS = [SERVICE_UNIT, EXEC_SOCKET_UNIT, EXEC_SERVICE_UNIT.replace('@.', '@*.')];
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** The end of a file, from the beginning of a line on. */
async function tail(path: string): Promise<string> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
    const text = buffer.subarray(0, bytesRead).toString('utf8');
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await handle.close();
  }
}

/** Every text of a bundle by its name, before secrets are taken out. What cannot be had says why in its place. */
export async function collect(
  bench: Bench,
  diagnosis: Diagnosis,
  sinceS: number,
): Promise<Map<string, string>> {
  const { layout, host, system, clock } = bench;
  const texts = new Map<string, string>();
  const put = async (name: string, get: () => Promise<string>) => {
    try {
      texts.set(name, await get());
    } catch (cause) {
      texts.set(name, `not available: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    }
  };
  const run = (name: string, file: string, ...args: string[]) =>
    put(name, async () => {
      const { stdout, stderr } = await host.run(file, args);
      return stdout + stderr;
    });

  await put('diagnosis.json', async () => json(diagnosis));
  await put('versions.json', async () =>
    json({
      program: diagnosis.version,
      current: await linkTarget(layout.current),
      installed: await readdir(layout.versions),
      node: bench.nodeVersion,
      kernel: release(),
      platform: `${host.platform}-${host.arch}`,
    }),
  );
  for (const { path } of [configFile(layout), policyFile(layout)])
    await put(path.slice(layout.root.length + 1), () => readFile(path, 'utf8'));
  await put('health.json', async () => json((await askAgent(await bench.port(), '/health', clock)) ?? null));
  await put('info.json', async () => json((await askAgent(await bench.port(), '/info', clock)) ?? null));
  await put('agent.log', () => tail(agentLogFile(layout)));
  await put('audit.log', () => tail(join(layout.log, 'audit.log')));
  await put('journal-db.json', async () => json(await journalSummary(journalFile(layout))));
  await put('upgrade.json', () => upgradeRecords(bench));
  await put('os-release', () => readFile('/etc/os-release', 'utf8'));
  await put('disk.json', async () => {
    const paths = [layout.root, layout.state, layout.log, layout.run];
    const rooms = await Promise.all(paths.map(async (path) => [path, await bench.room(path)]));
    return json(Object.fromEntries(rooms));
  });
  await put('processes.tsv', () => processList(bench.proc, layout.root));
  await put('network.json', async () => json(networkInterfaces()));
  for (const name of ['route', 'ipv6_route'])
    await put(`network/${name}`, () => readFile(join(bench.proc, 'net', name), 'utf8'));
  await put('network/resolv.conf', () => readFile('/etc/resolv.conf', 'utf8'));
  if (!system) return texts;

  for (const unit of (await readdir(bench.unitDir)).filter((name) => /^vm-?agent.*\.\w+$/.test(name)))
    await put(`units/${unit}`, () => readFile(join(bench.unitDir, unit), 'utf8'));
  await run('systemd/cat', 'systemctl', 'cat', '--no-pager', SERVICE_UNIT);
  await run('systemd/show', 'systemctl', 'show', '--no-pager', SERVICE_UNIT, EXEC_SOCKET_UNIT);
  await run('systemd/status', 'systemctl', 'status', '--no-pager', '--lines=0', ...UNITS);
  const units = UNITS.flatMap((unit) => ['-u', unit]);
  const since = ['--since', `-${Math.ceil(sinceS)}s`, '-n', String(JOURNAL_LINES)];
  await run(
    'systemd/journal',
    'journalctl',
    '--no-pager',
    '-q',
    '-o',
    'short-iso-precise',
    ...units,
    ...since,
  );
  return texts;
}

/** What upgrades have left about themselves. */
async function upgradeRecords({ layout }: Bench): Promise<string> {
  const found: Record<string, unknown> = {};
  for (const folder of [layout.root, layout.state, layout.trust, layout.versions, layout.execState]) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((one) => /^\.?upgrade.*\.json$/.test(one)))
      found[join(folder, name)] = JSON.parse(await readFile(join(folder, name), 'utf8'));
  }
  return json(found);
}
