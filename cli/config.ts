import type { Command } from 'commander';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  config?: string;
  json?: boolean;
}

export function addConfig(program: Command, ctx: CliContext): void {
  const { stdout, env } = ctx.process;
  const command = program.command('config').description('look at the configuration and check it');

  withHome(command.command('show'))
    .description('print every key with its present value: file, environment, defaults')
    .option('--config <file>', 'another configuration file')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { loadAgentConfig } = await import('../agent/config.ts');
      const config = await loadAgentConfig({ layout: layoutFor(flags.home, ctx), file: flags.config, env });
      if (flags.json) return void stdout.write(`${JSON.stringify(config, null, 2)}\n`);
      const { stringify } = await import('yaml');
      stdout.write(stringify(config));
    });

  withHome(command.command('validate'))
    .description('check a configuration file (default: the installed one); shows all problems at once')
    .argument('[file]', 'the file to check')
    .option('--json', 'as JSON')
    .action(async (file: string | undefined, flags: Flags) => {
      const { configPath, loadAgentConfig } = await import('../agent/config.ts');
      const { ConfigError, describeProblem } = await import('../base/config-file.ts');
      const layout = layoutFor(flags.home, ctx);
      const path = configPath({ layout, file });
      const problems = await loadAgentConfig({ layout, file: path, env }).then(
        () => [],
        (cause: unknown) => {
          if (cause instanceof ConfigError) return cause.problems;
          throw cause;
        },
      );
      if (flags.json) {
        stdout.write(`${JSON.stringify({ file: path, valid: problems.length === 0, problems }, null, 2)}\n`);
      } else {
        const lines = problems.map((problem) => `  ${describeProblem(problem)}\n`).join('');
        const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
        stdout.write(problems.length === 0 ? `${path} is valid\n` : `${path}: ${count}\n${lines}`);
      }
      ctx.process.exitCode = problems.length === 0 ? EXIT.ok : EXIT.failed;
    });

  withHome(command.command('path'))
    .description('print where the configuration file is')
    .action(async (flags: Flags) => {
      const { configPath } = await import('../agent/config.ts');
      stdout.write(`${configPath({ layout: layoutFor(flags.home, ctx) })}\n`);
    });
}
