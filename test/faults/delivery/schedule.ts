import { systemClock } from '../../../base/clock.ts';
import type { Fleet } from '../support/fleet.ts';
import { between, seeded, seedOf, weighted } from '../support/seeded.ts';
import type { Interval } from './history.ts';

const WEIGHTS = {
  'kill agent': 22,
  'kill orchestrator': 10,
  reset: 18,
  'freeze both': 8,
  'freeze up': 7,
  'freeze down': 7,
  'delay 2 s': 8,
  throttle: 5,
  stalls: 7,
  vanish: 3,
  'drop up': 3,
  'drop down': 2,
} as const;
export type FaultKind = keyof typeof WEIGHTS;

export interface Fault {
  atMs: number;
  kind: FaultKind;
  member: number;
  lastsMs: number;
}

/** Longest until both ends know that a link is dead, and have another one (ms). */
const SILENCE_MS = 45_000;
const AFTERMATH_MS = 3000;
/** An orchestrator that was killed gets this long to do something, however slowly it came back. */
const AT_WORK_MS = 4000;

/**
 * What is broken when, drawn from the seed. Links that fall silent come first in a short run, since it takes half a minute
 * until that is noticed; `calmMs` before the end nothing more is broken.
 */
export function drawSchedule(options: {
  seed: number;
  members: number;
  /** The number of one whose link and program are left alone. */
  spared: number;
  durationMs: number;
  everyMs: number;
}): Fault[] {
  const { seed, members, spared, durationMs, everyMs } = options;
  const anyone = (draw: number) => (draw === spared ? (spared + 1) % members : draw);
  const random = seeded(seedOf(seed, 'schedule'));
  const silent = (['drop up', 'vanish', 'drop down'] as const).map((kind, index) => ({
    atMs: 500 + index * 300,
    kind,
    member: anyone((index + 1) % members),
    lastsMs: 1000,
  }));
  const faults: Fault[] = silent;
  for (let atMs = 2000; atMs < durationMs; atMs += between(random, 0.5, 1.5) * everyMs) {
    const kind = weighted(random, WEIGHTS);
    const late = atMs > durationMs - SILENCE_MS && (kind === 'vanish' || kind.startsWith('drop'));
    const drawn = {
      atMs,
      kind,
      member: anyone(Math.floor(random() * members)),
      lastsMs: between(random, 300, 3000),
    };
    faults.push(late ? { ...drawn, kind: 'reset' } : drawn);
  }
  return faults;
}

/** Breaks things when it is time to, and heals them. Resolves when all is whole again. */
export async function runSchedule(fleet: Fleet, schedule: readonly Fault[]) {
  const began = systemClock.monotonic();
  const faults: Record<string, Interval[]> = Object.fromEntries(fleet.members.map(({ vmId }) => [vmId, []]));
  const counts: Partial<Record<FaultKind, number>> = {};
  /** Of a program, and of each link, one thing at a time: on a slow machine the rest would pile up. */
  const busy = new Map<string, Promise<void>>();
  const failed = Promise.withResolvers<never>();
  const alone = (what: string, kind: FaultKind, work: () => Promise<void>) => {
    if (busy.has(what)) return;
    counts[kind] = (counts[kind] ?? 0) + 1;
    busy.set(
      what,
      work()
        .catch(failed.reject)
        .finally(() => busy.delete(what)),
    );
  };
  for (const { atMs, kind, member: number, lastsMs } of schedule) {
    const early = began + atMs - systemClock.monotonic();
    if (early > 0) await Promise.race([systemClock.sleep(early), failed.promise]);
    const member = fleet.members[number];
    if (member === undefined) continue;
    if (kind === 'kill orchestrator') {
      alone('orchestrator', kind, async () => {
        await fleet.killOrchestrator();
        await systemClock.sleep(lastsMs / 2);
        await fleet.restartOrchestrator();
        await systemClock.sleep(AT_WORK_MS);
      });
    } else if (kind === 'kill agent') {
      alone(`agent ${number}`, kind, async () => {
        await member.kill();
        await systemClock.sleep(lastsMs / 3);
        member.restart();
      });
    } else {
      alone(`link ${number}`, kind, async () => {
        const from = systemClock.now();
        await breakLink(member.proxy, kind, lastsMs);
        const silent = kind === 'vanish' || kind.startsWith('drop');
        faults[member.vmId]?.push({ from, to: systemClock.now() + (silent ? SILENCE_MS : AFTERMATH_MS) });
      });
    }
  }
  await Promise.race([Promise.all(busy.values()), failed.promise]);
  return { faults, counts };
}

type Link = Fleet['members'][number]['proxy'];

async function breakLink(proxy: Link, kind: FaultKind, lastsMs: number): Promise<void> {
  switch (kind) {
    case 'reset':
      return proxy.reset();
    case 'vanish':
      return proxy.vanish();
    case 'drop up':
    case 'drop down':
      proxy.treat(kind === 'drop up' ? 'up' : 'down', { kind: 'drop' });
      break;
    case 'freeze both':
      proxy.treat('both', { kind: 'freeze' });
      break;
    case 'freeze up':
    case 'freeze down':
      proxy.treat(kind === 'freeze up' ? 'up' : 'down', { kind: 'freeze' });
      break;
    case 'delay 2 s':
      proxy.treat('both', { kind: 'delay', ms: 2000 });
      break;
    case 'throttle':
      proxy.treat('both', { kind: 'throttle', bytesPerSecond: 4000 });
      break;
    case 'stalls':
      // Lost packets: nothing comes until the sender tries again, and then all of it.
      for (let left = lastsMs; left > 0; left -= 400) {
        proxy.treat('both', { kind: 'freeze' });
        await systemClock.sleep(300);
        proxy.treat('both', { kind: 'pass' });
        await systemClock.sleep(100);
      }
  }
  await systemClock.sleep(lastsMs);
  proxy.heal();
}
