import { isoTime } from '../../base/clock.ts';
import { type MerkleTree, merkleTree } from '../../proof/merkle.ts';
import {
  type ApprovalProof,
  type ApprovalSubject,
  type ApprovalTarget,
  inTreeOrder,
  targetLeaf,
} from '../../protocol/approval.ts';
import { DEFAULT_COMMAND_LIFE_S } from '../../protocol/command.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

export type TargetRow = ApprovalTarget & { vm_id: string; state: string };

/** Every command of a job, in the order of the tree. */
export async function readTargets(
  db: Queryable,
  organizationId: string,
  jobId: string,
): Promise<TargetRow[]> {
  const rows = await db
    .selectFrom('commands')
    .select(['id', 'agent_id', 'vm_id', 'state'])
    .where('organization_id', '=', organizationId)
    .where('job_id', '=', jobId)
    .execute();
  // Rows hold identifiers that were checked before they were written.
  return inTreeOrder(
    rows.map(({ id, agent_id, vm_id, state }) => ({ command_id: id, agent_id, vm_id, state }) as TargetRow),
  );
}

const treeOf = (targets: readonly ApprovalTarget[]): MerkleTree => merkleTree(targets.map(targetLeaf));

/**
 * What a job does, as the store says it now. Its commands may start until all that may come before has taken its
 * time: the decision, the waves, and each command's own wait for its machine.
 */
export async function subjectOf(
  db: Queryable,
  job: Pick<
    Row<'jobs'>,
    'organization_id' | 'id' | 'tool' | 'arguments' | 'timeout_s' | 'created_at' | 'expires_in_s'
  >,
  options: { outputCap: number; decidedByMs: number; targets: readonly ApprovalTarget[] },
): Promise<ApprovalSubject> {
  const rollout = await db
    .selectFrom('rollouts')
    .select('deadline_at')
    .where('organization_id', '=', job.organization_id)
    .where('job_id', '=', job.id)
    .executeTakeFirst();
  const begins = Math.max(options.decidedByMs, Number(rollout?.deadline_at ?? 0));
  const lifeS = job.expires_in_s ?? DEFAULT_COMMAND_LIFE_S;
  return {
    v: 1,
    org_id: job.organization_id as ApprovalSubject['org_id'],
    job_id: job.id as ApprovalSubject['job_id'],
    tool: job.tool,
    arguments: JSON.parse(job.arguments) as Record<string, unknown>,
    run_as: null,
    limits: { timeout_s: job.timeout_s, output_bytes: options.outputCap },
    expires_at: isoTime(begins + lifeS * 1000),
    targets: { count: options.targets.length, root: treeOf(options.targets).root },
  };
}

/** For each command the way from its leaf to the root that was signed. */
export function proofsOf(
  subject: ApprovalSubject,
  targets: readonly ApprovalTarget[],
): ReadonlyMap<string, ApprovalProof> {
  const tree = treeOf(targets);
  return new Map(
    targets.map(({ command_id }, index) => [
      command_id,
      { expires_at: subject.expires_at, targets: subject.targets, index, path: tree.pathOf(index) },
    ]),
  );
}
