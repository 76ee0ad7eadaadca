import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import type { Step } from '../step.ts';
import { type Family, systemOf } from '../system.ts';

/**
 * What must be on the machine, and which package brings it. It is this little because the runtime and all libraries
 * come with the agent: of the distribution only the programs that make a system user are needed. systemd itself is
 * not installed here; without it there is user mode.
 */
const NEEDED = [
  {
    anyOf: ['useradd', 'adduser'],
    packages: {
      'apt-get': 'passwd',
      dnf: 'shadow-utils',
      yum: 'shadow-utils',
      zypper: 'shadow',
      pacman: 'shadow',
    },
  },
] as const;

const MANAGERS = [
  {
    program: 'apt-get',
    family: 'debian',
    prepare: ['update', '-q'],
    install: ['install', '-q', '-y', '--no-install-recommends'],
  },
  { program: 'dnf', family: 'rhel', prepare: undefined, install: ['install', '-q', '-y'] },
  { program: 'yum', family: 'rhel', prepare: undefined, install: ['install', '-q', '-y'] },
  {
    program: 'zypper',
    family: 'suse',
    prepare: undefined,
    install: ['--non-interactive', '--quiet', 'install'],
  },
  { program: 'pacman', family: 'arch', prepare: undefined, install: ['-S', '--noconfirm', '--needed'] },
] as const;

/** The managers of the system's own family first: Debian has a program dnf too, which does not know its packages. */
export const managersFor = (family: Family) => [
  ...MANAGERS.filter((manager) => manager.family === family),
  ...MANAGERS.filter((manager) => manager.family !== family),
];

export function systemDependencies(ctx: Pick<InstallContext, 'host' | 'mode' | 'skipDependencies'>): Step {
  const { host } = ctx;
  const missing = async () => {
    const absent = [];
    for (const need of NEEDED) {
      const paths = await Promise.all(need.anyOf.map((program) => host.which(program)));
      if (paths.every((path) => path === undefined)) absent.push(need);
    }
    return absent;
  };
  return {
    id: 'system-dependencies',
    title: 'System dependencies',
    isDone: async () => ctx.mode === 'user' || ctx.skipDependencies || (await missing()).length === 0,
    async apply() {
      const needs = await missing();
      const { name, family } = systemOf(await host.osRelease());
      for (const manager of managersFor(family)) {
        const path = await host.which(manager.program);
        if (path === undefined) continue;
        const packages = needs.map((need) => need.packages[manager.program]);
        if (manager.prepare !== undefined) await host.run(path, manager.prepare);
        const { code, stderr } = await host.run(path, [...manager.install, ...packages]);
        if (code === 0) return `installed ${packages.join(', ')} on ${name}`;
        throw new AppError('step_failed', {
          detail: `${manager.program} on ${name} could not install ${packages.join(', ')}: ${lastLine(stderr)}`,
          hint: `Install ${packages.join(', ')} by hand and run this again.`,
        });
      }
      throw new AppError('step_failed', {
        detail: `${needs.map((need) => need.anyOf.join(' or ')).join(', ')} is missing, and none of ${MANAGERS.map((m) => m.program).join(', ')} is on ${name} to install it.`,
        hint: 'Install it by hand, or use --user.',
      });
    },
    // Packages may serve others by now: they stay.
    undo: async () => undefined,
  };
}

export const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
