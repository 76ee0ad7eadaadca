import { approverText } from '../../proof/approval-signature.ts';
import { ORCHESTRATOR_GRANT, type Policy } from '../../protocol/policy.ts';
import { TERMINAL_TOOL } from '../../protocol/terminal.ts';
import { textMatches } from '../../protocol/text-pattern.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import { UPGRADE_TOOL } from '../../protocol/upgrade.ts';

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
  return { approvals, warnings: [...holes(grant), ...waysAround(policy, grant)] };
}

/** Tools that put a file somewhere, or take one away. */
const WRITERS = ['write_file', 'edit_file', 'upload_file', 'move_file', 'delete_file'];
/** From here something is run that nobody asked for in this call: by services, timers, logins or the loader. */
const RUN_FROM =
  '/bin /boot /etc /home /lib /lib32 /lib64 /opt /root /run /sbin /usr /var/lib /var/spool /var/www'.split(
    ' ',
  );

const isWithin = (path: string, folder: string): boolean =>
  folder === '/' || path === folder || path.startsWith(`${folder}/`);
const reachesCode = (roots: readonly string[]): boolean =>
  roots.some((root) => RUN_FROM.some((place) => isWithin(place, root) || isWithin(root, place)));

/** Tools that need no approval where shell commands do, and by which the same can be done. */
function waysAround(policy: Policy, grant: Policy['grants'][string]): string[] {
  const required = grant.approval?.required ?? [];
  if (!required.some(({ tool }) => textMatches(tool, SHELL_TOOL))) return [];
  const isAllowed = (name: string) =>
    [name, '*'].some((one) => grant.tools.allow.includes(one)) &&
    ![name, '*'].some((one) => grant.tools.deny.includes(one));
  const isHeld = (name: string) =>
    required.some(
      ({ tool, command }) => textMatches(tool, name) && (command === undefined || command === '*'),
    );
  const open = [
    TERMINAL_TOOL,
    ...(reachesCode(grant.roots.write) ? WRITERS : []),
    ...((policy.upgrade ?? 'allow') === 'allow' ? [UPGRADE_TOOL] : []),
  ].filter((name) => isAllowed(name) && !isHeld(name));
  if (open.length === 0) return [];
  return [
    `${SHELL_TOOL} needs approvals, but these tools do not and can do the same: ${open.join(', ')}; add them to approval.required, or to tools.deny`,
  ];
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
