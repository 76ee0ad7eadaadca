import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../protocol/duration.ts';
import { EXIT_HELP } from '../provision/command.ts';
import type { UpgradeFlags } from '../provision/upgrade/run.ts';
import { type CliContext, layoutFor, withHome } from './context.ts';

const HELP = `
The release comes from the orchestrator that this machine is enrolled with, and must be signed by a release key in
trust/. The version before watches the new one: if that is not healthy and connected within the grace, it goes back.
${EXIT_HELP}`;

const seconds = (text: string): number => {
  const value = parseDuration(text);
  if (value === undefined || value <= 0) throw new InvalidArgumentError('It must look like 90, 90s or 5m.');
  return value;
};

export function addUpgrade(program: Command, ctx: CliContext): void {
  withHome(program.command('upgrade'))
    .description(
      'bring this machine to the release that its orchestrator offers; go back if it does not work',
    )
    .option('--version <version>', 'only this version')
    .option('--allow-downgrade', 'also to an older release')
    .option('--check', 'say which release is offered, and change nothing')
    .option('--dry-run', 'the same as --check')
    .option('--status', 'say how the last upgrade ended')
    .option('--grace <time>', 'how long the new version has to become good (default: 120 s)', seconds)
    .option('--json', 'the outcome as JSON')
    .option('--debug', 'show where an error happened')
    .addOption(new Option('--artifacts <dir>', 'a release in a folder').hideHelp())
    .addOption(new Option('--watch', 'what the rollback unit runs').hideHelp())
    .addOption(new Option('--by-orchestrator', 'ask the policy').hideHelp())
    .addHelpText('after', HELP)
    .action(async (flags: UpgradeFlags & { byOrchestrator?: true }) => {
      const { runUpgrade } = await import('../provision/upgrade/run.ts');
      const allows = flags.byOrchestrator ? await policyOfOwner(flags, ctx) : () => true;
      ctx.process.exitCode = await runUpgrade({ ...ctx, flags, allows });
    });
}

/** What `policy.yaml` says about versions; one that cannot be used allows none. */
async function policyOfOwner(flags: UpgradeFlags, ctx: CliContext): Promise<(version: string) => boolean> {
  const { policyOf } = await import('../agent/policy/installed.ts');
  const { silentLogger } = await import('../base/logger.ts');
  const { allowsUpgrade } = await import('../protocol/policy.ts');
  const state = policyOf({
    layout: layoutFor(flags.home, ctx),
    log: silentLogger,
    onCondition: () => undefined,
  }).current();
  return (version) => state.kind !== 'invalid' && allowsUpgrade(state.policy, version);
}
