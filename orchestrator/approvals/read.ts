import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { type ApprovalSubject, approvalText } from '../../protocol/approval.ts';
import type { Actor } from '../../protocol/command.ts';
import { approvalIdSchema, jobIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import type { Approval, ApprovalDetail, approvalListQuerySchema } from '../../protocol/rest-approvals.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { type Person, personOf } from '../tenancy/person.ts';
import { approvalNotFound, readApproval, readDecisions } from './decide.ts';
import { progressOf, readRequirements } from './progress.ts';
import { readTargets } from './subject.ts';

/** Who looks, and whether he has the right to decide at all. */
export interface Viewer {
  actor: Actor;
  mayDecide: boolean;
}

async function shown(
  db: Queryable,
  row: Row<'approvals'>,
  viewer: Viewer,
  person: Person,
): Promise<Approval> {
  const requirements = readRequirements(row);
  const subject = JSON.parse(row.subject) as ApprovalSubject;
  const decisions = await readDecisions(db, row.organization_id, row.id);
  const progress = progressOf(requirements, subject, decisions);
  const job = await db
    .selectFrom('jobs')
    .select(['selector', 'description'])
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.job_id)
    .executeTakeFirstOrThrow();
  const requester = JSON.parse(row.requester) as Actor;
  return {
    id: approvalIdSchema.parse(row.id),
    job_id: jobIdSchema.parse(row.job_id),
    state: row.state,
    requester,
    tool: subject.tool,
    arguments: subject.arguments,
    description: job.description,
    selector: job.selector,
    targets: subject.targets.count,
    digest: row.digest,
    created_at: isoTime(Number(row.created_at)),
    expires_at: isoTime(Number(row.expires_at)),
    ended_at: row.ended_at === null ? null : isoTime(Number(row.ended_at)),
    detail: row.detail,
    rules: progress.rules,
    signatures: progress.signatures.map(({ need: { policy, vm_ids }, signedBy }) => ({
      approvers: policy.approvers.map(({ name }) => name),
      vm_ids,
      needed: policy.quorum,
      signed_by: signedBy,
      webauthn: policy.approvers.flatMap((approver) =>
        'webauthn' in approver
          ? [
              {
                name: approver.name,
                credential_id: approver.webauthn.credential_id,
                rp_id: approver.webauthn.rp_id,
              },
            ]
          : [],
      ),
    })),
    decisions: decisions.map(({ actor, decision, comment, at, signature }) => ({
      actor,
      decision,
      comment,
      at: isoTime(at),
      signed: signature !== undefined,
    })),
    may_decide:
      viewer.mayDecide &&
      row.ended_at === null &&
      person.id !== row.requester_person &&
      !person.ids.includes(requester.id) &&
      !decisions.some((decision) => decision.person === person.id),
  };
}

export async function listApprovals(
  db: Queryable,
  organizationId: string,
  viewer: Viewer,
  query: z.output<typeof approvalListQuerySchema>,
): Promise<{ items: Approval[]; pending: number; next_cursor: string | null }> {
  let select = db
    .selectFrom('approvals')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('id', 'desc')
    .limit(query.limit + 1);
  if (query.state === 'pending') select = select.where('ended_at', 'is', null);
  if (query.state === 'ended') select = select.where('ended_at', 'is not', null);
  if (query.job_id !== undefined) select = select.where('job_id', '=', query.job_id);
  if (query.cursor !== undefined) select = select.where('id', '<', query.cursor);
  const rows = await select.execute();
  const person = await personOf(db, organizationId, viewer.actor);
  const items: Approval[] = [];
  for (const row of rows.slice(0, query.limit)) items.push(await shown(db, row, viewer, person));
  return {
    items,
    pending: await countPending(db, organizationId),
    next_cursor: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null,
  };
}

export async function countPending(db: Queryable, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom('approvals')
    .select((e) => e.fn.countAll<number>().as('n'))
    .where('organization_id', '=', organizationId)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

/** @throws AppError `not_found` */
export async function showApproval(
  db: Queryable,
  organizationId: string,
  viewer: Viewer,
  id: string,
): Promise<ApprovalDetail> {
  const row = await readApproval(db, organizationId, id);
  if (row === undefined) throw approvalNotFound(id);
  const person = await personOf(db, organizationId, viewer.actor);
  const targets = await readTargets(db, organizationId, row.job_id);
  const subject = JSON.parse(row.subject) as ApprovalSubject;
  return {
    ...(await shown(db, row, viewer, person)),
    target_list: targets.map(({ agent_id, command_id, vm_id }) => ({
      agent_id,
      command_id,
      vm_id: vmIdSchema.parse(vm_id),
    })),
    subject,
    text: approvalText(subject),
  };
}
