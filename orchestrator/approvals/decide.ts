import type { z } from 'zod';
import { type Clock, isoTime } from '../../base/clock.ts';
import { approvalDigest, isSignedBy } from '../../proof/approval-signature.ts';
import type { ApprovalSignature, ApprovalSubject } from '../../protocol/approval.ts';
import type { Actor, CommandPayload, Reason } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import type { ApprovalRequirements, approveRequestSchema } from '../../protocol/rest-approvals.ts';
import type { Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { type Person, personOf } from '../tenancy/person.ts';
import { type Given, progressOf, readDecision, readRequirements, rulesFor } from './progress.ts';
import { readTargets, subjectOf } from './subject.ts';

export interface DecideRequest {
  organizationId: OrganizationId;
  id: string;
  actor: Actor;
  /** Of the caller, in this organization. */
  role: Role;
  address: string | null;
}

/** Why held commands end, for {@link JobsOfApprovals.endHeld}. */
export type HeldEnd =
  | { kind: 'withheld'; state: 'skipped' | 'refused'; reason: Reason | null }
  | { kind: 'deadline' };

/** What approvals do to jobs. */
export interface JobsOfApprovals {
  release(request: {
    organizationId: OrganizationId;
    jobId: JobId;
    actor: Actor;
    address: string | null;
    approvals: CommandPayload['approvals'];
    within?: (tx: Tx) => Promise<void>;
  }): Promise<void>;
  endHeld(
    tx: Tx,
    job: { organizationId: string; jobId: string },
    event: HeldEnd,
    context: { now: number; actor: AuditActor; address: string | null },
  ): Promise<void>;
}

export const approvalNotFound = (id: string): AppError =>
  new AppError('not_found', { detail: `There is no approval ${id} here.` });

export const readApproval = (tx: Queryable, organizationId: string, id: string) =>
  tx
    .selectFrom('approvals')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .executeTakeFirst();

export const readDecisions = async (tx: Queryable, organizationId: string, id: string): Promise<Given[]> =>
  (
    await tx
      .selectFrom('approval_decisions')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .where('approval_id', '=', id)
      .orderBy('at')
      .execute()
  ).map(readDecision);

/** Ends an approval that is pending, and with it its job's commands. */
export async function endApproval(
  tx: Tx,
  row: Row<'approvals'>,
  end: { state: 'denied' | 'expired' | 'cancelled' | 'void'; detail: string; held: HeldEnd | undefined },
  context: { now: number; actor: AuditActor; address: string | null },
  jobs: JobsOfApprovals,
): Promise<void> {
  await tx
    .updateTable('approvals')
    .set({ state: end.state, ended_at: context.now, detail: end.detail })
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.id)
    .execute();
  await record(tx, {
    at: context.now,
    organizationId: row.organization_id,
    action: `approval.${{ denied: 'deny', expired: 'expire', cancelled: 'cancel', void: 'void' }[end.state]}`,
    actor: context.actor,
    address: context.address,
    target: row.id,
    detail: { job_id: row.job_id, digest: row.digest, why: end.detail },
  });
  const job = { organizationId: row.organization_id, jobId: row.job_id };
  if (end.held !== undefined) await jobs.endHeld(tx, job, end.held, context);
}

/** @throws AppError `not_found`, `approval_ended`, `own_approval`, `conflict` when he has decided before. */
async function openFor(
  tx: Tx,
  request: DecideRequest,
  now: number,
): Promise<{ row: Row<'approvals'>; person: Person; decisions: Given[] }> {
  const { organizationId, id, actor } = request;
  const row = await readApproval(tx, organizationId, id);
  if (row === undefined) throw approvalNotFound(id);
  if (row.ended_at !== null || row.expires_at <= now)
    throw new AppError('approval_ended', {
      detail:
        row.ended_at === null
          ? `The time to decide was over at ${isoTime(Number(row.expires_at))}.`
          : `This approval is ${row.state} already.`,
      hint: 'Submit the job again if it is still wanted.',
    });
  const person = { ...(await personOf(tx, organizationId, actor)), role: request.role };
  if (person.id === row.requester_person || person.ids.includes((JSON.parse(row.requester) as Actor).id))
    throw new AppError('own_approval', {
      detail: `${actor.name} asked for this job; another person must decide on it.`,
      hint: `To withdraw it: vm-orchestrator jobs cancel ${row.job_id}`,
    });
  const decisions = await readDecisions(tx, organizationId, id);
  if (decisions.some((decision) => decision.person === person.id))
    throw new AppError('conflict', { detail: `${actor.name} has approved this already.` });
  return { row, person, decisions };
}

