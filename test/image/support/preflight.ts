// Whether this machine can run the image suite. As a program it prints the reasons why not as a JSON array.
import { existsSync } from 'node:fs';
import { runProgram } from '../../host/harness/command.ts';

/** The suite's programs and the packages of Debian and Ubuntu that bring them. */
const programs: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  umoci: 'umoci',
  skopeo: 'skopeo',
  runc: 'runc',
  unshare: 'util-linux',
};

/** Why the image suite cannot run here, one sentence each; empty if it can. */
export async function imageSuiteObstacles(): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(programs)) {
    const found = await runProgram(['/bin/sh', '-c', 'command -v "$1"', 'sh', program]);
    if (found.code !== 0) missing.push(`${program} is missing: install the package ${name}`);
  }
  if (!existsSync('/etc/debian_version'))
    missing.push('the images’ base comes from this system’s apt sources: run it on Debian or Ubuntu');
  if (missing.length > 0) return missing;
  const unshare = await runProgram(['unshare', '--mount', '--pid', '--ipc', '--uts', '--fork', 'true']);
  return unshare.code === 0 ? [] : [`namespaces cannot be made here: ${unshare.err.trim()}`];
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await imageSuiteObstacles())}\n`);
