import { approverText } from '../../proof/approval-signature.ts';
import { ORCHESTRATOR_GRANT, type Policy } from '../../protocol/policy.ts';
import { textMatches } from '../../protocol/text-pattern.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';

export interface DescribedApprovals {
  /** Sentences: what needs whose signatures. */
  approvals: string[];
  /** What its owner may not have meant. */
  warnings: string[];
}

/** What a policy says about approvers, for who wrote it. Pure. */
export function describeApprovals(policy: Policy): DescribedApprovals {
  const grant = policy.grants[ORCHESTRATOR_GRANT];
  if (grant?.approval === undefined) return { approvals: [], warnings: [] };
  const { required, approvers, quorum } = grant.approval;
  const what = required.map(({ tool, command }) =>
    command === undefined ? tool : `${tool} with "${command}"`,
  );
  const approvals = [
    `${what.join(', ')}: ${quorum} of ${approvers.length} must sign: ${approvers.map(approverText).join(', ')}`,
  ];
  return { approvals, warnings: holes(grant) };
}

/** Ways around it that stay open. */
function holes(grant: NonNullable<Policy['grants'][string]>): string[] {
  const { allow, deny } = grant.tools;
  const names = (list: readonly string[]) => list.includes(SHELL_TOOL) || list.includes('*');
  if (!names(allow) || names(deny)) return [];
  const ofShell = (grant.approval?.required ?? []).filter(({ tool }) => textMatches(tool, SHELL_TOOL));
  if (ofShell.some(({ command }) => command === undefined || command === '*')) return [];
  const asRoot =
    grant.run_as === undefined || grant.run_as === 'root' ? ', and as root change this policy' : '';
  return [
    ofShell.length > 0
      ? `patterns for ${SHELL_TOOL} are a help against slips, no border: a shell can write the same command in many ways${asRoot}; name the tool without a command to make it one`
      : `${SHELL_TOOL} needs no approval: it can do what the other tools do${asRoot}`,
  ];
}