/** @throws AppError `approval_signature_invalid` */
function checkSignature(
  requirements: ApprovalRequirements,
  signature: ApprovalSignature,
  subject: ApprovalSubject,
): void {
  const approvers = requirements.signatures.flatMap(({ policy }) => policy.approvers);
  if (approvers.some((approver) => isSignedBy(approver, signature, subject))) return;
  throw new AppError('approval_signature_invalid', {
    detail:
      approvers.length === 0
        ? 'No machine of this job demands signatures.'
        : `The signature is by none of ${[...new Set(approvers.map(({ name }) => name))].join(', ')}, or not over just this.`,
    hint: 'vm-orchestrator approvals challenge ID prints the bytes to be signed: ssh-keygen -Y sign -n vm-agent-approval.',
  });
}

/** @throws AppError `forbidden` for an approval that would count for nothing. */
function refuseUseless(
  requirements: ApprovalRequirements,
  counts: readonly string[],
  signature: ApprovalSignature | undefined,
  name: string,
): void {
  if (counts.length > 0 || signature !== undefined) return;
  if (requirements.rules.length === 0)
    throw new AppError('approval_signature_invalid', {
      detail: 'This approval needs an approver’s own signature.',
      hint: 'vm-orchestrator approvals challenge ID prints the bytes to be signed; then approve with --signature FILE.',
    });
  throw new AppError('forbidden', {
    detail: `The rules name other approvers than ${name}.`,
    hint: 'vm-orchestrator approval-rules list shows who may approve.',
  });
}

export interface Decide {
  /** Resolves with the state of the approval. @throws AppError, see errors.ts. */
  approve(request: DecideRequest & { body: z.output<typeof approveRequestSchema> }): Promise<string>;
  deny(request: DecideRequest & { comment: string }): Promise<string>;
  /** Lets a job go whose last approval was stored just before a crash. False: it still waits for somebody. */
  finish(row: Row<'approvals'>): Promise<boolean>;
}

