import type { ApprovalRuleDefinition } from '../../protocol/rest-approvals.ts';
import type { Role } from '../../protocol/roles.ts';
import { parseSelector, type SelectorTarget, selectorMatches } from '../../protocol/selector.ts';
import { textMatches, textsOf } from '../../protocol/text-pattern.ts';

/** Somebody, as rules name people. */
export interface Someone {
  ids: readonly string[];
  role: Role | undefined;
}

interface Named {
  roles: readonly Role[];
  actors: readonly string[];
}

const isNamed = ({ roles, actors }: Named, { ids, role }: Someone): boolean =>
  (role !== undefined && roles.includes(role)) || actors.some((actor) => ids.includes(actor));

/** Whether nobody is named, or he is. */
export const isMeant = (named: Named, someone: Someone): boolean =>
  (named.roles.length === 0 && named.actors.length === 0) || isNamed(named, someone);

export interface Submission {
  requester: Someone;
  tool: string;
  arguments: Readonly<Record<string, unknown>>;
  targets: readonly SelectorTarget[];
}

/** Whether a job meets a rule, and so waits. Pure; in time proportional to patterns × texts. */
export function meets(rule: ApprovalRuleDefinition, job: Submission): boolean {
  if (!rule.enabled || isNamed(rule.exempt, job.requester) || !isMeant(rule.requesters, job.requester))
    return false;
  if (rule.tools.length > 0 && !rule.tools.some((pattern) => textMatches(pattern, job.tool))) return false;
  if (rule.commands.length > 0) {
    const texts = textsOf(job.arguments);
    if (!rule.commands.some((pattern) => texts.some((text) => textMatches(pattern, text)))) return false;
  }
  const selector = parseSelector(rule.selector);
  return job.targets.some((target) => selectorMatches(selector, target));
}
