import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { systemClock } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';
import { debuggedHost, debuggedReporter } from './debug.ts';
import { EXIT } from './exit-codes.ts';
import { createHost } from './host.ts';
import { createReporter, type Output } from './progress.ts';
import { type RunInstaller, reportFailure } from './run-installer.ts';
import { type Uninstalled, uninstall } from './uninstall.ts';
import type { UninstallFlags } from './uninstall-command.ts';

export type RunUninstaller = Pick<RunInstaller, 'process' | 'hostname'> & { flags: UninstallFlags };

/** Runs the uninstaller as a program: asks first, shows progress, answers the exit code. */
export async function runUninstaller({ flags, process, hostname }: RunUninstaller): Promise<number> {
  const { stdout, stderr, env } = process;
  const home = flags.home ?? (env['VM_AGENT_HOME'] || undefined);
  const folder = home === undefined ? undefined : resolve(home);
  const quiet: Output = { write: () => true };
  const output: Output = flags.json ? quiet : stdout;
  try {
    if (flags.dryRun !== true && flags.yes !== true && !(await confirmed(process, folder))) {
      stderr.write('Nothing was changed.\n');
      return EXIT.unexpected;
    }
    const host = createHost(process, hostname);
    const reporter = createReporter({ output, env, clock: systemClock });
    const debug = { output: stderr, clock: systemClock };
    const done = await uninstall(
      {
        home: folder,
        purge: flags.purge === true,
        offline: flags.offline === true,
        dryRun: flags.dryRun === true,
      },
      {
        host: flags.debug ? debuggedHost(host, debug) : host,
        clock: systemClock,
        reporter: flags.debug ? debuggedReporter(reporter, debug) : reporter,
        note: (text) => (flags.json ? stderr : stdout).write(`${text}\n`),
      },
    );
    stdout.write(flags.json ? `${JSON.stringify(asJson(done, flags))}\n` : summary(done, flags));
    return EXIT.ok;
  } catch (cause) {
    return reportFailure(cause, { output: stderr, env, debug: flags.debug === true });
  }
}

async function confirmed(process: NodeJS.Process, folder: string | undefined): Promise<boolean> {
  const { stdin, stdout } = process;
  const what = folder === undefined ? 'the agent of this machine' : `the agent in ${folder}`;
  if (!stdin.isTTY || !stdout.isTTY) {
    throw new AppError('bad_request', {
      detail: `Nobody can be asked whether ${what} shall be removed.`,
      hint: 'Add --yes; --dry-run shows what would be done.',
    });
  }
  const lines = createInterface({ input: stdin, output: stdout });
  try {
    return /^y(es)?$/i.test(
      (await lines.question(`Remove ${what}, its identity and its programs? [y/N] `)).trim(),
    );
  } finally {
    lines.close();
  }
}

const asJson = (done: Uninstalled, flags: UninstallFlags) => ({
  removed: done.applied > 0 && flags.dryRun !== true,
  steps: done.applied,
  dry_run: flags.dryRun === true,
  mode: done.mode,
  root: done.root,
  vm_ids: done.vmIds,
  deregistered: done.deregistered,
  kept: done.kept,
});

function summary(done: Uninstalled, flags: UninstallFlags): string {
  const where = done.mode === 'system' ? 'this machine' : done.root;
  const kept =
    done.kept.length === 0
      ? ''
      : `Kept: ${done.kept.join(', ')}${flags.purge ? '' : ' (--purge removes them)'}\n`;
  if (done.applied === 0) return `Nothing to do: there is no agent on ${where}.\n${kept}`;
  if (flags.dryRun) return `Dry run: ${done.applied} steps would change something; nothing was changed.\n`;
  return `Done: the agent is removed from ${where}.\n${kept}`;
}
