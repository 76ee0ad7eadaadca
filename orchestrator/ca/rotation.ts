import { X509Certificate } from 'node:crypto';
import { AppError } from '../../protocol/errors.ts';
import type { RotationRequest } from '../../protocol/rest-ca.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Tx } from '../store/store.ts';
import type { NewRow } from '../store/tables.ts';
import { newAuthorityRow, openKey } from './authority-rows.ts';
import { crossSign } from './cross-sign.ts';
import {
  newRoot,
  nextVersion,
  type RootMaker,
  type RootRow,
  type RootState,
  type Roots,
  readRoots,
} from './roots.ts';

export interface RotationBy {
  actor: AuditActor;
  address: string | null;
}

export interface RotationOptions extends RootMaker {
  issuingS?: number | undefined;
  /** Live agents that have not confirmed the present set of roots, by name. */
  unconfirmed(): Promise<{ vmId: string; agentId: string }[]>;
  /** After a commit: everything that was made of the roots is made anew. */
  changed(): Promise<void>;
}

export interface Rotation {
  /** @throws AppError `conflict`, `unavailable` when a key is away. */
  run(request: RotationRequest, by: RotationBy): Promise<void>;
  /** Another issuing certificate for one organization, or for the orchestrator itself (null). */
  renewIssuing(organizationId: string | null, by: RotationBy): Promise<void>;
}

const conflict = (detail: string, hint: string): AppError => new AppError('conflict', { detail, hint });

/** The names of a few, and how many there are besides. */
const some = (names: readonly string[]): string =>
  names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;

