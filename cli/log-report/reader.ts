import type { AgentClient } from '../../agent/client.ts';
import { AppError } from '../../protocol/errors.ts';
import { type CliContext, layoutFor } from '../context.ts';

/** Who reads: the agent of this machine, or this process. */
export type LogReader = Pick<AgentClient, 'analyzeLog' | 'tailLog' | 'readFile'>;

/** Ways in which there is no agent for whoever calls. */
const NO_AGENT: ReadonlySet<string> = new Set(['not_enrolled', 'not_root', 'server_unreachable']);

/** For those of one machine, whose lines are the caller's own to read. */
const OWN_MAX_LINES = 10_000_000;

export async function logReader(
  flags: { home?: string; local?: boolean },
  ctx: CliContext,
): Promise<LogReader> {
  if (flags.local) return ownReader(flags, ctx);
  const { localAgent } = await import('../local-agent.ts');
  try {
    return await localAgent(flags, ctx);
  } catch (cause) {
    if (!(cause instanceof AppError) || !NO_AGENT.has(cause.code)) throw cause;
    return ownReader(flags, ctx);
  }
}

/** The same tools, run here with the rights of who calls. */
async function ownReader(flags: { home?: string }, ctx: CliContext): Promise<LogReader> {
  const { systemClock } = await import('../../base/clock.ts');
  const { silentLogger } = await import('../../base/logger.ts');
  const { newId } = await import('../../base/random.ts');
  const { protectedPaths } = await import('../../agent/files/protected-paths.ts');
  const { analyzeLogTool } = await import('../../agent/tools/log-analyze.ts');
  const { tailLogTool } = await import('../../agent/tools/log-tail.ts');
  const { readFileTool } = await import('../../agent/tools/file-read.ts');
  const { createRegistry } = await import('../../agent/tools/registry.ts');
  const { CLI_GRANT } = await import('../../agent/tools/tool.ts');
  const options = { enabled: true, protectedPaths: protectedPaths(layoutFor(flags.home, ctx), {}) };
  const logs = { ...options, maxLines: OWN_MAX_LINES };
  const registry = createRegistry([
    analyzeLogTool(logs),
    tailLogTool(logs),
    readFileTool({ ...options, maxFileSize: Number.MAX_SAFE_INTEGER }),
  ]);
  const call = async (tool: string, args: object): Promise<unknown> => {
    const end = await registry.prepare(tool, args).run({
      id: newId('cmd', systemClock),
      clock: systemClock,
      log: silentLogger,
      signal: new AbortController().signal,
      output: () => undefined,
      caller: { door: 'cli', id: 'cli', grant: CLI_GRANT },
      progress: () => undefined,
    });
    if (end.kind !== 'value') throw new Error(`${tool} gave no value`);
    return end.structured;
  };
  return {
    analyzeLog: (args) => call('analyze_log_file', args) as ReturnType<LogReader['analyzeLog']>,
    tailLog: (args) => call('tail_log', args) as ReturnType<LogReader['tailLog']>,
    readFile: (args) => call('read_file', args) as ReturnType<LogReader['readFile']>,
  };
}
