import { readFile, readlink, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { EXEC_SOCKET_UNIT, SERVICE_UNIT } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { exists } from '../files.ts';
import { lastWords } from '../last-words.ts';
import { askHealth, waitUntilOnline } from '../probe.ts';
import { readEnrolment, writeEnrolment } from '../records.ts';
import type { Step } from '../step.ts';
import { unitsFor, unitsToRemove } from '../units.ts';
import { lastLine } from './system-dependencies.ts';

const START_MS = 60_000;

/** systemd starts the agent, now and at each boot. */
export function service(
  ctx: Pick<
    InstallContext,
    'layout' | 'host' | 'clock' | 'orchestrator' | 'owners' | 'privilegedExecutor'
  > & { unitDir: string },
): Step {
  const { layout, host, clock } = ctx;
  const units = unitsFor(ctx.privilegedExecutor);
  const obsolete = unitsToRemove(ctx.privilegedExecutor).map((name) => join(ctx.unitDir, name));
  const shipped = (file: string) => readFile(join(layout.current, 'units', file), 'utf8');
  const systemctl = async (...args: string[]) => {
    const { code, stderr } = await host.run('systemctl', args);
    if (code === 0) return;
    throw new AppError('step_failed', {
      detail: `systemctl ${args.join(' ')} failed: ${lastLine(stderr)}`,
      hint: `See: systemctl status ${SERVICE_UNIT}; journalctl -u ${SERVICE_UNIT}`,
    });
  };
  const is = async (what: 'is-active' | 'is-enabled') =>
    (await host.run('systemctl', [what, '--quiet', SERVICE_UNIT])).code === 0;
  const unitsAreCurrent = async () => {
    for (const path of obsolete) if (await exists(path)) return false;
    for (const { name, file } of units) {
      const present = await readFile(join(ctx.unitDir, name), 'utf8').catch(() => undefined);
      if (present !== (await shipped(file).catch(() => undefined))) return false;
    }
    return true;
  };
  const socketListens = async () =>
    !ctx.privilegedExecutor ||
    (await host.run('systemctl', ['is-active', '--quiet', EXEC_SOCKET_UNIT])).code === 0;
  const port = async () => (await loadAgentConfig({ layout, env: {} })).server.port;

  /** False when the service still runs a program that has been replaced. */
  async function runsPresentProgram(): Promise<boolean> {
    const { stdout } = await host.run('systemctl', ['show', '--property=MainPID', '--value', SERVICE_UNIT]);
    const program = await readlink(`/proc/${stdout.trim()}/exe`).catch(() => '');
    const version = await readlink(layout.current).catch(() => '');
    return program === join(layout.root, version, 'runtime/node');
  }

  return {
    id: 'service',
    title: 'Service and verification',
    async isDone() {
      if (!(await readEnrolment(layout))?.complete || !(await unitsAreCurrent())) return false;
      if (
        !(await socketListens()) ||
        !(await is('is-enabled')) ||
        !(await is('is-active')) ||
        !(await runsPresentProgram())
      )
        return false;
      return (await askHealth(await port(), clock))?.status === 'healthy';
    },
    async apply() {
      const written = !(await unitsAreCurrent());
      if (written) {
        for (const path of obsolete) await removeUnit(path);
        for (const { name, file } of units)
          await writeFileAtomic(join(ctx.unitDir, name), await shipped(file), { mode: 0o644 });
        await systemctl('daemon-reload');
      }
      if (ctx.privilegedExecutor) {
        await systemctl('enable', '--quiet', EXEC_SOCKET_UNIT);
        await systemctl('restart', EXEC_SOCKET_UNIT);
      }
      await systemctl('enable', '--quiet', SERVICE_UNIT);
      await systemctl('reset-failed', SERVICE_UNIT).catch(() => undefined);
      // A healthy agent that a reinstallation did not touch keeps running.
      const running = !written && (await is('is-active')) && (await runsPresentProgram());
      const begun = await readEnrolment(layout);
      if (!running || begun?.complete === false) await systemctl('restart', SERVICE_UNIT);
      await waitUntilOnline({
        ctx,
        port: await port(),
        withinMs: START_MS,
        alive: async () => (await host.run('systemctl', ['is-failed', '--quiet', SERVICE_UNIT])).code !== 0,
        diagnosis,
        hint: `See: journalctl -u ${SERVICE_UNIT}. When the cause is gone, run this again.`,
      });
      if (begun !== undefined) await writeEnrolment(layout, { ...begun, complete: true }, await ctx.owners());
      return 'healthy, and online at the orchestrator';
    },
    async undo() {
      for (const { name } of units) await removeUnit(join(ctx.unitDir, name));
      await host.run('systemctl', ['daemon-reload']);
    },
  };

  async function removeUnit(path: string): Promise<void> {
    // A template has no state of its own.
    if (!path.includes('@')) await host.run('systemctl', ['disable', '--quiet', '--now', basename(path)]);
    await rm(path, { force: true });
  }

  async function diagnosis(): Promise<string> {
    const { stdout } = await host.run('journalctl', [
      '-u',
      SERVICE_UNIT,
      '-n',
      '5',
      '-o',
      'cat',
      '--no-pager',
    ]);
    return lastWords(stdout);
  }
}
