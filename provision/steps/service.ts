import { readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { SERVICE_UNIT } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { lastWords } from '../last-words.ts';
import { askHealth, waitUntilOnline } from '../probe.ts';
import { readEnrolment, writeEnrolment } from '../records.ts';
import type { Step } from '../step.ts';
import { lastLine } from './system-dependencies.ts';

const START_MS = 60_000;

/** systemd starts the agent, now and at each boot. */
export function service(
  ctx: Pick<InstallContext, 'layout' | 'host' | 'clock' | 'orchestrator' | 'owners'> & { unitDir: string },
): Step {
  const { layout, host, clock } = ctx;
  const unit = join(ctx.unitDir, SERVICE_UNIT);
  const shipped = () => readFile(join(layout.current, 'units', SERVICE_UNIT), 'utf8');
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
  const unitIsCurrent = async () =>
    (await readFile(unit, 'utf8').catch(() => undefined)) === (await shipped().catch(() => undefined));
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
      if (!(await readEnrolment(layout))?.complete || !(await unitIsCurrent())) return false;
      if (!(await is('is-enabled')) || !(await is('is-active')) || !(await runsPresentProgram()))
        return false;
      return (await askHealth(await port(), clock))?.status === 'healthy';
    },
    async apply() {
      const written = !(await unitIsCurrent());
      if (written) {
        await writeFileAtomic(unit, await shipped(), { mode: 0o644 });
        await systemctl('daemon-reload');
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
      await host.run('systemctl', ['disable', '--quiet', '--now', SERVICE_UNIT]);
      await rm(unit, { force: true });
      await host.run('systemctl', ['daemon-reload']);
    },
  };

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
