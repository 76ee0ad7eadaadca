import type { Clock, Timer } from '../../base/clock.ts';
import { TERMINAL_TOOL, type TerminalArguments, terminalArgumentsSchema } from '../../protocol/terminal.ts';
import { commandOutputSchema } from '../../protocol/tool-manifest.ts';
import { nativePty } from '../executor/pty.ts';
import type { TerminalHost } from './terminal-host.ts';
import type { TerminalInputs } from './terminal-inputs.ts';
import { type Tool, type ToolContext, type ToolEnd, ToolStop } from './tool.ts';

/** What the orchestrator asks for is what counts; this holds when it says nothing. */
const DEFAULT_TIMEOUT_S = 8 * 3600;

/** A command that a person sits at: it reads what is typed, and ends when nobody does any more. */
export function openTerminalTool(options: {
  host: TerminalHost;
  inputs: TerminalInputs;
  enabled: boolean;
}): Tool<typeof terminalArgumentsSchema, typeof commandOutputSchema> {
  return {
    name: TERMINAL_TOOL,
    group: 'shell',
    title: 'Open a terminal',
    description: 'Runs a shell or a command at a terminal, for a person at the orchestrator.',
    input: terminalArgumentsSchema,
    output: commandOutputSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    disabled: !options.enabled || nativePty() === undefined,
    signedOnly: true,
    paced: true,
    defaultTimeoutS: DEFAULT_TIMEOUT_S,
    run: (context, args) => runWhileUsed(options, context, args),
  };
}

async function runWhileUsed(
  { host, inputs }: { host: TerminalHost; inputs: TerminalInputs },
  context: ToolContext,
  args: TerminalArguments,
): Promise<ToolEnd> {
  const idle = new AbortController();
  const signal = AbortSignal.any([context.signal, idle.signal]);
  const watch = new IdleWatch(context.clock, args.idle_timeout, () => idle.abort(new ToolStop('timeout')));
  const stopped = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  try {
    const end = await host.run({
      context: {
        ...context,
        signal,
        output(stream, bytes) {
          watch.used();
          const held = context.output(stream, bytes);
          // What is to end does not wait for somebody to take its last words.
          return held === undefined || signal.aborted ? undefined : Promise.race([held, stopped]);
        },
      },
      args,
      inputs,
      onInput: () => watch.used(),
    });
    // To whoever asked, an end for want of use is one of time.
    return idle.signal.aborted && end.kind !== 'not_started' ? { kind: 'stopped', cause: 'timeout' } : end;
  } finally {
    watch.stop();
  }
}

/** Calls back when nothing has happened for some time; looks now and then instead of at every key. */
class IdleWatch {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onIdle: () => void;
  #last: number;
  #timer: Timer;

  constructor(clock: Clock, seconds: number, onIdle: () => void) {
    this.#clock = clock;
    this.#ms = seconds * 1000;
    this.#onIdle = onIdle;
    this.#last = clock.monotonic();
    this.#timer = this.#arm(this.#ms);
  }

  used(): void {
    this.#last = this.#clock.monotonic();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #arm(ms: number): Timer {
    return this.#clock.setTimer(ms, () => {
      const left = this.#last + this.#ms - this.#clock.monotonic();
      if (left <= 0) this.#onIdle();
      else this.#timer = this.#arm(left);
    });
  }
}
