import { signersOf } from '../../proof/approval-signature.ts';
import type { ApprovalSignature, ApprovalSubject } from '../../protocol/approval.ts';
import type { Actor } from '../../protocol/command.ts';
import { type ApprovalRequirements, approvalRequirementsSchema } from '../../protocol/rest-approvals.ts';
import type { Row } from '../store/tables.ts';
import { isMeant, type Someone } from './match.ts';

/** A decision as the store holds it, read. */
export interface Given {
  person: string;
  actor: Actor;
  decision: 'approve' | 'deny';
  comment: string;
  signature: ApprovalSignature | undefined;
  /** Rules that it counts for. */
  countsFor: readonly string[];
  at: number;
}

export const readDecision = (row: Row<'approval_decisions'>): Given => ({
  person: row.person,
  actor: JSON.parse(row.actor) as Actor,
  decision: row.decision,
  comment: row.comment,
  signature: row.signature === null ? undefined : (JSON.parse(row.signature) as ApprovalSignature),
  countsFor: JSON.parse(row.counts_for) as string[],
  at: Number(row.at),
});

export const readRequirements = (row: Pick<Row<'approvals'>, 'requirements'>): ApprovalRequirements =>
  approvalRequirementsSchema.parse(JSON.parse(row.requirements));

/** The rules that somebody's approval counts for. */
export const rulesFor = ({ rules }: ApprovalRequirements, someone: Someone): string[] =>
  rules.filter((rule) => isMeant(rule, someone)).map(({ id }) => id);

export interface Progress {
  rules: { id: ApprovalRequirements['rules'][number]['id']; name: string; needed: number; given: number }[];
  signatures: { need: ApprovalRequirements['signatures'][number]; signedBy: string[] }[];
  done: boolean;
}

/** How far an approval is: each rule has its number of people, and each policy its approvers' own signatures. Pure. */
export function progressOf(
  requirements: ApprovalRequirements,
  subject: ApprovalSubject,
  decisions: readonly Given[],
): Progress {
  const approved = decisions.filter(({ decision }) => decision === 'approve');
  const own = approved.flatMap(({ signature }) => signature ?? []);
  const rules = requirements.rules.map(({ id, name, count }) => ({
    id,
    name,
    needed: count,
    given: new Set(approved.filter(({ countsFor }) => countsFor.includes(id)).map(({ person }) => person))
      .size,
  }));
  const signatures = requirements.signatures.map((need) => ({
    need,
    signedBy: signersOf(need.policy, own, subject),
  }));
  const done =
    rules.every(({ needed, given }) => given >= needed) &&
    signatures.every(({ need, signedBy }) => signedBy.length >= need.policy.quorum);
  return { rules, signatures, done };
}
