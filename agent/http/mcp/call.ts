import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import { newId } from '../../../base/random.ts';
import { AppError } from '../../../protocol/errors.ts';
import { SHELL_TOOL, type ShellArguments } from '../../../protocol/tool-manifest.ts';
import type { BackgroundCommands } from '../../tools/background.ts';
import { type RunningCall, startCall } from '../../tools/call.ts';
import { KeptOutput } from '../../tools/kept-output.ts';
import type { PreparedCall, ToolRegistry } from '../../tools/registry.ts';
import type { Caller, ProgressReport, ToolValue } from '../../tools/tool.ts';
import { BUDGET, OutputCollector } from './output-collector.ts';
import { progressBeat } from './progress.ts';
import { commandResult, failureResult, valueResult } from './results.ts';

const MAX_CALLS = 128;

export interface ToolCall {
  name: string;
  args: unknown;
  caller: Caller;
  /** Any of these ends the call and everything that it started. */
  signals: readonly AbortSignal[];
  /** Given when the client asked to hear about progress. */
  onProgress?: ((report: ProgressReport) => void) | undefined;
}

export interface McpCallsOptions {
  registry: ToolRegistry;
  clock: Clock;
  log: Logger;
  /** Where output goes that is longer than an answer. */
  background: BackgroundCommands;
}

/** Runs tools for MCP clients and ends what is running when it is closed. */
export class McpCalls {
  readonly #options: McpCallsOptions;
  readonly #running = new Map<string, { running: RunningCall; done: Promise<unknown> }>();
  #closed = false;

  constructor(options: McpCallsOptions) {
    this.#options = options;
  }

  /** @throws AppError `tool_unknown`; every other refusal or failure is a result. */
  async call(call: ToolCall): Promise<CallToolResult> {
    const { registry } = this.#options;
    let prepared: PreparedCall;
    try {
      prepared = registry.prepare(call.name, call.args);
      if (this.#closed) throw new AppError('unavailable', { detail: 'The agent is stopping.' });
      if (this.#running.size >= MAX_CALLS)
        throw new AppError('unavailable', {
          detail: `${MAX_CALLS} calls are running, which is the most at once.`,
          hint: 'Wait for one of them to end.',
        });
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.code === 'tool_unknown') throw cause;
      const { code, message, hint } = cause;
      return failureResult({ code, message, ...(hint === undefined ? {} : { hint }) });
    }
    return this.#run(call, prepared);
  }

  /** Ends every call. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#running.values()];
    for (const { running } of all) running.stop('agent_stopping');
    await Promise.all(all.map(({ done }) => done));
  }

  async #run(
    { name, args, caller, signals, onProgress }: ToolCall,
    prepared: PreparedCall,
  ): Promise<CallToolResult> {
    const { clock, log } = this.#options;
    const id = newId('cmd', clock);
    const began = clock.monotonic();
    const collector = new OutputCollector();
    const kept = this.#keeperOf(name, args, caller);
    let value: ToolValue | undefined;
    const beat =
      onProgress &&
      progressBeat({
        clock,
        send: onProgress,
        describe: (s) =>
          collector.size === 0
            ? `running for ${s} s`
            : `running for ${s} s, ${collector.size} bytes of output`,
      });
    const running = startCall({
      id,
      call: prepared,
      clock,
      log,
      caller,
      output: (stream, bytes) => {
        collector.write(stream, bytes);
        kept?.write(bytes);
      },
      ...(beat === undefined ? {} : { progress: beat.report }),
      onValue: (answer) => {
        value = answer;
      },
    });
    this.#running.set(id, { running, done: running.outcome });
    const stop = () => running.stop('cancelled');
    // Listened to no longer than the call: these signals also abort after a normal end.
    for (const signal of signals) {
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    }
    const outcome = await running.outcome;
    for (const signal of signals) signal.removeEventListener('abort', stop);
    beat?.end();
    const handle = kept?.end(outcome);
    this.#running.delete(id);
    const { state, exit_code, error } = outcome;
    const durationMs = clock.monotonic() - began;
    log.info(
      {
        call: id,
        tool: name,
        by: caller.id,
        state,
        exit_code,
        code: error?.code,
        ms: Math.round(durationMs),
      },
      'called over MCP',
    );
    if (value !== undefined) return valueResult(value);
    if (outcome.exit_code !== undefined || outcome.signal !== undefined)
      return commandResult(outcome, collector, { durationMs, handle });
    return failureResult(error ?? { code: 'unavailable', message: `The call ended as ${state}.` });
  }

  #keeperOf(name: string, args: unknown, caller: Caller): KeptOutput | undefined {
    if (name !== SHELL_TOOL) return undefined;
    const { command } = args as ShellArguments;
    return new KeptOutput({ background: this.#options.background, caller, command, enough: BUDGET });
  }
}
