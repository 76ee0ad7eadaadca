import { AppError } from '../../protocol/errors.ts';
import type { ExecutorEnd, StartMessage } from '../../protocol/executor.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import type { ExecutorClient, RemoteCall, RemoteEnd } from '../executor/client.ts';
import type { LiveInput } from '../executor/live-input.ts';
import type { ShellHost, ShellRun } from './shell-host.ts';
import {
  type CallContext,
  type StopCause,
  type Tool,
  type ToolContext,
  type ToolEnd,
  ToolStop,
} from './tool.ts';

export type RemoteExecutor = Pick<ExecutorClient, 'call' | 'stop' | 'signal' | 'input' | 'control'>;

/** Runs commands through the privileged executor. */
export const remoteShell = (executor: RemoteExecutor): ShellHost => ({
  run: (run) => runRemote(executor, run),
});

async function runRemote(executor: RemoteExecutor, run: ShellRun): Promise<ToolEnd> {
  const { context, args, input, background } = run;
  const { command, cwd, env, stdin, timeout } = args;
  const given = Object.fromEntries(
    Object.entries({ command, cwd, env, stdin, timeout }).filter(([, value]) => value !== undefined),
  );
  const start: RemoteCall['start'] = {
    ...(context.signed === undefined
      ? {
          local: {
            tool: SHELL_TOOL,
            arguments: given,
            ...(background === undefined ? {} : { timeout_s: background.timeoutS }),
          },
        }
      : { signed: context.signed }),
    ...(run.merged ? { merged: true } : {}),
    ...(input === undefined ? {} : { live_input: true }),
    ...(background === undefined ? {} : { bound: true, handle: background.handle }),
  };
  const { id } = context;
  run.onStarted?.({ signal: async (name) => executor.signal(id, name) });
  if (input !== undefined) attachInput(input, executor, id);
  const survives = context.signed !== undefined && background === undefined;
  return followRemote(executor, context, { start, survives });
}

/** Follows a command that the executor started for an earlier daemon. `offsets`: output that is here already. */
export async function attachRemote(
  executor: RemoteExecutor,
  context: CallContext,
  offsets: NonNullable<RemoteCall['offsets']>,
): Promise<{ end: ToolEnd; endedAtMs: number | undefined }> {
  const remote = await follow(executor, context, { offsets, survives: true });
  return { end: toToolEnd(remote), endedAtMs: remote.endedAtMs };
}

/** The same tool, run by the executor with the rights and within the folders that the policy gives. */
export function remoteTool(tool: Tool, executor: RemoteExecutor): Tool {
  return {
    ...tool,
    async run(context: ToolContext, args: unknown): Promise<ToolEnd> {
      const start: Omit<StartMessage, 'type' | 'id'> =
        context.signed === undefined
          ? {
              local: {
                tool: tool.name,
                arguments: args as Record<string, unknown>,
                roots: { read: [...context.access.read], write: [...context.access.write] },
              },
            }
          : { signed: context.signed };
      const survives = context.signed !== undefined;
      return followRemote(executor, context, { start, survives });
    },
  };
}

/** As `follow`, with its end as a tool's. */
export const followRemote = async (
  executor: RemoteExecutor,
  context: CallContext,
  call: Pick<RemoteCall, 'start' | 'offsets' | 'survives'>,
): Promise<ToolEnd> => toToolEnd(await follow(executor, context, call));

/** One call until its end; the context's signal stops it there. */
async function follow(
  executor: RemoteExecutor,
  context: CallContext,
  call: Pick<RemoteCall, 'start' | 'offsets' | 'survives'>,
): Promise<RemoteEnd> {
  const { id, signal } = context;
  const stop = () => executor.stop(id, causeOf(signal));
  const ended = executor.call({ id, output: context.output, ...call });
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    return await ended;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const causeOf = (signal: AbortSignal): StopCause =>
  signal.reason instanceof ToolStop ? signal.reason.stop : 'cancelled';

function attachInput(input: LiveInput, executor: RemoteExecutor, id: string): void {
  input.attach({
    write: (bytes, eof, signed) =>
      executor.input({
        id,
        ...(signed === undefined ? { data: bytes.toString('base64'), ...(eof ? { eof } : {}) } : { signed }),
      }),
    // What the executor takes is on its way; only it knows what the command has read.
    unsent: 0,
    close: () => undefined,
  });
}

function toToolEnd({ end, attestation }: RemoteEnd): ToolEnd {
  const signedBy = attestation === undefined ? {} : { attestation };
  return { ...programEnd(end), ...signedBy };
}

function programEnd(end: ExecutorEnd): ToolEnd {
  switch (end.kind) {
    case 'exited':
      return { kind: 'exited', exitCode: end.exit_code };
    case 'signalled':
      return { kind: 'signalled', signal: end.signal };
    case 'oom':
      return { kind: 'oom', exitCode: end.exit_code, signal: end.signal };
    case 'stopped':
      return { kind: 'stopped', cause: end.cause, exitCode: end.exit_code, signal: end.signal };
    case 'lost':
      return { kind: 'lost', reason: end.reason };
    case 'not_started':
      return { kind: 'not_started', code: 'not_started', message: end.message };
    case 'value':
      return {
        kind: 'value',
        structured: end.structured,
        ...(end.text === undefined ? {} : { text: end.text }),
      };
    case 'thrown':
      throw new AppError(end.code, {
        detail: end.message,
        ...(end.hint === undefined ? {} : { hint: end.hint }),
      });
  }
}
