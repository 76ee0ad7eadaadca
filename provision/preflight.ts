import { AppError } from '../protocol/errors.ts';
import { platformSchema } from '../protocol/release-manifest.ts';
import type { InstallContext } from './context.ts';

/**
 * What must hold before the first step, so that a machine that cannot become an agent is left as it was.
 * @throws AppError `platform_unsupported` or `not_root`
 */
export async function preflight(
  ctx: Pick<InstallContext, 'host' | 'mode'> & { dryRun: boolean },
): Promise<void> {
  const { host, mode } = ctx;
  const platform = `${host.platform}-${host.arch}`;
  if (!platformSchema.safeParse(platform).success || (host.platform !== 'linux' && mode === 'system')) {
    throw new AppError('platform_unsupported', {
      detail: `The agent does not run on ${platform}.`,
      hint: 'It runs on Linux with glibc, on x86-64 and arm64.',
    });
  }
  if (host.platform === 'linux' && !host.isGlibc()) {
    throw new AppError('platform_unsupported', {
      detail: 'This system has no glibc (it is Alpine or another one with musl).',
      hint: 'Use a distribution with glibc, such as Debian, Ubuntu, Fedora, RHEL, SUSE.',
    });
  }
  if (mode === 'user') return;
  if (host.uid !== 0 && !ctx.dryRun) {
    throw new AppError('not_root', {
      detail: `Installing for the whole system needs root; this runs as uid ${host.uid}.`,
      hint: 'Run it with sudo, or with --user for an installation of your own that needs neither root nor systemd.',
    });
  }
  const { code, stdout } = await host
    .run('systemctl', ['is-system-running'])
    .catch(() => ({ code: 127, stdout: '' }));
  // "degraded", "starting" and the like are systemds that work.
  if (code === 127 || stdout.trim() === 'offline' || stdout.trim() === '') {
    throw new AppError('platform_unsupported', {
      detail: 'systemd does not run this machine.',
      hint: 'Use --user: it needs no systemd, and prints the command that starts the agent.',
    });
  }
}
