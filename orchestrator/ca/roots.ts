import type { Clock } from '../../base/clock.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { newAuthorityRow, openKey } from './authority-rows.ts';
import { crossSign } from './cross-sign.ts';

export type RootRow = Row<'certificate_authorities'>;

/**
 * Where a root stands: one is `active` and signs issuing certificates; `next` is trusted already and will sign;
 * `previous` signs no more and is trusted still; `backup` is trusted and its key is kept elsewhere, for the day on which
 * the active one's is lost; `retired` is trusted by nobody.
 */
export type RootState = RootRow['state'];

/** What agents are to trust, in the order of their bundle: the one that signs comes first. */
const TRUSTED: readonly RootState[] = ['active', 'next', 'previous', 'backup'];

export interface Roots {
  /** All that there ever were, the oldest first. */
  all: readonly RootRow[];
  active: RootRow;
  trusted: readonly RootRow[];
  /** Grows with every change of what is trusted, and of who signs. */
  version: number;
}

const VERSION = 'trust_version';
/** Agents keep 1 from their enrolment on, until they are told of the first set. */
const FIRST_VERSION = 2;

export async function readRoots(db: Queryable): Promise<Roots> {
  const all = await db
    .selectFrom('certificate_authorities')
    .selectAll()
    .where('kind', '=', 'root')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  const active = all.findLast(({ state }) => state === 'active');
  if (active === undefined) throw new Error('the store holds no active root');
  const trusted = TRUSTED.flatMap((state) => all.filter((row) => row.state === state));
  const setting = await db
    .selectFrom('settings')
    .select('value')
    .where('key', '=', VERSION)
    .executeTakeFirst();
  return { all, active, trusted, version: Number(setting?.value ?? FIRST_VERSION) };
}

/** In the transaction that changes what is trusted. */
export const nextVersion = (tx: Queryable): Promise<void> => raiseTrustVersion(tx, (version) => version + 1);

/** `raise` gives a larger number than it gets. */
export async function raiseTrustVersion(tx: Queryable, raise: (version: number) => number): Promise<void> {
  const { version } = await readRoots(tx);
  const value = String(raise(version));
  await tx
    .insertInto('settings')
    .values({ key: VERSION, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

/**
 * The certificates by which somebody who knows only an older root comes to the active one: keys of roots, signed by the
 * roots before them. PEM each, the newest first.
 */
export const crossCertificates = (roots: Roots): string[] =>
  roots.all
    .filter(({ state }) => state === 'active' || state === 'previous' || state === 'retired')
    .flatMap(({ cross_certificate: text }) => text ?? [])
    .reverse();

export interface RootMaker {
  store: Store;
  sealer: Sealer;
  clock: Clock;
  trustDomain: string;
}

/** A new root, and its key under the root `by`, where that one's key is here. */
export async function newRoot(maker: RootMaker, state: RootState, by: RootRow | undefined) {
  const made = await newAuthorityRow(maker, { kind: 'root', organizationId: null });
  const cross =
    by && (await crossSign({ root: made.pem, by: by.certificate, key: openKey(maker.sealer, by) }));
  return { ...made, row: { ...made.row, state, cross_certificate: cross ?? null } };
}

/** Every CA has a backup root from its first start on; one that was made before gets it now. */
export async function ensureBackup(maker: RootMaker): Promise<void> {
  const missing = async (db: Queryable) => {
    const roots = await readRoots(db);
    return roots.active.sealed_key !== null && !roots.all.some(({ state }) => state === 'backup')
      ? roots
      : undefined;
  };
  const before = await missing(maker.store.db);
  if (before === undefined) return;
  const made = await newRoot(maker, 'backup', before.active);
  await maker.store.transaction(async (tx) => {
    if ((await missing(tx)) === undefined) return;
    await tx.insertInto('certificate_authorities').values(made.row).execute();
    await nextVersion(tx);
  });
}
