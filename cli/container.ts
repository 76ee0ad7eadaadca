import { resolve } from 'node:path';
import type { Command } from 'commander';
import { diskLayout } from '../protocol/disk-layout.ts';
import type { Labels } from '../protocol/provisioning-token.ts';
import { collectLabel, EXIT_HELP } from '../provision/command.ts';
import type { CliContext } from './context.ts';

const DEFAULT_HOME = '/opt/vm-agent';

const ENVIRONMENT = `
Environment:
  ORCHESTRATOR_URL         address of the orchestrator, https://HOST:PORT
  PROVISIONING_TOKEN       the provisioning token; looked at only where the volume is not enrolled yet
  PROVISIONING_TOKEN_FILE  or the file that holds it
  VM_AGENT_SECTION__KEY    any setting of agent_config.yaml, such as VM_AGENT_SERVER__PORT
`;

export function addContainer(program: Command, ctx: CliContext): void {
  program
    .command('container')
    .description('enroll at the first start of a container; its entry program then runs the agent')
    .option(
      '--home <dir>',
      `the volume that keeps the identity (env: VM_AGENT_HOME; default ${DEFAULT_HOME})`,
    )
    .option('--label <key=value>', 'label that this machine reports; may be repeated', collectLabel)
    .addHelpText('after', `${ENVIRONMENT}${EXIT_HELP}`)
    .action(async (flags: { home?: string; label?: Labels }) => {
      const { enrollContainer } = await import('../provision/container/enroll.ts');
      const home = resolve(flags.home ?? (ctx.process.env['VM_AGENT_HOME'] || DEFAULT_HOME));
      const layout = { ...diskLayout(home), home };
      ctx.process.exitCode = await enrollContainer({ ...ctx, layout, labels: flags.label ?? {} });
    });
}