/** Keys are made and used before a transaction, which looks again and writes what was made. */
export function createRotation(options: RotationOptions): Rotation {
  const { store, clock, sealer } = options;

  const stateOf = (roots: Roots, state: RootState): RootRow | undefined =>
    roots.all.findLast((row) => row.state === state);

  const setState = (tx: Queryable, row: RootRow, state: RootState) =>
    tx
      .updateTable('certificate_authorities')
      .set({ state })
      .where('id', '=', row.id)
      .where('kind', '=', 'root')
      .execute();

  async function write(
    before: Roots,
    by: RotationBy,
    action: string,
    detail: Record<string, unknown>,
    work: (tx: Tx) => Promise<void>,
  ) {
    await store.transaction(async (tx) => {
      const now = await readRoots(tx);
      if (now.version !== before.version)
        throw conflict(
          'Somebody else changed the roots at the same moment.',
          'Look at `vm-orchestrator ca show` and try again.',
        );
      await work(tx);
      await nextVersion(tx);
      await record(tx, {
        at: clock.now(),
        organizationId: null,
        action,
        actor: by.actor,
        address: by.address,
        detail: { ...detail, trust_version: before.version + 1 },
      });
    });
    await options.changed();
  }

  const insert = (tx: Queryable, rows: Awaited<ReturnType<typeof newRoot>>['row'][]) =>
    tx.insertInto('certificate_authorities').values(rows).execute();

  /** One more way to a root: its key under `by`. */
  async function crossed(row: RootRow, by: RootRow): Promise<string> {
    const cross = await crossSign({ root: row.certificate, by: by.certificate, key: openKey(sealer, by) });
    return (row.cross_certificate ?? '') + cross;
  }
  const setCross = (tx: Queryable, row: RootRow, cross: string) =>
    tx
      .updateTable('certificate_authorities')
      .set({ cross_certificate: cross })
      .where('id', '=', row.id)
      .where('kind', '=', 'root')
      .execute();

  async function start(roots: Roots, backup: boolean, by: RotationBy): Promise<void> {
    const { active } = roots;
    const open = stateOf(roots, 'next') ?? stateOf(roots, 'previous');
    if (open !== undefined)
      throw conflict(
        'A rotation is under way.',
        'Go on with `ca rotate --activate` or `--finish`, or give it up by `--abort`.',
      );
    if (!backup) {
      if (active.sealed_key === null)
        throw conflict(
          'The key of the root is not on this machine, and it must sign the new one.',
          'Bring it back, or rotate to the backup root: `ca backup-key import`, then `ca rotate --start --backup`.',
        );
      const next = await newRoot(options, 'next', active);
      return write(roots, by, 'ca.rotate_start', { root: next.row.fingerprint }, async (tx) => {
        await insert(tx, [next.row]);
      });
    }
    const next = stateOf(roots, 'backup');
    if (next === undefined)
      throw conflict('There is no backup root.', 'Rotate to a new root: `ca rotate --start`.');
    if (next.sealed_key === null)
      throw conflict(
        'The key of the backup root is not on this machine.',
        'Bring it back by `vm-orchestrator ca backup-key import --data DIR --file FILE`.',
      );
    // Agents that never learned of the backup root come to it through the active one, where its key is still here.
    const cross =
      active.sealed_key === null || isCrossedBy(next, active)
        ? next.cross_certificate
        : await crossed(next, active);
    const backupNow = await newRoot(options, 'backup', next);
    return write(roots, by, 'ca.rotate_start', { root: next.fingerprint, backup: true }, async (tx) => {
      await setState(tx, next, 'next');
      if (cross !== null) await setCross(tx, next, cross);
      await insert(tx, [backupNow.row]);
    });
  }

  async function activate(roots: Roots, by: RotationBy): Promise<void> {
    const next = stateOf(roots, 'next');
    if (next === undefined) throw conflict('There is no next root.', 'Begin with `ca rotate --start`.');
    const organizations = await store.db.selectFrom('organizations').select('id').execute();
    const issuing: NewRow<'certificate_authorities'>[] = [];
    for (const organizationId of [null, ...organizations.map(({ id }) => id)])
      issuing.push((await newIssuing(next, organizationId)).row);
    const backup = stateOf(roots, 'backup');
    const cross = backup && !isCrossedBy(backup, next) ? await crossed(backup, next) : undefined;
    return write(roots, by, 'ca.rotate_activate', { root: next.fingerprint }, async (tx) => {
      await setState(tx, roots.active, 'previous');
      await setState(tx, next, 'active');
      if (backup && cross !== undefined) await setCross(tx, backup, cross);
      await tx.insertInto('certificate_authorities').values(issuing).execute();
    });
  }

  const newIssuing = (root: RootRow, organizationId: string | null) =>
    newAuthorityRow(
      options,
      { kind: organizationId === null ? 'orchestrator' : 'organization', organizationId },
      { id: root.id, pem: root.certificate, key: openKey(sealer, root) },
    );

  async function finish(roots: Roots, force: boolean, by: RotationBy): Promise<void> {
    const previous = stateOf(roots, 'previous');
    if (previous === undefined)
      throw conflict('There is no previous root to retire.', 'See `vm-orchestrator ca show`.');
    const missing = await options.unconfirmed();
    const names = missing.map(({ vmId }) => vmId);
    if (names.length > 0 && !force)
      throw new AppError('conflict', {
        detail: `${names.length} of the agents have not taken over the new root: ${some(names)}.`,
        hint: 'Wait until they were connected, or retire the old root all the same with --force: agents of this version follow when they come back, older ones go on by the cross-signed root.',
        context: { unconfirmed: names.length },
      });
    const detail = {
      root: previous.fingerprint,
      forced: force && names.length > 0,
      unconfirmed: names.slice(0, 100),
    };
    return write(roots, by, 'ca.rotate_finish', detail, async (tx) => {
      await setState(tx, previous, 'retired');
    });
  }

  async function abort(roots: Roots, by: RotationBy): Promise<void> {
    const next = stateOf(roots, 'next');
    if (next === undefined)
      throw conflict(
        'There is nothing to give up: the new root signs already, or none was begun.',
        'Finish it by `ca rotate --finish`, and rotate again if need be.',
      );
    // A backup root that was to be the next one is the backup again, and the one made in its place goes.
    const replacement = roots.all.find(
      ({ state, created_at }) => state === 'backup' && created_at > next.created_at,
    );
    return write(roots, by, 'ca.rotate_abort', { root: next.fingerprint }, async (tx) => {
      await setState(tx, next, replacement === undefined ? 'retired' : 'backup');
      if (replacement !== undefined) await setState(tx, replacement, 'retired');
    });
  }

  return {
    async run({ action, backup, force }, by) {
      const roots = await readRoots(store.db);
      if (action === 'start') return start(roots, backup, by);
      if (action === 'activate') return activate(roots, by);
      if (action === 'finish') return finish(roots, force, by);
      return abort(roots, by);
    },
    async renewIssuing(organizationId, by) {
      const roots = await readRoots(store.db);
      const made = await newIssuing(roots.active, organizationId);
      const detail = { organization_id: organizationId, certificate: made.row.fingerprint };
      await write(roots, by, 'ca.rotate_issuing', detail, async (tx) => {
        await tx.insertInto('certificate_authorities').values(made.row).execute();
      });
    },
  };
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const isCrossedBy = (row: RootRow, by: RootRow): boolean => {
  const issuer = new X509Certificate(by.certificate);
  return (row.cross_certificate?.match(PEM) ?? []).some((pem) => {
    const cross = new X509Certificate(pem);
    return cross.checkIssued(issuer) && cross.verify(issuer.publicKey);
  });
};
