import { readFile, stat } from 'node:fs/promises';
import { ConfigError, type ConfigProblem } from '../../base/config-file.ts';
import { type DescribedApprovals, describeApprovals } from './describe-approvals.ts';
import { parsePolicy } from './source.ts';

export interface CheckedPolicy extends DescribedApprovals {
  problems: ConfigProblem[];
}

const wrong = (problems: ConfigProblem[]): CheckedPolicy => ({ problems, approvals: [], warnings: [] });

/** What is wrong with a policy file, all at once, and what it says of approvers; undefined when there is none. */
export async function checkPolicyFile(path: string): Promise<CheckedPolicy | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const policy = parsePolicy(text, path);
    const { mode } = await stat(path);
    if ((mode & 0o022) === 0) return { problems: [], ...describeApprovals(policy) };
    const message = `may be changed by others than its owner, so every call is refused (chmod 644 ${path})`;
    return wrong([{ key: '', value: undefined, message }]);
  } catch (cause) {
    if (cause instanceof ConfigError) return wrong([...cause.problems]);
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    return wrong([{ key: '', value: undefined, message: `cannot be read (${code ?? message})` }]);
  }
}
