import type { Command } from 'commander';
import type { AgentClient } from '../agent/client.ts';
import type { AgentFinding } from './agent-checks.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  json?: boolean;
}

export function addTest(program: Command, ctx: CliContext): void {
  withHome(program.command('test'))
    .description('try every endpoint and every tool of the agent on this machine')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nWorks in a folder of its own under /tmp and removes it.\nExit codes: 0 all that was tried works, 1 something does not.\n',
    )
    .action(async (flags: Flags) => {
      const { localAgent } = await import('./local-agent.ts');
      ctx.process.exitCode = await tryAgent(await localAgent(flags, ctx), flags, ctx);
    });
}

/** Tries an agent and prints what works and what does not, a line each as it is known. @returns the exit code. */
export async function tryAgent(
  client: AgentClient,
  flags: Pick<Flags, 'json'>,
  ctx: Pick<CliContext, 'process'>,
): Promise<number> {
  const { checkAgent } = await import('./agent-checks.ts');
  const { writeLine } = await import('./checks/report.ts');
  const { paintFor } = await import('../provision/progress.ts');
  const { stdout, env } = ctx.process;
  const paint = paintFor(stdout, env);
  const lines: AgentFinding[] = [];
  for await (const line of checkAgent(client, client.asStranger())) {
    lines.push(line);
    if (flags.json) continue;
    writeLine(stdout, paint, 22, line);
  }
  const count = (result: string) => lines.filter((line) => line.result === result).length;
  const bad = count('fail');
  stdout.write(
    flags.json
      ? `${JSON.stringify({ ok: bad === 0, checks: lines.map(asPublished) }, null, 2)}\n`
      : `${count('ok')} work, ${bad} fail, ${count('skipped')} skipped\n`,
  );
  return bad === 0 ? EXIT.ok : EXIT.failed;
}

/** The word that this command's JSON has had from the first. */
const asPublished = ({ result, ...line }: AgentFinding) => ({
  ...line,
  result: result === 'skipped' ? 'skip' : result,
});
