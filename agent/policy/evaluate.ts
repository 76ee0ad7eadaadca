import type { Policy, PolicyDecision } from '../../protocol/policy.ts';

/** Whether `grant` may call `tool`, and which files it may then touch. Pure. */
export function evaluate(policy: Policy, grant: string, tool: string): PolicyDecision {
  const found = Object.hasOwn(policy.grants, grant) ? policy.grants[grant] : undefined;
  if (found === undefined)
    return { allowed: false, why: `The policy of this VM grants nothing to ${grant}.` };
  const { tools, roots, run_as: runAs, limits, approval } = found;
  const names = (list: readonly string[]) => list.includes(tool) || list.includes('*');
  if (names(tools.deny)) return { allowed: false, why: `The policy of this VM denies ${tool} to ${grant}.` };
  if (!names(tools.allow))
    return { allowed: false, why: `The policy of this VM does not allow ${tool} to ${grant}.` };
  return {
    allowed: true,
    read: roots.read,
    write: roots.write,
    runAs,
    limits,
    ...(approval === undefined ? {} : { approval }),
  };
}