export function createDecide(options: {
  store: Store;
  clock: Clock;
  jobs: JobsOfApprovals;
  outputCap: number;
  /** After the commit. */
  changed: (organizationId: string, jobId: string) => void;
}): Decide {
  const { store, clock, jobs, outputCap, changed } = options;

  /** Whether what is stored is still what the approval is bound to. */
  async function isUnchanged(tx: Tx, row: Row<'approvals'>): Promise<boolean> {
    const job = await tx
      .selectFrom('jobs')
      .selectAll()
      .where('organization_id', '=', row.organization_id)
      .where('id', '=', row.job_id)
      .executeTakeFirst();
    if (job === undefined) return false;
    const targets = await readTargets(tx, row.organization_id, row.job_id);
    if (targets.length === 0) return false;
    const subject = await subjectOf(tx, job, {
      outputCap,
      decidedByMs: Number(row.expires_at),
      targets,
    });
    return approvalDigest(subject).toString('hex') === row.digest;
  }

  async function insertDecision(
    tx: Tx,
    row: Row<'approvals'>,
    given: Given,
    address: string | null,
  ): Promise<void> {
    await tx
      .insertInto('approval_decisions')
      .values({
        organization_id: row.organization_id,
        approval_id: row.id,
        person: given.person,
        actor: JSON.stringify(given.actor),
        decision: given.decision,
        comment: given.comment,
        signature: given.signature === undefined ? null : JSON.stringify(given.signature),
        counts_for: JSON.stringify(given.countsFor),
        at: given.at,
      })
      .execute();
    if (given.decision === 'deny') return;
    await record(tx, {
      at: given.at,
      organizationId: row.organization_id,
      action: 'approval.approve',
      actor: given.actor,
      address,
      target: row.id,
      detail: {
        job_id: row.job_id,
        digest: row.digest,
        comment: given.comment,
        signed: given.signature !== undefined,
      },
    });
  }

  type Outcome =
    | { kind: 'waiting' | 'void'; row: Row<'approvals'> }
    | { kind: 'complete'; row: Row<'approvals'>; decisions: Given[] };

  async function take(
    tx: Tx,
    request: DecideRequest & { body: z.output<typeof approveRequestSchema> },
  ): Promise<Outcome> {
    const { actor, address, body } = request;
    const now = clock.now();
    const { row, person, decisions } = await openFor(tx, request, now);
    if (body.digest !== row.digest)
      throw new AppError('approval_mismatch', {
        detail: 'The digest is another one’s: what was looked at is not what waits here.',
        hint: `Look at it again: vm-orchestrator approvals show ${row.id}`,
      });
    if (!(await isUnchanged(tx, row))) {
      const detail = 'The stored job is not the one that was asked for any more; it was not run.';
      const held = { kind: 'withheld', state: 'refused', reason: 'denied' } as const;
      await endApproval(tx, row, { state: 'void', detail, held }, { now, actor, address }, jobs);
      return { kind: 'void', row };
    }
    const requirements = readRequirements(row);
    const subject = JSON.parse(row.subject) as ApprovalSubject;
    if (body.signature !== undefined) checkSignature(requirements, body.signature, subject);
    const countsFor = rulesFor(requirements, person);
    refuseUseless(requirements, countsFor, body.signature, actor.name);
    const given: Given = {
      person: person.id,
      actor,
      decision: 'approve',
      comment: body.comment,
      signature: body.signature,
      countsFor,
      at: now,
    };
    await insertDecision(tx, row, given, address);
    const all = [...decisions, given];
    return progressOf(requirements, subject, all).done
      ? { kind: 'complete', row, decisions: all }
      : { kind: 'waiting', row };
  }

  /** Marks it and lets the job go, in one transaction. */
  async function letGo(
    request: Pick<DecideRequest, 'organizationId' | 'actor' | 'address'>,
    { row, decisions }: { row: Row<'approvals'>; decisions: readonly Given[] },
  ): Promise<void> {
    const { organizationId, actor, address } = request;
    await jobs.release({
      organizationId,
      jobId: row.job_id as JobId,
      actor,
      address,
      approvals: approvalsOf(decisions),
      within: (tx) => markApproved(tx, row, clock.now()),
    });
  }

  return {
    async approve(request) {
      const outcome = await store.transaction((tx) => take(tx, request));
      const { organizationId } = request;
      if (outcome.kind === 'complete') await letGo(request, outcome);
      changed(organizationId, outcome.row.job_id);
      if (outcome.kind === 'void')
        throw new AppError('approval_mismatch', {
          detail:
            'The stored job is not the one that was asked for any more. It was ended, and nothing was run.',
          hint: 'Look into the audit log, then submit the job again.',
        });
      return outcome.kind === 'complete' ? 'approved' : 'pending';
    },
    async finish(row) {
      const decisions = await readDecisions(store.db, row.organization_id, row.id);
      const last = decisions.at(-1);
      if (last === undefined) return false;
      const subject = JSON.parse(row.subject) as ApprovalSubject;
      if (!progressOf(readRequirements(row), subject, decisions).done) return false;
      const organizationId = row.organization_id as OrganizationId;
      await letGo({ organizationId, actor: last.actor, address: null }, { row, decisions });
      changed(organizationId, row.job_id);
      return true;
    },
    async deny(request) {
      const { organizationId, actor, address, comment } = request;
      const jobId = await store.transaction(async (tx) => {
        const now = clock.now();
        const { row, person } = await openFor(tx, request, now);
        const given: Given = {
          person: person.id,
          actor,
          decision: 'deny',
          comment,
          signature: undefined,
          countsFor: [],
          at: now,
        };
        await insertDecision(tx, row, given, address);
        const detail = `Denied by ${actor.name}${comment === '' ? '.' : `: ${comment}`}`;
        const held = { kind: 'withheld', state: 'refused', reason: 'denied' } as const;
        await endApproval(tx, row, { state: 'denied', detail, held }, { now, actor, address }, jobs);
        return row.job_id;
      });
      changed(organizationId, jobId);
      return 'denied';
    },
  };
}

/** Of the decisions, what the signed commands carry. */
export const approvalsOf = (decisions: readonly Given[]): CommandPayload['approvals'] =>
  decisions
    .filter(({ decision }) => decision === 'approve')
    .map(({ actor, at, signature }) => ({
      id: actor.id,
      name: actor.name,
      at: isoTime(at),
      ...(signature === undefined ? {} : { signature }),
    }));

/** @throws AppError `approval_ended` when somebody was faster. */
export async function markApproved(tx: Tx, row: Row<'approvals'>, now: number): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('approvals')
    .set({ state: 'approved', ended_at: now, released_at: now })
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.id)
    .where('state', '=', 'pending')
    .executeTakeFirst();
  if (numUpdatedRows === 0n)
    throw new AppError('approval_ended', { detail: 'This approval ended meanwhile.' });
}
