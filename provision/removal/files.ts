import { cp, lchown, lstat, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { isoTime } from '../../base/clock.ts';
import { configFile, ENROLL_FOLDER, executorRunDir, replacementFolder } from '../../protocol/disk-layout.ts';
import { exists, linkTarget, unfinishedFiles } from '../files.ts';
import { finisherScript, isFinisher } from '../finisher.ts';
import type { Step } from '../step.ts';
import { type RemovalContext, removalStep } from './context.ts';

type Ctx = Pick<RemovalContext, 'mode' | 'layout' | 'purge' | 'clock' | 'command' | 'report'>;

const KEPT_PREFIX = 'removed-';
const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** Logs, and what the audit chain is made of: `[folder, name]`. */
async function records({ layout }: Ctx): Promise<[string, string][]> {
  const logs = (await list(layout.log)).filter((name) => !name.startsWith(KEPT_PREFIX));
  const audit = await Promise.all(
    [layout.state, layout.execState].map(async (folder) =>
      (await list(folder))
        .filter((name) => /^(audit|executor\.db)/.test(name))
        .map((name): [string, string] => [folder, name]),
    ),
  );
  return [...logs.map((name): [string, string] => [layout.log, name]), ...audit.flat()];
}

/** Without --purge: they go into a folder of root's, where a later agent does not touch them. */
export function keepRecords(ctx: Ctx): Step {
  const { layout, clock } = ctx;
  return removalStep({
    id: 'records',
    title: 'Logs and audit chain',
    isDone: async () => (await records(ctx)).length === 0,
    async apply() {
      const stamp = isoTime(clock.now()).replace(/[-:]|\.\d+/g, '');
      const folder = join(layout.log, `${KEPT_PREFIX}${stamp}`);
      await mkdir(layout.log, { recursive: true, mode: 0o750 });
      // From here on the former user can put nothing in the way.
      await lchown(layout.log, 0, 0);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const [from, name] of await records(ctx)) await move(join(from, name), join(folder, name));
      await giveToRoot(folder);
      return `kept in ${folder}`;
    },
  });
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EXDEV') throw cause;
    await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    await rm(from, { recursive: true, force: true });
  }
}

async function giveToRoot(path: string): Promise<void> {
  await lchown(path, 0, 0);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await giveToRoot(join(path, name));
}

/** Folders with downloads that a killed run of the bootstrap script has left. */
async function downloads(): Promise<string[]> {
  const names = (await list(tmpdir())).filter((name) => name.startsWith('vm-agent-setup.'));
  const own = await Promise.all(
    names.map(async (name) => {
      const stat = await lstat(join(tmpdir(), name)).catch(() => undefined);
      return stat?.isDirectory() === true && stat.uid === process.getuid?.();
    }),
  );
  return names.filter((_, index) => own[index]).map((name) => join(tmpdir(), name));
}

/** Everything but the programs, which this may be running from. */
export function removeData(ctx: Ctx): Step {
  const { layout, purge, mode } = ctx;
  const isKept = async (path: string) =>
    mode === 'system' &&
    !purge &&
    (path === layout.config ||
      path === layout.log ||
      (path === layout.plugins && (await list(path)).length > 0));
  const doomed = async (): Promise<string[]> => {
    const all = [
      layout.security,
      layout.trust,
      replacementFolder(layout, 'made'),
      replacementFolder(layout, 'granted'),
      layout.state,
      layout.execState,
      executorRunDir(layout),
      layout.run,
      layout.plugins,
      layout.config,
      layout.log,
      ...(mode === 'system' ? [ENROLL_FOLDER, ...(await downloads())] : []),
    ];
    const there = await Promise.all(all.map(async (path) => (await exists(path)) && !(await isKept(path))));
    return all.filter((_, index) => there[index]);
  };
  return removalStep({
    id: 'data',
    title: 'Identity, state and configuration',
    isDone: async () => (await doomed()).length === 0,
    async apply() {
      for (const path of await doomed()) await removeFolder(path);
      // Its group goes with the users.
      const config = configFile(layout).path;
      if (mode === 'system' && (await exists(config))) await lchown(config, 0, 0);
      return purge || mode === 'user' ? 'gone' : `gone; ${layout.config} is kept`;
    },
  });
}

/** A folder that is a mount point cannot go while it is one; it is left empty. */
async function removeFolder(path: string): Promise<void> {
  for (const name of await list(path)) await rm(join(path, name), { recursive: true, force: true });
  await rm(path, { recursive: true, force: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EBUSY') throw cause;
  });
}

/** The programs, among them perhaps the one that runs: Node has read all that it needs. The command goes last. */
export function removePrograms(ctx: Ctx): Step {
  const { layout, command, mode } = ctx;
  const hasCommand = async () =>
    mode === 'system' &&
    ((await linkTarget(command))?.startsWith(`${layout.root}/`) === true || (await isFinisher(command)));
  // A run that was killed while it put the command, or what finishes this, in its place.
  const unfinished = async () =>
    mode === 'system' ? unfinishedFiles([dirname(command)], `${basename(command)}.`) : [];
  const emptyRoot = async () => (await exists(layout.root)) && (await list(layout.root)).length === 0;
  return removalStep({
    id: 'programs',
    title: 'Programs',
    isDone: async () =>
      !(await hasCommand()) &&
      (await unfinished()).length === 0 &&
      !(await exists(layout.current)) &&
      !(await exists(layout.versions)) &&
      !(await emptyRoot()),
    async apply() {
      const owned = await hasCommand();
      for (const path of await unfinished()) await rm(path, { force: true });
      if (owned) await writeFileAtomic(command, finisherScript(layout, command), { mode: 0o755 });
      await rm(layout.current, { force: true });
      await removeFolder(layout.versions);
      const left = await list(layout.root);
      if (left.length === 0) await rmdir(layout.root).catch(() => undefined);
      if (owned) await rm(command, { force: true });
      return 'gone';
    },
  });
}

/** What is left on purpose, for the person to see. */
export async function keptPaths({ mode, layout }: Ctx): Promise<string[]> {
  const candidates =
    mode === 'user' ? [layout.root] : [layout.config, layout.plugins, layout.log, layout.root];
  const there = await Promise.all(candidates.map((path) => exists(path)));
  const left = candidates.filter((_, index) => there[index]);
  // The root says nothing that its folders did not.
  return left.length > 1 ? left.filter((path) => path !== layout.root) : left;
}
