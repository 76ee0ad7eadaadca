import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DiskEntry } from '../../protocol/disk-layout.ts';
import { SERVICE_USER } from '../../protocol/disk-layout.ts';
import {
  exists,
  isAsPlanned,
  linkTarget,
  makeDirectory,
  ownerOf,
  pointLink,
  setOwner,
} from '../../provision/files.ts';
import { plannedEntries } from '../../provision/planned-entries.ts';
import { brokenFiles, readSeal } from '../../provision/seal.ts';
import type { Bench } from './bench.ts';
import { type Check, type Found, fail, info, ok } from './check.ts';
import { newestFirst } from './versions.ts';

export const INSTALL_AGAIN =
  'Install it again with the line that `vm-orchestrator token create` prints, or by `vm-agent install`; identity and data stay.';

/** Versions that were installed to their end, the newest first. */
async function sealedVersions({ layout }: Bench): Promise<string[]> {
  const names = await readdir(layout.versions).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw cause;
  });
  const sealed = [];
  for (const name of names.filter((one) => !one.startsWith('.')))
    if ((await readSeal(join(layout.versions, name))) !== undefined) sealed.push(name);
  return newestFirst(sealed);
}

async function installed(bench: Bench): Promise<Found> {
  const versions = await sealedVersions(bench);
  if (versions.length > 0) return ok(`${bench.layout.root} holds ${versions.join(', ')}`);
  return fail(
    `there is no agent in ${bench.layout.root}`,
    'Install it: vm-agent install, or name its folder with --home.',
  );
}

async function current(bench: Bench): Promise<Found> {
  const { layout } = bench;
  const target = await linkTarget(layout.current);
  if (target !== undefined && (await exists(join(layout.root, target))))
    return ok(`${layout.current} is ${target}`);
  const [newest] = await sealedVersions(bench);
  return fail(
    `the link ${layout.current} ${target === undefined ? 'is missing' : `leads to ${target}, which is not there`}`,
    newest === undefined ? INSTALL_AGAIN : 'vm-agent diagnose --fix sets it.',
    newest === undefined
      ? undefined
      : {
          what: `point ${layout.current} at versions/${newest}`,
          apply: () => pointLink(layout.current, `versions/${newest}`),
        },
  );
}

async function command({ layout, system, command: path }: Bench): Promise<Found> {
  if (!system) return info('an installation of one’s own puts no command elsewhere');
  const wanted = `${layout.current}/bin/vm-agent`;
  const target = await linkTarget(path);
  if (target === wanted) return ok(`${path} is ${wanted}`);
  // Somebody else's program of that name is left alone.
  if (target === undefined ? await exists(path) : !target.startsWith(`${layout.root}/`))
    return info(`${path} is another program’s; the agent’s command is ${wanted}`);
  return fail(
    `the link ${path} ${target === undefined ? 'is missing' : `leads to ${target}`}`,
    'vm-agent diagnose --fix sets it.',
    {
      what: `point ${path} at ${wanted}`,
      async apply() {
        await makeDirectory(join(path, '..'), 0o755);
        await pointLink(path, wanted);
      },
    },
  );
}

async function bundle({ layout }: Bench): Promise<Found> {
  const folder = await realpath(layout.current);
  const seal = await readSeal(folder);
  if (seal === undefined) return fail(`${folder} was not installed to its end`, INSTALL_AGAIN);
  const broken = await brokenFiles(folder, seal);
  if (broken.length === 0) return ok(`${seal.files.length} files of version ${basename(folder)} are whole`);
  return fail(
    `${broken.join(', ')} in ${folder} ${broken.length === 1 ? 'is' : 'are'} not as installed`,
    INSTALL_AGAIN,
  );
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

async function describe(entry: DiskEntry, bench: Bench): Promise<string> {
  if (!(await exists(entry.path))) return `${entry.path} is missing`;
  const stat = await lstat(entry.path);
  const wanted = ownerOf(entry, await bench.owners());
  const differs = [];
  if ((stat.mode & 0o7777) !== entry.mode)
    differs.push(`has mode ${octal(stat.mode)} instead of ${octal(entry.mode)}`);
  if (wanted !== undefined && (stat.uid !== wanted.uid || stat.gid !== wanted.gid))
    differs.push(`belongs to ${stat.uid}:${stat.gid} instead of ${wanted.uid}:${wanted.gid}`);
  return `${entry.path} ${differs.join(' and ')}`;
}

async function files(bench: Bench): Promise<Found> {
  const { system, host, layout } = bench;
  if (system && (await host.userIds(SERVICE_USER)) === undefined)
    return fail(`the user ${SERVICE_USER} is missing`, INSTALL_AGAIN);
  const owners = await bench.owners();
  const entries = await plannedEntries(layout, system ? 'system' : 'user');
  const wrong: DiskEntry[] = [];
  for (const entry of entries) if (!(await isAsPlanned(entry, owners))) wrong.push(entry);
  if (wrong.length === 0) return ok(`${entries.length} files and folders have their owners and modes`);
  const lines = await Promise.all(wrong.map((entry) => describe(entry, bench)));
  return fail(lines.join('\n'), 'vm-agent diagnose --fix sets owners and modes.', {
    what: `set owner and mode of ${wrong.map(({ path }) => path).join(', ')}`,
    async apply() {
      for (const entry of wrong) {
        if (!(await exists(entry.path))) await makeDirectory(entry.path, entry.mode);
        await setOwner(entry, owners);
      }
    },
  });
}

/** The programs and what is on the disk for them. */
export const INSTALLATION_CHECKS: readonly Check<Bench>[] = [
  { id: 'installed', title: 'installation', run: installed },
  { id: 'link.current', title: 'link, version', needs: ['installed'], run: current },
  { id: 'link.command', title: 'link, command', needs: ['installed'], run: command },
  { id: 'bundle', title: 'programs whole', needs: ['link.current'], run: bundle },
  { id: 'files', title: 'owners and modes', needs: ['installed'], run: files },
];
