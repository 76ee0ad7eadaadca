import { AppError } from '../../protocol/errors.ts';

/** `info` is worth knowing and nothing to act on; `skipped` was not tried, and says why. */
export type Result = 'ok' | 'info' | 'warn' | 'fail' | 'skipped';

/** A change that makes a check hold. It never touches the content of a key. */
export interface Repair {
  /** What is done, as the end of "would …" and "did: …". */
  what: string;
  apply(): Promise<void>;
}

/** What a check saw. */
export interface Found {
  result: Result;
  detail: string;
  /** What to do about it. */
  hint?: string | undefined;
  repair?: Repair | undefined;
}

/** One thing that must hold. The list is in the order of causes: what breaks others stands before them. */
export interface Check<C> {
  /** Stable: programs go by it. */
  id: string;
  title: string;
  /** Not tried unless each of these was tried and holds. */
  needs?: readonly string[];
  /** Not tried when one of these has failed, whose consequence a failure here would be. */
  after?: readonly string[];
  run(ctx: C): Promise<Found>;
}

export interface Finding {
  id: string;
  title: string;
  result: Result;
  detail: string;
  hint?: string;
  /** Of a skipped one: the check that must hold first. */
  waits_for?: string;
  /** What was done about it, and the result is what came of it. */
  repaired?: string;
  /** What would be done about it. */
  would?: string;
}

/** `look` changes nothing, `plan` says what `fix` would do. */
export type Mode = 'look' | 'plan' | 'fix';

export const ok = (detail: string): Found => ({ result: 'ok', detail });
export const info = (detail: string): Found => ({ result: 'info', detail });
export const skipped = (detail: string, hint?: string): Found => ({ result: 'skipped', detail, hint });
export const warn = (detail: string, hint?: string, repair?: Repair): Found => ({
  result: 'warn',
  detail,
  hint,
  repair,
});
export const fail = (detail: string, hint?: string, repair?: Repair): Found => ({
  result: 'fail',
  detail,
  hint,
  repair,
});

/** Runs the checks in their order; one that cannot hold because of an earlier one is skipped and names it. */
export async function* runChecks<C>(
  checks: readonly Check<C>[],
  ctx: C,
  mode: Mode = 'look',
): AsyncGenerator<Finding> {
  const seen = new Map<string, Finding>();
  for (const check of checks) {
    const { id, title } = check;
    const root = blocker(check, seen);
    const finding: Finding =
      root === undefined
        ? await tried(check, ctx, mode)
        : {
            id,
            title,
            result: 'skipped',
            detail: `waits for ${titleOf(root, seen)} (${root})`,
            waits_for: root,
          };
    seen.set(id, finding);
    yield finding;
  }
}

const titleOf = (id: string, seen: ReadonlyMap<string, Finding>): string => seen.get(id)?.title ?? id;

/** The check at the root of what keeps this one from being tried. */
function blocker<C>(check: Check<C>, seen: ReadonlyMap<string, Finding>): string | undefined {
  const { needs = [], after = [] } = check;
  const rootOf = (id: string, must: boolean): string | undefined => {
    const finding = seen.get(id);
    if (finding?.result === 'fail') return id;
    if (finding?.result !== 'skipped') return undefined;
    return finding.waits_for ?? (must ? id : undefined);
  };
  const roots = [...needs.map((id) => rootOf(id, true)), ...after.map((id) => rootOf(id, false))];
  return roots.find((root) => root !== undefined);
}

async function tried<C>(check: Check<C>, ctx: C, mode: Mode): Promise<Finding> {
  const first = await attempt(check, ctx);
  const { repair } = first;
  if (repair === undefined || mode === 'look') return findingOf(check, first);
  if (mode === 'plan') return { ...findingOf(check, first), would: repair.what };
  try {
    await repair.apply();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return findingOf(check, { ...first, detail: `${first.detail}; the repair failed: ${why}` });
  }
  return { ...findingOf(check, await attempt(check, ctx)), repaired: repair.what };
}

async function attempt<C>(check: Check<C>, ctx: C): Promise<Found> {
  try {
    return await check.run(ctx);
  } catch (cause) {
    return foundFrom(cause);
  }
}

/** What a check threw, as what it found. Who may not look has found nothing. */
function foundFrom(cause: unknown): Found {
  if (cause instanceof AppError)
    return cause.code === 'not_root' ? skipped(cause.message, cause.hint) : fail(cause.message, cause.hint);
  const { code, path, message } = cause as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM')
    return skipped(`you may not read ${path ?? 'what it looks at'}`, 'Run this with sudo.');
  return fail(message ?? String(cause));
}

const findingOf = <C>({ id, title }: Check<C>, { result, detail, hint }: Found): Finding => ({
  id,
  title,
  result,
  detail,
  ...(hint === undefined ? {} : { hint }),
});

/** The finding from which the others follow: the first that fails, else the first to be warned of. */
export const mostLikelyCause = (findings: readonly Finding[]): Finding | undefined =>
  findings.find(({ result }) => result === 'fail') ?? findings.find(({ result }) => result === 'warn');
