import { join } from 'node:path';
import { platformSchema } from '../../protocol/release-manifest.ts';
import { exists } from '../../provision/files.ts';
import type { Bench, Room } from './bench.ts';
import { type Check, type Found, fail, ok, warn } from './check.ts';

const MEGABYTE = 1024 * 1024;
/** Less than this and the next write may fail; below the second number somebody should look. */
const FULL_BYTES = 8 * MEGABYTE;
const TIGHT_BYTES = 100 * MEGABYTE;
const FULL_INODES = 64;

const said = (bench: Bench, file: string, args: readonly string[]): Promise<string> =>
  bench.host.run(file, args).then(
    ({ code, stdout }) => (code === 0 ? stdout.trim() : ''),
    () => '',
  );

async function runtime(bench: Bench): Promise<Found> {
  const { host, layout, nodeVersion } = bench;
  const platform = `${host.platform}-${host.arch}`;
  if (
    !platformSchema.safeParse(platform).success ||
    (host.platform === 'linux' && host.glibcVersion() === undefined)
  )
    return fail(
      `the agent does not run on ${platform}${host.glibcVersion() === undefined ? ' without glibc' : ''}`,
      'It runs on Linux with glibc, on x86-64 and arm64.',
    );
  const libc = (await said(bench, 'getconf', ['GNU_LIBC_VERSION'])) || 'glibc';
  const installed = join(layout.current, 'runtime/node');
  if (!(await exists(installed))) return ok(`Node ${nodeVersion}, ${libc}, ${platform}`);
  const version = await said(bench, installed, ['--version']);
  if (version !== '') return ok(`Node ${version} in ${installed}, ${libc}, ${platform}`);
  return fail(
    `${installed} does not start`,
    'Look whether its file system is mounted noexec; else install the agent again: identity and data stay.',
  );
}

async function dependencies({ host, system }: Bench): Promise<Found> {
  if (!system) return ok('an installation of one’s own needs none');
  const missing = [];
  for (const program of ['systemctl', 'journalctl'])
    if ((await host.which(program)) === undefined) missing.push(program);
  const makers = await Promise.all(['useradd', 'adduser'].map((program) => host.which(program)));
  if (makers.every((path) => path === undefined)) missing.push('useradd');
  if (missing.includes('systemctl'))
    return fail(
      'systemctl is missing',
      'Without systemd use an installation of your own: vm-agent install --user',
    );
  if (missing.length > 0)
    return warn(`${missing.join(', ')} missing`, 'Install it with this system’s package manager.');
  return ok('systemctl, journalctl, useradd');
}

const megabytes = (bytes: number): string => `${Math.floor(bytes / MEGABYTE)} MB`;

function judge(path: string, { freeBytes, freeInodes, inodes }: Room): Found {
  const detail = `${path} has ${megabytes(freeBytes)}${inodes > 0 ? ` and ${freeInodes} inodes` : ''} free`;
  const hint = `See what fills it: du -xsh ${path}/*; df -h ${path}; df -i ${path}`;
  if (freeBytes < FULL_BYTES || (inodes > 0 && freeInodes < FULL_INODES))
    return fail(`the disk is full: ${detail}`, hint);
  if (freeBytes < TIGHT_BYTES || (inodes > 0 && freeInodes < inodes / 100)) return warn(detail, hint);
  return ok(detail);
}

const disk = (part: string, title: string, path: (bench: Bench) => string): Check<Bench> => ({
  id: `disk.${part}`,
  title,
  run: async (bench) => judge(path(bench), await bench.room(path(bench))),
});

/** What must be there whatever is installed. */
export const MACHINE_CHECKS: readonly Check<Bench>[] = [
  {
    id: 'rights',
    title: 'rights',
    run: async ({ host, system }) =>
      !system || host.uid === 0
        ? ok(system ? 'root' : 'the installation’s own user')
        : warn(`this runs as uid ${host.uid}, so that some checks are left out`, 'Run it with sudo.'),
  },
  { id: 'runtime', title: 'runtime', run: runtime },
  { id: 'dependencies', title: 'programs', run: dependencies },
  disk('programs', 'disk, programs', ({ layout }) => layout.root),
  disk('state', 'disk, state', ({ layout }) => layout.state),
  disk('log', 'disk, log', ({ layout }) => layout.log),
];
