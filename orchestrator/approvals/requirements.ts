import { approvalPolicySchema, needsApproval } from '../../protocol/approval.ts';
import { canonicalJson } from '../../protocol/canonical-json.ts';
import { vmIdSchema } from '../../protocol/ids.ts';
import type { ApprovalRequirements } from '../../protocol/rest-approvals.ts';
import { asSelectorTarget } from '../locks/read.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { meets, type Someone } from './match.ts';
import { readRules } from './rules.ts';

type AgentRow = Pick<Row<'agents'>, 'id' | 'vm_id' | 'labels' | 'reported_labels' | 'approval_policy'>;

async function readAgents(
  db: Queryable,
  organizationId: string,
  ids: readonly string[],
): Promise<AgentRow[]> {
  const found: AgentRow[] = [];
  for (let at = 0; at < ids.length; at += 500)
    found.push(
      ...(await db
        .selectFrom('agents')
        .select(['id', 'vm_id', 'labels', 'reported_labels', 'approval_policy'])
        .where('organization_id', '=', organizationId)
        .where('id', 'in', ids.slice(at, at + 500))
        .execute()),
    );
  return found;
}

type SignatureNeed = ApprovalRequirements['signatures'][number];

/** Machines with the same policy are approved by the same people. */
function signaturesNeeded(
  agents: readonly AgentRow[],
  call: { tool: string; arguments: Readonly<Record<string, unknown>> },
): SignatureNeed[] {
  const needs = new Map<string, SignatureNeed>();
  for (const { vm_id, approval_policy: text } of agents) {
    if (text === null) continue;
    // What an agent of another version says may not be understood here; its executor decides anyway.
    const parsed = approvalPolicySchema.safeParse(JSON.parse(text));
    if (!parsed.success || !needsApproval(parsed.data, call)) continue;
    const { approvers, quorum } = parsed.data;
    const key = canonicalJson({ approvers, quorum });
    const need = needs.get(key) ?? { policy: parsed.data, vm_ids: [] };
    need.vm_ids.push(vmIdSchema.parse(vm_id));
    needs.set(key, need);
  }
  return [...needs.values()];
}

export interface Needed {
  requirements: ApprovalRequirements;
  /** Seconds in which all must be decided. */
  expiresIn: number;
}

/** What a job needs before it may begin; undefined: nothing. */
export async function whatIsNeeded(
  db: Queryable,
  job: {
    organizationId: string;
    requester: Someone;
    tool: string;
    arguments: Readonly<Record<string, unknown>>;
    agentIds: readonly string[];
    /** Seconds, where machines demand signatures and no rule says how long. */
    defaultExpiresIn: number;
  },
): Promise<Needed | undefined> {
  const { organizationId, requester, tool } = job;
  const agents = await readAgents(db, organizationId, job.agentIds);
  const submission = { requester, tool, arguments: job.arguments, targets: agents.map(asSelectorTarget) };
  const rules = (await readRules(db, organizationId)).filter((rule) => meets(rule, submission));
  const signatures = signaturesNeeded(agents, job);
  if (rules.length === 0 && signatures.length === 0) return undefined;
  return {
    requirements: {
      rules: rules.map(({ id, name, approvers: { count, roles, actors } }) => ({
        id,
        name,
        count,
        roles,
        actors,
      })),
      signatures,
    },
    expiresIn: rules.length === 0 ? job.defaultExpiresIn : Math.min(...rules.map((rule) => rule.expires_in)),
  };
}
