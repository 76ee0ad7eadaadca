import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

let updated = false;

/** Those of `packages` that dpkg does not have installed. */
export function missingPackages(packages: readonly string[]): string[] {
  return packages.filter((name) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder.
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], {
      encoding: 'utf8',
    });
    return stdout?.trim() !== 'installed';
  });
}

/**
 * Installs what is missing. Answers why it could not, or undefined when all is there.
 * The package lists are fetched once for each run.
 */
export function installPackages(packages: readonly string[]): string | undefined {
  if (!packages.length) return undefined;
  const names = packages.join(', ');
  if (!existsSync('/usr/bin/apt-get')) return `needs ${names}, and there is no apt-get here to install them`;
  const missing = missingPackages(packages);
  if (!missing.length) return undefined;
  if (process.getuid?.() !== 0)
    return `needs ${missing.join(', ')}; run as root, or apt-get install them first`;
  console.log(`  installing ${missing.join(', ')}`);
  if (!updated) {
    const failure = apt(['update']);
    if (failure) return `apt-get update failed: ${failure}`;
    updated = true;
  }
  const failure = apt(['install', '--yes', '--no-install-recommends', ...missing]);
  return failure && `apt-get could not install ${missing.join(', ')}: ${failure}`;
}

function apt(args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim().split('\n').at(-1) || `exit code ${status}`);
}
