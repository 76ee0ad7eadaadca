import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Coverage } from './coverage.ts';
import { mutated, seeded } from './mutate.ts';
import type { FuzzTarget } from './target.ts';

const CORPUS = join(import.meta.dirname, 'corpus');
/** Inputs between two looks at the coverage, which costs as much as some hundred of them. */
const BATCH = 64;
/** One input may take this long, and this much more for each of its bytes (ms of processor time, so that it does not matter what else runs): far above what any takes, far below what a bad pattern does. */
const SLOW_MS = 250;
const SLOW_MS_PER_BYTE = 0.02;

interface Failure {
  input: Buffer;
  why: string;
}
interface FuzzReport {
  inputs: number;
  /** How many inputs are kept because they reached something new. */
  kept: number;
  blocks: number;
  failure: Failure | undefined;
}

/** Inputs that once failed, or are worth beginning with. */
export function corpusOf(name: string): Buffer[] {
  let files: string[];
  try {
    files = readdirSync(join(CORPUS, name)).toSorted();
  } catch {
    return [];
  }
  return files.map((file) => readFileSync(join(CORPUS, name, file)));
}

/** Keeps an input for every later run. Returns its path. */
export function keepInput(name: string, input: Uint8Array): string {
  mkdirSync(join(CORPUS, name), { recursive: true });
  const path = join(CORPUS, name, createHash('sha256').update(input).digest('hex').slice(0, 16));
  writeFileSync(path, input);
  return path;
}

const textOf = (cause: unknown): string =>
  cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);

/** Why the target fails on an input, if it does. */
export async function tryInput(target: FuzzTarget, input: Buffer): Promise<string | undefined> {
  const limit = (target.patienceMs ?? SLOW_MS) + SLOW_MS_PER_BYTE * input.length;
  let best = Number.POSITIVE_INFINITY;
  // The collector falls on inputs by chance: only one that is slow again and again is slow.
  for (let tries = 0; tries < 3 && best > limit; tries++) {
    const began = process.cpuUsage();
    try {
      await target.run(Buffer.from(input));
    } catch (cause) {
      return textOf(cause);
    }
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, (user + system) / 1000);
  }
  if (best > limit) return `it takes ${Math.round(best)} ms for ${input.length} bytes`;
  // What the language itself hands to everybody must be as it was.
  return Object.keys(Object.prototype).length > 0 || Object.hasOwn(Object.prototype, 'polluted')
    ? 'Object.prototype was changed'
    : undefined;
}

/** Takes away what a failure does not need. */
async function reduced(target: FuzzTarget, failure: Failure): Promise<Failure> {
  let { input, why } = failure;
  for (let piece = input.length >> 1; piece > 0; piece >>= 1)
    for (let at = 0; at + piece <= input.length && input.length <= 64 * 1024; ) {
      const shorter = Buffer.concat([input.subarray(0, at), input.subarray(at + piece)]);
      const still = await tryInput(target, shorter);
      if (still === undefined) at += piece;
      else [input, why] = [shorter, still];
    }
  return { input, why };
}

/** Runs a target on its seeds, then on what becomes of them, following the blocks that they reach. */
export async function fuzz(
  target: FuzzTarget,
  options: { inputs: number; seed: number; until?: () => boolean; onProgress?: (report: FuzzReport) => void },
): Promise<FuzzReport> {
  const random = seeded(options.seed);
  const kept: Buffer[] = [...target.seeds.map((seed) => Buffer.from(seed)), ...corpusOf(target.name)];
  const report: FuzzReport = { inputs: 0, kept: 0, blocks: 0, failure: undefined };
  const attempt = async (input: Buffer): Promise<boolean> => {
    report.inputs++;
    const why = await tryInput(target, input);
    if (why !== undefined) report.failure = await reduced(target, { input, why });
    return why === undefined;
  };
  for (const input of kept) if (!(await attempt(input))) return report;
  const coverage = new Coverage();
  await coverage.start();
  try {
    while (report.inputs < options.inputs && options.until?.() !== true) {
      const batch: Buffer[] = [];
      for (let i = 0; i < BATCH && report.inputs < options.inputs; i++) {
        const base = kept[random(kept.length)] ?? Buffer.alloc(0);
        const input = mutated(base, kept[random(kept.length)] ?? base, random, target.dictionary);
        batch.push(input);
        if (!(await attempt(input))) return report;
      }
      if ((await coverage.fresh()) > 0) {
        // Which of them it was shows when each runs alone; what is not new any more is passed over.
        kept.push(...batch.slice(-8));
        report.kept = kept.length;
      }
      report.blocks = coverage.size;
      options.onProgress?.(report);
    }
  } finally {
    await coverage.stop();
  }
  return report;
}
