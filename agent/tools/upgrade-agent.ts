import type { DiskLayout } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { commandOutputSchema } from '../../protocol/tool-manifest.ts';
import { UPGRADE_TOOL, type UpgradeArguments, upgradeArgumentsSchema } from '../../protocol/upgrade.ts';
import type { ShellHost } from './shell-host.ts';
import type { Tool } from './tool.ts';

/** Made from arguments whose every character is known to mean nothing to a shell. */
export function upgradeCommand(current: string, args: UpgradeArguments): string {
  const program = `'${`${current}/bin/vm-agent`.replaceAll("'", "'\\''")}'`;
  const words = [program, 'upgrade', '--by-orchestrator', '--json'];
  if (args.version !== undefined) words.push('--version', args.version);
  if (args.allow_downgrade === true) words.push('--allow-downgrade');
  return words.join(' ');
}

/** Changes the version of this agent: the command that root has at the machine itself, within what the policy allows. */
export function upgradeAgentTool(options: {
  host: ShellHost;
  layout: Pick<DiskLayout, 'home' | 'current'>;
}): Tool<typeof upgradeArgumentsSchema, typeof commandOutputSchema> {
  const { host, layout } = options;
  return {
    name: UPGRADE_TOOL,
    group: 'system',
    title: 'Upgrade the agent',
    description:
      'Brings this agent to the signed release that its orchestrator offers and goes back if it does not work. stdout is JSON: state, from, to, reason.',
    input: upgradeArgumentsSchema,
    output: commandOutputSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    defaultTimeoutS: 1800,
    signedOnly: true,
    async run(context, args) {
      if (layout.home !== undefined) {
        throw new AppError('unsupported', {
          detail: 'An agent in user mode cannot upgrade itself: nobody would restart it, or go back.',
          hint: `Run \`vm-agent upgrade --home DIR\` on the machine, and start the agent again.`,
        });
      }
      return host.run({
        context,
        args: { command: upgradeCommand(layout.current, args) },
        awaited: true,
      });
    },
  };
}
