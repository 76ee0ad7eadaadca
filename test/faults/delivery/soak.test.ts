import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { diskLayout, journalFile } from '../../../protocol/disk-layout.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { descriptors, residentBytes } from '../support/memory.ts';
import { isFull, scale, size } from '../support/size.ts';
import { type Point, slopeOf } from '../support/slope.ts';
import { violationsOf } from './history.ts';
import { createLoad, type Load } from './load.ts';

const COMMANDS = size({ short: 800, full: 100_000 * scale });
const RECONNECTS = size({ short: 12, full: 1000 * scale });
const BATCHES = size({ short: 5, full: 500 * scale });
const AGENTS = 4;
/** Connects again soon, however often its link breaks. */
const ENTRY = { script: fileURLToPath(new URL('./crash-agent.ts', import.meta.url)) };
const MIB = 1024 ** 2;
/** Before this part memory still settles. */
const WARM = 0.3;

interface Sample {
  commands: number;
  bytes: { orchestrator: number; agent: number };
  descriptors: { orchestrator: number; agent: number };
}

function sampleOf({ orchestrator, members }: Fleet, commands: number): Sample {
  const pids = members.map(({ agent }) => agent.pid);
  const mean = (read: (pid: number) => number) => pids.reduce((sum, pid) => sum + read(pid), 0) / pids.length;
  return {
    commands,
    bytes: { orchestrator: residentBytes(orchestrator.pid), agent: mean(residentBytes) },
    descriptors: { orchestrator: descriptors(orchestrator.pid), agent: mean(descriptors) },
  };
}

function bytesIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const onDisk = ({ orchestrator, members }: Fleet) => ({
  store: statSync(join(orchestrator.dataDir, 'orchestrator.db')).size,
  output: bytesIn(join(orchestrator.dataDir, 'output')),
  journal: Math.max(...members.map(({ home }) => statSync(journalFile(diskLayout(home))).size)),
});

/** Jobs for all machines, as many at once as people would send, and links that break meanwhile. */
async function runBatch(fleet: Fleet, load: Load, batch: number): Promise<void> {
  const vmIds = fleet.members.map(({ vmId }) => vmId);
  const jobs = COMMANDS / BATCHES / AGENTS;
  const resets = RECONNECTS / BATCHES;
  for (let job = 0; job < jobs; job += 10) {
    await Promise.all(Array.from({ length: Math.min(10, jobs - job) }, () => load.submit(vmIds)));
    for (let reset = 0; reset < resets; reset += 1)
      if (Math.floor((reset * jobs) / resets / 10) * 10 === job)
        fleet.members[(batch + reset) % AGENTS]?.proxy.outage();
  }
  await load.settle();
}

it('[soak-1] holds no more memory and no more descriptors after many commands and reconnections', async () => {
  await using fleet = await startFleet({ agents: AGENTS, entry: ENTRY });
  const load = createLoad(fleet);
  const before = onDisk(fleet);
  const samples: Sample[] = [];
  const began = systemClock.monotonic();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await runBatch(fleet, load, batch);
    const sample = sampleOf(fleet, ((batch + 1) * COMMANDS) / BATCHES);
    samples.push(sample);
    if (batch % Math.ceil(BATCHES / 20) === 0) console.log(JSON.stringify(sample));
  }
  const tookS = (systemClock.monotonic() - began) / 1000;
  const warm = samples.filter(({ commands }) => commands > COMMANDS * WARM);
  const slope = (of: (sample: Sample) => number) =>
    (slopeOf(warm.map((sample): Point => ({ x: sample.commands, y: of(sample) }))) * 10_000) / MIB;
  const last = samples.at(-1);
  const after = onDisk(fleet);
  const welcomes = fleet.members.flatMap((member) => member.links().filter(({ up }) => up));
  const perCommand = (part: keyof typeof after) => Math.round((after[part] - before[part]) / COMMANDS);
  const seen = {
    commands: COMMANDS,
    reconnects: welcomes.length - AGENTS,
    byPolling: welcomes.filter(({ transport }) => transport === 'poll').length,
    tookS,
    mibPer10k: {
      orchestrator: slope(({ bytes }) => bytes.orchestrator),
      agent: slope(({ bytes }) => bytes.agent),
    },
    lastMiB: { orchestrator: (last?.bytes.orchestrator ?? 0) / MIB, agent: (last?.bytes.agent ?? 0) / MIB },
    descriptors: [warm[0]?.descriptors, last?.descriptors],
    diskBytesPerCommand: {
      store: perCommand('store'),
      output: perCommand('output'),
      journal: Math.round(((after.journal - before.journal) * AGENTS) / COMMANDS),
    },
  };
  console.log(JSON.stringify(seen));
  expect(violationsOf(await load.finish())).toEqual([]);
  expect(seen.byPolling).toBe(0);
  expect(seen.reconnects).toBeGreaterThanOrEqual(RECONNECTS * 0.9);
  const [first] = warm;
  for (const program of ['orchestrator', 'agent'] as const) {
    expect((last?.descriptors[program] ?? 0) - (first?.descriptors[program] ?? 0)).toBeLessThan(10);
    // Of a short run the slope is that of a heap which has not settled.
    if (isFull) expect(seen.mibPer10k[program]).toBeLessThan(1);
    else expect((last?.bytes[program] ?? 0) - (first?.bytes[program] ?? 0)).toBeLessThan(64 * MIB);
  }
});
