import { basename, dirname, resolve } from 'node:path';
import { bootId } from '../../agent/identity/boot-id.ts';
import { systemClock } from '../../base/clock.ts';
import { diskLayout, ROLLBACK_UNIT, UNIT_DIR } from '../../protocol/disk-layout.ts';
import type { UpgradeRecord, UpgradeReport } from '../../protocol/upgrade.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { explain } from '../failure.ts';
import { createHost } from '../host.ts';
import { reportFailure } from '../run-installer.ts';
import { serverCommand } from '../steps/trial-run.ts';
import { readUpgrade } from './record.ts';
import { type UpgradeDeps, upgrade } from './upgrade.ts';
import { watchUpgrade } from './watch.ts';

export interface UpgradeFlags {
  version?: string;
  allowDowngrade?: boolean;
  check?: boolean;
  dryRun?: boolean;
  status?: boolean;
  grace?: number;
  json?: boolean;
  home?: string;
  artifacts?: string;
  debug?: boolean;
  watch?: boolean;
}

export const DEFAULT_GRACE_S = 120;

export interface RunUpgrade {
  flags: UpgradeFlags;
  process: NodeJS.Process;
  hostname: string;
  allows: (version: string) => boolean;
}

/** Runs an upgrade as a program: says what happens, answers the exit code. */
export async function runUpgrade(run: RunUpgrade): Promise<number> {
  const { flags, process } = run;
  const deps = depsFor(run);
  try {
    if (flags.watch) {
      // …/versions/<own>/runtime/node
      const own = basename(dirname(dirname(process.execPath)));
      const log = (text: string) => process.stderr.write(`${text}\n`);
      await watchUpgrade({ ...deps, bootId: bootId(), own, log });
      return EXIT.ok;
    }
    if (flags.status) return await showStatus(run, deps);
    const report = await upgrade(
      {
        version: flags.version,
        allowDowngrade: flags.allowDowngrade === true,
        look: flags.check === true || flags.dryRun === true,
        grace: flags.grace ?? DEFAULT_GRACE_S,
        artifacts: flags.artifacts === undefined ? undefined : resolve(flags.artifacts),
        allows: run.allows,
      },
      deps,
    );
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${describe(report, deps)}\n`);
    return report.state === 'rolled_back' ? exitCodeOf('upgrade_rolled_back') : EXIT.ok;
  } catch (cause) {
    return reportFailure(explain(cause), {
      output: process.stderr,
      env: process.env,
      debug: flags.debug === true,
    });
  }
}

function depsFor({ flags, process, hostname }: RunUpgrade): UpgradeDeps {
  const home = flags.home ?? (process.env['VM_AGENT_HOME'] || undefined);
  let shown = -1;
  return {
    mode: home === undefined ? 'system' : 'user',
    layout: diskLayout(home === undefined ? undefined : resolve(home)),
    host: createHost(process, hostname),
    clock: systemClock,
    unitDir: UNIT_DIR,
    // stdout is for the outcome.
    say: (text) => process.stderr.write(`${text}\n`),
    onProgress(what, bytes, total) {
      const tenth = Math.floor((10 * bytes) / Math.max(total, 1));
      if (tenth === shown) return;
      shown = tenth;
      process.stderr.write(`${what}: ${tenth * 10} % of ${(total / 1e6).toFixed(1)} MB\n`);
    },
  };
}

async function showStatus({ flags, process }: RunUpgrade, deps: UpgradeDeps): Promise<number> {
  const record = await readUpgrade(deps.layout);
  process.stdout.write(
    flags.json ? `${JSON.stringify(record ?? null)}\n` : `${describeRecord(record) ?? 'no upgrade yet'}\n`,
  );
  return record?.state === 'rolled_back' ? exitCodeOf('upgrade_rolled_back') : EXIT.ok;
}

/** The last upgrade in a line. */
export function describeRecord(record: UpgradeRecord | undefined): string | undefined {
  if (record === undefined) return undefined;
  const { from_version: from, to_version: to, state, reason, started_at: started, ended_at: ended } = record;
  const why = reason === undefined ? '' : `: ${reason}`;
  return `${from} -> ${to} ${state.replace('_', ' ')} (${ended ?? `begun ${started}`})${why}`;
}

function describe({ state, from, to, reason }: UpgradeReport, deps: UpgradeDeps): string {
  if (state === 'up_to_date') return `Version ${to} is installed, as the orchestrator offers it.`;
  if (state === 'available') return `Version ${to} is available; ${from} is installed. Nothing was changed.`;
  if (state === 'rolled_back')
    return `Rolled back: version ${from} runs again, since ${reason}.\nSee: journalctl -u ${ROLLBACK_UNIT} -u vm-agent`;
  if (deps.mode === 'system') return `Done: version ${to} runs instead of ${from}.`;
  return `Done: version ${to} is in place of ${from}. Nobody watches it without systemd.\nRestart the agent yourself: ${serverCommand(deps.layout.root)}`;
}
