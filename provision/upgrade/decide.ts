import type { UpgradeRecord } from '../../protocol/upgrade.ts';

/** A new version that has been good for this long, in one process, stays (ms). */
export const STEADY_MS = 3000;
/** More boots than this without a good end: the new version is taken for what makes the machine restart. */
const MOST_BOOTS = 2;

/** What the watch sees of the agent at one moment. */
export interface Look {
  /** The process that systemd runs, when it is the new version's program. */
  pid: number | undefined;
  /** It answers as this machine's agent. */
  answers: boolean;
  connected: boolean;
  healthy: boolean;
}

export type Verdict =
  | { kind: 'wait'; goodSince: { pid: number; at: number } | undefined }
  | { kind: 'commit' }
  | { kind: 'roll_back'; reason: string };

/** Whether this is as good as the version before was. */
const isGood = (look: Look, couldConnect: boolean): boolean =>
  look.pid !== undefined && look.answers && (!couldConnect || (look.connected && look.healthy));

function whatIsWrong(look: Look, couldConnect: boolean): string {
  if (look.pid === undefined) return 'it does not run: it crashes, or cannot be started';
  if (!look.answers) return 'it runs, but does not answer on its local port';
  if (couldConnect && !look.connected) return 'it runs, but does not connect to the orchestrator';
  if (couldConnect && !look.healthy) return 'it is connected, but not healthy';
  return 'it did not stay up long enough';
}

/** What becomes of a new version, from what is known of it now. Times are monotonic milliseconds. */
export function judge(options: {
  record: UpgradeRecord;
  look: Look;
  now: number;
  watchedSince: number;
  goodSince: { pid: number; at: number } | undefined;
}): Verdict {
  const { record, look, now, watchedSince } = options;
  const good = isGood(look, record.could_connect);
  const since = good && options.goodSince?.pid === look.pid ? options.goodSince : undefined;
  if (good && since !== undefined && now - since.at >= STEADY_MS) return { kind: 'commit' };
  if (record.boots > MOST_BOOTS)
    return { kind: 'roll_back', reason: `the machine restarted ${record.boots} times before it became good` };
  // One that is good at the end of its time is given the few seconds that it takes to be sure.
  if (now - watchedSince >= record.grace * 1000 + (since === undefined ? 0 : STEADY_MS))
    return {
      kind: 'roll_back',
      reason: `after ${record.grace} s version ${record.to_version} is not good: ${whatIsWrong(look, record.could_connect)}`,
    };
  if (!good || look.pid === undefined) return { kind: 'wait', goodSince: undefined };
  return { kind: 'wait', goodSince: since ?? { pid: look.pid, at: now } };
}

export type Resume =
  /** Nothing is under way. */
  | { kind: 'nothing' }
  /** Switch to the new version, which is complete on the disk, or to what is left of that; then watch. */
  | { kind: 'switch' }
  | { kind: 'watch' }
  /** It has ended; what it needed is to be taken away. */
  | { kind: 'clean_up' }
  /** The way back was begun, or the new version is not whole any more. */
  | { kind: 'roll_back'; reason: string };

/** Where an upgrade that was interrupted goes on. */
export function resume(
  record: UpgradeRecord | undefined,
  facts: { toIsWhole: boolean; current: string | undefined },
): Resume {
  if (record === undefined) return { kind: 'nothing' };
  if (record.state === 'committed' || record.state === 'rolled_back') return { kind: 'clean_up' };
  if (record.reason !== undefined) return { kind: 'roll_back', reason: record.reason };
  if (!facts.toIsWhole)
    return { kind: 'roll_back', reason: `version ${record.to_version} is not whole on the disk` };
  return record.state === 'switched' && facts.current === record.to ? { kind: 'watch' } : { kind: 'switch' };
}

export type Offer = { kind: 'same' } | { kind: 'newer' } | { kind: 'older'; why: string };

const numbers = (version: string): number[] =>
  (version.split(/[-+]/)[0] ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);

/** Order of versions as semver.org has it, without build metadata. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  const pre = (text: string) => /-([^+]*)/.exec(text)?.[1];
  const [before, after] = [pre(a), pre(b)];
  if (before === after) return 0;
  if (before === undefined) return 1;
  if (after === undefined) return -1;
  return before.localeCompare(after, 'en', { numeric: true });
}

/** What a genuine release is to this machine. */
export function judgeOffer(options: {
  offered: { version: string; sequence: number; digest: string };
  installed: { version: string; digest: string | undefined; sequence: number | undefined };
}): Offer {
  const { offered, installed } = options;
  if (offered.version === installed.version && offered.digest === installed.digest) return { kind: 'same' };
  if (compareVersions(offered.version, installed.version) < 0)
    return { kind: 'older', why: `version ${offered.version} is lower than ${installed.version}` };
  if (installed.sequence !== undefined && offered.sequence < installed.sequence)
    return {
      kind: 'older',
      why: `release ${offered.sequence} is older than ${installed.sequence}, the newest that was installed here`,
    };
  return { kind: 'newer' };
}
