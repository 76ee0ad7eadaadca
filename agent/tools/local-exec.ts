import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { newId } from '../../base/random.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import { LeftoverSweeper } from '../executor/leftovers.ts';
import { PipePool } from '../executor/pipes.ts';
import { type CallOutcome, startCall } from './call.ts';
import { localShell } from './local-shell.ts';
import { createRegistry } from './registry.ts';
import { shellTool } from './shell-execute.ts';
import type { ShellHost } from './shell-host.ts';
import { CLI_GRANT, type OutputSink } from './tool.ts';

/**
 * Runs one shell command on this machine through the tool registry, without a daemon: what `vm-agent exec` does.
 * `output` gets the bytes as they come and may hold the command back by returning a promise. Aborting `signal`
 * cancels the command and its whole tree.
 * @throws AppError `tool_disabled` or `bad_request`.
 */
export async function executeLocally(options: {
  args: { command: string; timeout?: number; cwd?: string; env?: Record<string, string> };
  enabled: boolean;
  defaultTimeoutS: number;
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** For the pipes; a folder of the caller's own. */
  folder: string;
  /** Runs it; without one this process does. */
  host?: ShellHost | undefined;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  output: OutputSink;
}): Promise<CallOutcome> {
  const { clock, log, env, cwd, enabled, defaultTimeoutS } = options;
  const pipes = new PipePool(options.folder);
  const leftovers = new LeftoverSweeper({ clock, onKilled: () => undefined });
  try {
    const registry = createRegistry([
      shellTool({
        host: options.host ?? localShell({ pipes, leftovers, env, cwd }),
        enabled,
        defaultTimeoutS,
      }),
    ]);
    const call = registry.prepare(SHELL_TOOL, options.args);
    const caller = { door: 'cli', id: 'cli', grant: CLI_GRANT } as const;
    const running = startCall({ id: newId('cmd', clock), call, clock, log, output: options.output, caller });
    const cancel = () => running.stop('cancelled');
    if (options.signal.aborted) cancel();
    options.signal.addEventListener('abort', cancel, { once: true });
    const outcome = await running.outcome;
    options.signal.removeEventListener('abort', cancel);
    await leftovers.idle();
    return outcome;
  } finally {
    await pipes.close();
  }
}
