import { signersOf } from '../../proof/approval-signature.ts';
import { isInTree } from '../../proof/merkle.ts';
import {
  type ApprovalPolicy,
  type ApprovalSubject,
  needsApproval,
  targetLeaf,
} from '../../protocol/approval.ts';
import type { CommandPayload } from '../../protocol/command.ts';
import { ORCHESTRATOR_GRANT } from '../../protocol/policy.ts';
import type { PolicySource } from './source.ts';

/** Whose signatures this tool may need. A tool that is not allowed is refused for that reason, later. */
export function approvalPolicyOf(
  policy: Pick<PolicySource, 'decide'>,
  tool: string,
): ApprovalPolicy | undefined {
  const decision = policy.decide(ORCHESTRATOR_GRANT, tool);
  return decision.allowed ? decision.approval : undefined;
}

/** What approvers signed, as far as this command says it, made again from the command itself. */
function subjectOf(payload: CommandPayload): ApprovalSubject | undefined {
  const { approval_proof: proof } = payload;
  if (proof === undefined) return undefined;
  const { agent_id, command_id } = payload;
  const leaf = targetLeaf({ agent_id, command_id });
  if (!isInTree({ ...proof.targets, leaf, index: proof.index, path: proof.path })) return undefined;
  return {
    v: 1,
    org_id: payload.org_id,
    job_id: payload.job_id,
    tool: payload.tool,
    arguments: payload.arguments,
    run_as: payload.run_as,
    limits: payload.limits,
    expires_at: proof.expires_at,
    targets: proof.targets,
  };
}

/** What to do about a missing approval. */
export const APPROVAL_HINT =
  'Approvers sign what `vm-orchestrator approvals challenge ID` prints; the owner of the VM names them in policy.yaml.';

/**
 * Why a command that the orchestrator signed may not run although its grant allows the tool: the VM's owner wants the
 * own signatures of people, and they are not there. Undefined: it may. Nothing that the orchestrator says of approvals
 * counts here, only what was signed by a key that stands in the policy.
 */
export function missingApproval(
  payload: CommandPayload,
  policy: ApprovalPolicy | undefined,
): string | undefined {
  if (policy === undefined || !needsApproval(policy, payload)) return undefined;
  const need = `The policy of this VM wants ${policy.quorum === 1 ? 'the own signature' : `the own signatures of ${policy.quorum}`} of ${policy.approvers.map(({ name }) => name).join(', ')} for this command`;
  const signatures = payload.approvals.flatMap(({ signature }) => signature ?? []);
  if (signatures.length === 0) return `${need}; it carries none.`;
  const subject = subjectOf(payload);
  if (subject === undefined) return `${need}; what was signed does not name this VM and this command.`;
  if (Date.parse(payload.expires_at) > Date.parse(subject.expires_at))
    return `${need}; they were given until ${subject.expires_at}.`;
  const signers = signersOf(policy, signatures, subject);
  if (signers.length >= policy.quorum) return undefined;
  return signers.length === 0
    ? `${need}; it carries none of theirs over just this.`
    : `${need}; it carries only that of ${signers.join(', ')}.`;
}
