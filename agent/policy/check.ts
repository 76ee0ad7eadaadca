import { readFile, stat } from 'node:fs/promises';
import { ConfigError, type ConfigProblem } from '../../base/config-file.ts';
import { parsePolicy } from './source.ts';

/** What is wrong with a policy file, all at once; undefined when there is none. */
export async function policyProblems(path: string): Promise<ConfigProblem[] | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    parsePolicy(text, path);
    const { mode } = await stat(path);
    if ((mode & 0o022) === 0) return [];
    const message = `may be changed by others than its owner, so every call is refused (chmod 644 ${path})`;
    return [{ key: '', value: undefined, message }];
  } catch (cause) {
    if (cause instanceof ConfigError) return [...cause.problems];
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    return [{ key: '', value: undefined, message: `cannot be read (${code ?? message})` }];
  }
}
