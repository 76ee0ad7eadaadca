import { basename } from 'node:path';
import type { Command } from 'commander';
import type { ConfigProblem } from '../base/config-file.ts';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  config?: string;
  json?: boolean;
}

export function addConfig(program: Command, ctx: CliContext): void {
  const { stdout, env } = ctx.process;
  const command = program.command('config').description('look at the configuration and check it');

  withHome(command.command('show', { isDefault: true }))
    .description('print every key with its present value: file, environment, defaults')
    .option('--config <file>', 'another configuration file')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { loadAgentConfig } = await import('../agent/config.ts');
      const { withoutUserinfo } = await import('../agent/identity/proxy.ts');
      const config = await loadAgentConfig({ layout: layoutFor(flags.home, ctx), file: flags.config, env });
      if (flags.json) return void stdout.write(withoutUserinfo(`${JSON.stringify(config, null, 2)}\n`));
      const { stringify } = await import('yaml');
      stdout.write(withoutUserinfo(stringify(config)));
    });

  withHome(command.command('validate'))
    .description('check a configuration file (default: the installed one); shows all problems at once')
    .argument('[file]', 'the file to check, policy.yaml too; without it both that are installed')
    .option('--json', 'as JSON')
    .action(async (file: string | undefined, flags: Flags) => {
      const { configPath } = await import('../agent/config.ts');
      const { policyFile } = await import('../protocol/disk-layout.ts');
      const layout = layoutFor(flags.home, ctx);
      const path = configPath({ layout, file });
      const checked =
        file !== undefined && basename(file) === 'policy.yaml'
          ? [await checkPolicy(file, true)]
          : [
              await checkConfig(layout, path, ctx),
              ...(file === undefined ? [await checkPolicy(policyFile(layout).path, false)] : []),
            ];
      const valid = checked.every(({ problems }) => problems.length === 0);
      if (flags.json) {
        const [first, policy] = checked;
        const { file: checkedFile, problems, approvals, warnings } = first ?? {};
        const answer = { file: checkedFile, valid, problems, approvals, warnings, policy };
        stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      } else for (const one of checked) stdout.write(await shown(one));
      ctx.process.exitCode = valid ? EXIT.ok : EXIT.failed;
    });

  withHome(command.command('path'))
    .description('print where the configuration file is')
    .action(async (flags: Flags) => {
      const { configPath } = await import('../agent/config.ts');
      stdout.write(`${configPath({ layout: layoutFor(flags.home, ctx) })}\n`);
    });
}

interface Checked {
  file: string;
  /** Without it the defaults hold. */
  absent: boolean;
  problems: readonly ConfigProblem[];
  /** Of a policy: what needs approvers' own signatures, and what gets around it. */
  approvals?: readonly string[];
  warnings?: readonly string[];
}

async function checkConfig(layout: DiskLayout, file: string, ctx: CliContext): Promise<Checked> {
  const { loadAgentConfig } = await import('../agent/config.ts');
  const { ConfigError } = await import('../base/config-file.ts');
  const problems = await loadAgentConfig({ layout, file, env: ctx.process.env }).then(
    () => [],
    (cause: unknown) => {
      if (cause instanceof ConfigError) return cause.problems;
      throw cause;
    },
  );
  return { file, absent: false, problems };
}

/** A policy that must be there is a problem when it is not. */
async function checkPolicy(file: string, must: boolean): Promise<Checked> {
  const { checkPolicyFile } = await import('../agent/policy/check.ts');
  const checked = await checkPolicyFile(file);
  if (checked !== undefined) return { file, absent: false, ...checked };
  const missing = { key: '', value: undefined, message: 'does not exist' };
  return { file, absent: true, problems: must ? [missing] : [] };
}

async function shown({ file, absent, problems, approvals = [], warnings = [] }: Checked): Promise<string> {
  const { describeProblem } = await import('../base/config-file.ts');
  if (problems.length === 0) {
    const notes = [
      ...approvals.map((text) => `  approval: ${text}\n`),
      ...warnings.map((text) => `  warning: ${text}\n`),
    ].join('');
    return absent ? `${file} does not exist; the defaults hold\n` : `${file} is valid\n${notes}`;
  }
  const lines = problems.map((problem) => `  ${describeProblem(problem)}\n`).join('');
  return `${file}: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}\n${lines}`;
}
