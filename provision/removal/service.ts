import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  COMMAND_SLICE,
  COMMAND_UNIT_PREFIX,
  ENROLL_UNIT,
  EXEC_SERVICE_UNIT,
  EXEC_SOCKET_UNIT,
  SERVICE_UNIT,
  TOOLS_UNIT_PREFIX,
  UNIT_DIR,
} from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Step } from '../step.ts';
import { ownAgentPid, stopOwnAgent } from '../stop-own.ts';
import { type RemovalContext, removalStep } from './context.ts';
import { daemonsFrom, endAll } from './processes.ts';

/** Where unit files, their additions and their links stand. */
const FOLDERS = [
  UNIT_DIR,
  '/etc/systemd/system.control',
  '/run/systemd/system',
  '/run/systemd/system.control',
  '/run/systemd/transient',
];
const slice = COMMAND_SLICE.replace(/\.slice$/, '');
const isOurFile = (name: string): boolean => /^vm-agent[.@-]/.test(name) || name.startsWith(`${slice}.slice`);

const TEMPLATE = EXEC_SERVICE_UNIT.replace('@.service', '@');
/** What is loaded under our names; a unit that someone else called so, for example to run this very program, is not. */
export const isOurUnit = (name: string): boolean =>
  [SERVICE_UNIT, EXEC_SOCKET_UNIT, ENROLL_UNIT, COMMAND_SLICE].includes(name) ||
  [TEMPLATE, COMMAND_UNIT_PREFIX, TOOLS_UNIT_PREFIX, 'vm-agent-rollback.', `${slice}-`].some((prefix) =>
    name.startsWith(prefix),
  );

/** What starts others ends first. */
export const stopOrder = (units: readonly string[]): string[][] => {
  const kinds = [/\.(socket|timer|path)$/, /^vm-agent\.service$/, /\.(service|scope)$/, /\.slice$/];
  const left = new Set(units);
  return kinds
    .map((kind) => {
      const group = [...left].filter((name) => kind.test(name));
      for (const name of group) left.delete(name);
      return group;
    })
    .filter((group) => group.length > 0);
};

async function unitFiles(): Promise<string[]> {
  const found = await Promise.all(
    FOLDERS.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      const links = names.filter((name) => /\.(wants|requires)$/.test(name) && !isOurFile(name));
      const inside = await Promise.all(
        links.map(async (name) =>
          (await readdir(join(folder, name)).catch(() => []))
            .filter(isOurFile)
            .map((link) => join(folder, name, link)),
        ),
      );
      return [...inside.flat(), ...names.filter(isOurFile).map((name) => join(folder, name))];
    }),
  );
  return found.flat();
}

/** Stops everything that runs of the agent, and takes its units away. */
export function removeService(ctx: Pick<RemovalContext, 'host'>): Step {
  const { host } = ctx;
  // Without systemd there are no units either.
  const systemctl = (...words: string[]) =>
    host.run('systemctl', words).catch(() => ({ code: 127, stdout: '', stderr: '' }));
  const loaded = async (...states: string[]): Promise<string[]> => {
    const { stdout } = await systemctl(
      'list-units',
      '--all',
      '--plain',
      '--no-legend',
      '--no-pager',
      '--full',
      ...states,
      'vm-agent*',
      `${slice}*`,
    );
    return stdout
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[0] ?? '')
      .filter(isOurUnit);
  };
  return removalStep({
    id: 'service',
    title: 'Service',
    isDone: async () => (await loaded()).length === 0 && (await unitFiles()).length === 0,
    async apply() {
      const installed = (await unitFiles()).map((path) => path.split('/').at(-1) ?? '');
      await systemctl(
        'disable',
        '--quiet',
        ...installed.filter((name) => /\.(service|socket|timer)$/.test(name)),
      );
      for (const group of stopOrder([...new Set([...(await loaded()), ...installed.filter(isOurUnit)])]))
        await systemctl('stop', ...group.filter((name) => !name.includes('@.')));
      const running = await loaded('--state=active,activating,deactivating,reloading');
      if (running.length > 0) {
        throw new AppError('step_failed', {
          detail: `${running.join(', ')} could not be stopped.`,
          hint: `See: systemctl status ${running[0]}. Run this again: it continues here.`,
        });
      }
      for (const path of await unitFiles()) await rm(path, { recursive: true, force: true });
      await systemctl('daemon-reload');
      const failed = await loaded();
      if (failed.length > 0) await systemctl('reset-failed', ...failed);
      return 'stopped, and its units are gone';
    },
  });
}

const STOP_MS = 35_000;

/** User mode: the agent that runs from this folder, if one does. */
export function stopUserAgent(ctx: Pick<RemovalContext, 'layout' | 'host' | 'clock'>): Step {
  const { layout } = ctx;
  const running = () => daemonsFrom(layout.versions);
  return removalStep({
    id: 'service',
    title: 'Running agent',
    isDone: async () => (await running()).length === 0 && (await ownAgentPid(ctx)) === undefined,
    async apply() {
      const { pid, stopped } = await stopOwnAgent(ctx);
      const ended =
        stopped &&
        ((await endAll(running, { ...ctx, signal: 'SIGTERM', withinMs: STOP_MS })) ||
          (await endAll(running, { ...ctx, signal: 'SIGKILL', withinMs: STOP_MS })));
      if (ended) return 'stopped';
      throw new AppError('step_failed', {
        detail: `The agent that runs from ${layout.root}${pid === undefined ? '' : ` (pid ${pid})`} did not stop.`,
        hint: 'End it, and run this again: it continues here.',
      });
    },
  });
}
