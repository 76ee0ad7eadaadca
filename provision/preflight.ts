import { AppError } from '../protocol/errors.ts';
import { platformSchema } from '../protocol/release-manifest.ts';
import type { InstallContext } from './context.ts';
import { FLOORS, isAtLeast, systemdVersion, systemOf } from './system.ts';

const unsupported = (detail: string, hint: string): AppError =>
  new AppError('platform_unsupported', { detail, hint });

const ELSEWHERE =
  'Use a system with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8, SLES 15, Amazon Linux 2023, or later), or run the agent in a container of one.';
const USER_MODE =
  'Install with --user: it needs no systemd, runs commands with your rights, and prints the command that starts the agent.';

/**
 * What must hold before the first step, so that a machine that cannot become an agent is left as it was.
 * @throws AppError `platform_unsupported` or `not_root`
 */
export async function preflight(
  ctx: Pick<InstallContext, 'host' | 'mode'> & { dryRun: boolean },
): Promise<void> {
  const { host, mode } = ctx;
  const platform = `${host.platform}-${host.arch}`;
  if (!platformSchema.safeParse(platform).success || (host.platform !== 'linux' && mode === 'system'))
    throw unsupported(
      `The agent does not run on ${platform}.`,
      'It runs on Linux with glibc, on x86-64 (amd64) and arm64.',
    );
  const { name } = systemOf(await host.osRelease());
  if (host.platform === 'linux') {
    const glibc = host.glibcVersion();
    if (glibc === undefined)
      throw unsupported(
        `${name} has no glibc, but musl or another C library, on which Node does not run.`,
        ELSEWHERE,
      );
    if (!isAtLeast(glibc, FLOORS.glibc))
      throw unsupported(
        `${name} has glibc ${glibc}; Node, which the agent runs on, needs ${FLOORS.glibc} or newer.`,
        ELSEWHERE,
      );
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
  if (code === 127 || stdout.trim() === 'offline' || stdout.trim() === '')
    throw unsupported(`systemd does not run this machine (${name}).`, USER_MODE);
  const systemd = await systemdVersion(host);
  if (systemd !== undefined && systemd < FLOORS.systemd)
    throw unsupported(
      `${name} has systemd ${systemd}; the agent's service and the units that its commands run in need ${FLOORS.systemd} or newer.`,
      `${USER_MODE} Or use a newer release of the system (Debian 12, Ubuntu 22.04, RHEL 9, SLES 15 SP4, or later).`,
    );
}
