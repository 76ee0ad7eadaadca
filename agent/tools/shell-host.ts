import type { ShellArguments } from '../../protocol/tool-manifest.ts';
import type { LiveInput } from '../executor/live-input.ts';
import type { CallContext, ToolEnd } from './tool.ts';

/** A command that runs. */
export interface ShellProcess {
  /** Sends a signal to everything that it started; after SIGKILL nothing is left. */
  signal(name: NodeJS.Signals): Promise<void>;
}

export interface ShellRun {
  context: CallContext;
  args: Pick<ShellArguments, 'command' | 'cwd' | 'env' | 'stdin' | 'timeout'>;
  /** Stays open for what comes later; without it stdin is `args.stdin`, or /dev/null. */
  input?: LiveInput | undefined;
  /** stdout and stderr together on `stdout`, in the order in which they were written. */
  merged?: boolean;
  /** Somebody will read how it ends, even when it is cancelled. */
  awaited?: boolean;
  /** It ends with the daemon, and signed input names it so. */
  background?: { handle: string; timeoutS: number } | undefined;
  onStarted?(process: ShellProcess): void;
}

/** Runs commands: inside the daemon with its rights, or through the privileged executor. */
export interface ShellHost {
  /** Runs a command to its end, or until the context's signal ends it with everything that it started. */
  run(run: ShellRun): Promise<ToolEnd>;
}
