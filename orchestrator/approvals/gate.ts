import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { approvalDigest } from '../../proof/approval-signature.ts';
import type { ApprovalProof } from '../../protocol/approval.ts';
import type { Actor, CommandPayload } from '../../protocol/command.ts';
import { DEFAULT_APPROVAL_S } from '../../protocol/rest-approvals.ts';
import { record } from '../audit/audit.ts';
import { lockedError } from '../locks/locks.ts';
import { lockOn, lockSentence } from '../locks/match.ts';
import { activeLocks, selectorTargets } from '../locks/read.ts';
import type { Queryable, Tx } from '../store/store.ts';
import { personOf } from '../tenancy/person.ts';
import { whatIsNeeded } from './requirements.ts';
import { proofsOf, readTargets, subjectOf } from './subject.ts';

/** A job as it is about to be stored, as far as locks and rules look at it. */
export interface ProposedJob {
  organizationId: string;
  jobId?: string;
  actor: Actor;
  address: string | null;
  work: { tool: string; arguments: Record<string, unknown> };
  targets: readonly { agentId: string; vmId: string }[];
  now: number;
}

export interface Notice {
  kind: string;
  text: string;
  agents: number | null;
}

/** What locks and approvals have to say about a job before it begins; each in the transaction that it is given. */
export interface Gate {
  /** @throws AppError `locked` when nothing of it may be done. True: it waits for an approval. */
  hold(tx: Tx, job: ProposedJob): Promise<boolean>;
  /** Writes down what is to be approved, after the job and its commands. */
  held(tx: Tx, job: ProposedJob): Promise<void>;
  notices(db: Queryable, job: ProposedJob): Promise<Notice[]>;
  /** For the commands of a job that approvers signed: where each stands in what they signed. */
  proofs(
    tx: Queryable,
    job: { organization_id: string; id: string },
    approvals: CommandPayload['approvals'],
  ): Promise<ReadonlyMap<string, ApprovalProof>>;
}

export function createGate(options: {
  clock: Clock;
  outputCap: number;
  /** In the transaction; what follows from it waits until the job's own hint says that it is stored. */
  onHeld: (organizationId: string, jobId: string) => void;
}): Gate {
  const { clock, outputCap, onHeld } = options;

  async function locksOn(db: Queryable, job: ProposedJob) {
    const { organizationId, actor, work, targets } = job;
    const locks = await activeLocks(db, organizationId, job.now);
    if (locks.length === 0) return { all: undefined, some: [] };
    const { ids } = await personOf(db, organizationId, actor);
    const all = lockOn(locks, { who: ids, tool: work.tool });
    const known = await selectorTargets(
      db,
      organizationId,
      targets.map(({ agentId }) => agentId),
    );
    const some = targets.flatMap(({ agentId }) => lockOn(locks, { agent: known.get(agentId) }) ?? []);
    return { all: all ?? (some.length === targets.length ? some[0] : undefined), some };
  }

  const needed = async (db: Queryable, job: ProposedJob) => {
    const requester = await personOf(db, job.organizationId, job.actor);
    const wants = await whatIsNeeded(db, {
      organizationId: job.organizationId,
      requester,
      ...job.work,
      agentIds: job.targets.map(({ agentId }) => agentId),
      defaultExpiresIn: DEFAULT_APPROVAL_S,
    });
    return wants && { ...wants, requester };
  };

  return {
    async hold(tx, job) {
      const { all } = await locksOn(tx, job);
      if (all !== undefined) throw lockedError(all);
      return (await needed(tx, job)) !== undefined;
    },

    async held(tx, job) {
      const { organizationId, jobId, actor, address, now } = job;
      const wants = await needed(tx, job);
      if (wants === undefined || jobId === undefined) throw new Error('a job is held that needs no approval');
      const row = await tx
        .selectFrom('jobs')
        .selectAll()
        .where('organization_id', '=', organizationId)
        .where('id', '=', jobId)
        .executeTakeFirstOrThrow();
      const expiresAt = now + wants.expiresIn * 1000;
      const targets = await readTargets(tx, organizationId, jobId);
      const subject = await subjectOf(tx, row, { outputCap, decidedByMs: expiresAt, targets });
      const digest = approvalDigest(subject).toString('hex');
      const id = newId('apv', clock);
      // Who may decide until then must not be overtaken by the command's own end.
      await tx
        .updateTable('commands')
        .set({ expires_at: expiresAt })
        .where('organization_id', '=', organizationId)
        .where('job_id', '=', jobId)
        .where('state', '=', 'awaiting_approval')
        .where('expires_at', '<', expiresAt)
        .execute();
      await tx
        .insertInto('approvals')
        .values({
          organization_id: organizationId,
          id,
          job_id: jobId,
          state: 'pending',
          requester: JSON.stringify(actor),
          requester_person: wants.requester.id,
          digest,
          subject: JSON.stringify(subject),
          requirements: JSON.stringify(wants.requirements),
          created_at: now,
          expires_at: expiresAt,
          ended_at: null,
          released_at: null,
          detail: null,
        })
        .execute();
      await record(tx, {
        at: now,
        organizationId,
        action: 'approval.request',
        actor,
        address,
        target: id,
        detail: {
          job_id: jobId,
          digest,
          rules: wants.requirements.rules.map((rule) => rule.name),
          signatures: wants.requirements.signatures.length,
          expires_at: expiresAt,
        },
      });
      onHeld(organizationId, jobId);
    },

    async notices(db, job) {
      const found: Notice[] = [];
      const { all, some } = await locksOn(db, job);
      if (all !== undefined) found.push({ kind: 'locked', text: lockSentence(all), agents: null });
      else if (some.length > 0)
        found.push({
          kind: 'locked',
          text: `${some.length} of the machines are locked; they get it when their lock ends, if it has not expired by then.`,
          agents: some.length,
        });
      const wants = await needed(db, job);
      if (wants !== undefined) found.push(...noticesOf(wants.requirements));
      return found;
    },

    async proofs(tx, job, given) {
      if (!given.some(({ signature }) => signature !== undefined)) return new Map();
      const row = await tx
        .selectFrom('approvals')
        .select('subject')
        .where('organization_id', '=', job.organization_id)
        .where('job_id', '=', job.id)
        .executeTakeFirst();
      if (row === undefined) return new Map();
      return proofsOf(JSON.parse(row.subject), await readTargets(tx, job.organization_id, job.id));
    },
  };
}

function noticesOf({
  rules,
  signatures,
}: NonNullable<Awaited<ReturnType<typeof whatIsNeeded>>>['requirements']) {
  const found: Notice[] = [];
  for (const { name, count } of rules)
    found.push({
      kind: 'approval',
      text: `The rule "${name}" wants the approval of ${count === 1 ? 'another person' : `${count} other people`}.`,
      agents: null,
    });
  for (const { policy, vm_ids } of signatures)
    found.push({
      kind: 'signature',
      text: `The policy of ${vm_ids.length === 1 ? vm_ids[0] : `${vm_ids.length} machines`} wants ${policy.quorum === 1 ? 'the own signature' : `the own signatures of ${policy.quorum}`} of ${policy.approvers.map(({ name }) => name).join(', ')}.`,
      agents: vm_ids.length,
    });
  return found;
}
