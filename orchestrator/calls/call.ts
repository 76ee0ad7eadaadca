import type { Clock } from '../../base/clock.ts';
import {
  type Actor,
  type CommandResult,
  type CommandState,
  isFinal,
  type Reason,
} from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, CommandId, JobId, OrganizationId } from '../../protocol/ids.ts';
import { createJobRequestSchema } from '../../protocol/rest-jobs.ts';
import { rightFor } from '../../protocol/tool-rights.ts';
import type { Bus } from '../hub/bus.ts';
import type { Cancel } from '../jobs/cancel.ts';
import { createHints } from '../jobs/hints.ts';
import type { OutputStore } from '../jobs/output-store.ts';
import type { Submit } from '../jobs/submit.ts';
import type { Store } from '../store/store.ts';
import type { Trail } from '../store/tables-jobs.ts';
import type { Agents } from '../tenancy/agents.ts';

export interface CallRequest {
  organizationId: OrganizationId;
  /** As the path named it: agent_id, or the vm_id of a live agent. */
  agent: string;
  actor: Actor;
  address: string | null;
  tool: string;
  args: Record<string, unknown>;
  waitS: number;
  /** Its abort cancels the call. */
  signal: AbortSignal;
  /** A piece of a transfer: what of its arguments is kept. Its answer is read once and kept nowhere. */
  piece?: { kept: Record<string, unknown> };
}

/** How a call ended. */
export interface Ended {
  commandId: CommandId;
  jobId: JobId;
  agentId: AgentId;
  state: CommandState;
  reason: Reason | null;
  result: CommandResult | null;
  /** What a tool answered that runs no program. */
  value: Record<string, unknown> | null;
}

export interface Calls {
  /**
   * Calls a tool of one agent and waits for its end; a failure of the tool is an end as well.
   * @throws AppError `not_found`, `agent_offline`, `unsupported`, `payload_too_large`, `call_timeout`, `conflict`.
   */
  call(request: CallRequest): Promise<Ended>;
  /** The same in two steps: it is on disk when this resolves, behind what was begun before it. */
  begin(request: CallRequest): Promise<{ ended: Promise<Ended> }>;
  /** The same for who needs the tool's answer: a tool that failed is thrown as what it failed with. */
  value(request: CallRequest): Promise<Record<string, unknown>>;
}

/** Longest answer of a tool that is read into memory. */
const MAX_VALUE_BYTES = 8 * 1024 * 1024;
/** Of the arguments as JSON: base64 in a signed envelope, they fit into a frame of the channel. */
const MAX_ARGUMENT_BYTES = 720 * 1024;
/** Hints may be lost: the store is read again after this at the latest. */
const POLL_MS = 2000;
const WAITS_FOR_OTHERS: ReadonlySet<CommandState> = new Set(['scheduled', 'awaiting_approval', 'held']);
/** What an audit event names of the arguments, so that it says which file was touched. */
const NAMED = ['file_path', 'directory_path', 'new_path', 'log_path', 'unit'] as const;

const named = (args: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    NAMED.filter((name) => typeof args[name] === 'string').map((name) => [name, args[name]]),
  );

/** Text of a file belongs on the machine: of what is written to one, only how much it was is kept. */
const WRITTEN: ReadonlySet<string> = new Set(['content', 'old_text', 'new_text']);
const withoutText = (args: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) =>
      WRITTEN.has(name) && typeof value === 'string' ? [name, `(${value.length} characters)`] : [name, value],
    ),
  );

const trailOf = ({ tool, piece }: CallRequest): Trail =>
  piece !== undefined ? 'none' : rightFor(tool) === 'jobs.run' ? 'full' : 'ends';

export function createCalls(options: {
  store: Pick<Store, 'db'>;
  agents: Pick<Agents, 'get'>;
  submit: Submit;
  cancel: Cancel;
  files: OutputStore;
  bus: Bus;
  clock: Clock;
}): Calls {
  const { store, agents, submit, cancel, files, bus, clock } = options;

  async function submitted(request: CallRequest): Promise<{ jobId: JobId; agentId: AgentId }> {
    const { organizationId, actor, address, tool, args, waitS, piece } = request;
    const agent = await agents.get(organizationId, request.agent);
    if (agent.state !== 'active' || !agent.online)
      throw new AppError('agent_offline', {
        detail: `${agent.vm_id} is ${agent.state === 'active' ? 'offline' : agent.state}.`,
        hint: 'Wait until it is online, or send a job: that waits for it.',
      });
    if (agent.tools.length > 0 && !agent.tools.includes(tool))
      throw new AppError('unsupported', {
        detail: `${agent.vm_id} has no tool ${tool}.`,
        hint: 'An upgrade of the agent may bring it; its owner may also have switched it off.',
      });
    if (Buffer.byteLength(JSON.stringify(args)) > MAX_ARGUMENT_BYTES)
      throw new AppError('payload_too_large', {
        detail: `The arguments of a call have at most ${MAX_ARGUMENT_BYTES} bytes as JSON.`,
        hint: 'Upload larger files in pieces: files/uploads.',
      });
    const { jobId } = await submit({
      organizationId,
      actor,
      address,
      idempotencyKey: undefined,
      body: createJobRequestSchema.parse({
        selector: `id=${agent.agent_id}`,
        tool,
        arguments: args,
        timeout: waitS,
        expires_in: waitS,
      }),
      call: {
        agentId: agent.agent_id,
        trail: trailOf(request),
        kept: piece?.kept ?? withoutText(args),
        detail: named(args),
      },
    });
    return { jobId, agentId: agent.agent_id };
  }

  const readRow = (organizationId: string, jobId: string) =>
    store.db
      .selectFrom('commands')
      .select(['id', 'state', 'reason', 'result', 'stdout_size'])
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .executeTakeFirstOrThrow();

  async function untilEnd(request: CallRequest, jobId: JobId): ReturnType<typeof readRow> {
    const { organizationId, waitS, signal } = request;
    const hints = createHints();
    const unsubscribe = bus.subscribeJob(organizationId, jobId, hints.ring);
    const until = clock.monotonic() + waitS * 1000;
    try {
      for (;;) {
        hints.clear();
        const row = await readRow(organizationId, jobId);
        const state = row.state as CommandState;
        if (isFinal(state)) return row;
        if (WAITS_FOR_OTHERS.has(state))
          throw new AppError('conflict', {
            detail: 'This call waits for an approval or a lock, which a call does not.',
            hint: 'Send it as a job, which can wait.',
          });
        signal.throwIfAborted();
        const left = until - clock.monotonic();
        if (left <= 0)
          throw new AppError('call_timeout', {
            detail: `The agent did not answer within ${waitS} s; the call was cancelled.`,
            hint: 'Try again, ask for less, or send a job, which can take longer.',
          });
        await hints.wait(clock, Math.min(POLL_MS, left), signal);
      }
    } catch (cause) {
      await stop(request, jobId);
      throw cause;
    } finally {
      unsubscribe();
    }
  }

  /** Nobody waits for it any more. One that has ended meanwhile is none to cancel. */
  async function stop({ organizationId, actor, address }: CallRequest, jobId: JobId): Promise<void> {
    await cancel({ organizationId, jobId, actor, address }).catch((cause: unknown) => {
      if (!(cause instanceof AppError && cause.code === 'not_cancellable')) throw cause;
    });
  }

  async function answerOf(
    request: CallRequest,
    row: Awaited<ReturnType<typeof readRow>>,
  ): Promise<Record<string, unknown> | null> {
    if (row.state !== 'succeeded' || trailOf(request) === 'full') return null;
    const key = { organizationId: request.organizationId, commandId: row.id, stream: 'stdout' } as const;
    const size = Number(row.stdout_size);
    if (size > MAX_VALUE_BYTES)
      throw new AppError('payload_too_large', { detail: `The answer has ${size} bytes.` });
    const bytes = await files.read(key, 0, size);
    if (request.piece !== undefined) await files.remove(key);
    try {
      return JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    } catch (cause) {
      throw new AppError('internal', { detail: 'The agent’s answer is no JSON.', cause });
    }
  }

  async function endOf(
    request: CallRequest,
    { jobId, agentId }: Awaited<ReturnType<typeof submitted>>,
  ): Promise<Ended> {
    const row = await untilEnd(request, jobId);
    return {
      commandId: row.id as CommandId,
      jobId,
      agentId,
      state: row.state as CommandState,
      reason: row.reason as Reason | null,
      result: row.result === null ? null : (JSON.parse(row.result) as CommandResult),
      value: await answerOf(request, row),
    };
  }

  const call = async (request: CallRequest) => endOf(request, await submitted(request));

  return {
    call,
    async begin(request) {
      return { ended: endOf(request, await submitted(request)) };
    },
    value: async (request) => answerIn(await call(request), request.tool),
  };
}

/** A tool's answer. @throws AppError: what it failed with. */
export function answerIn({ value, state, result }: Ended, tool: string): Record<string, unknown> {
  if (value !== null) return value;
  const error = result?.error;
  throw new AppError(error?.code ?? (state === 'timed_out' ? 'call_timeout' : 'unavailable'), {
    detail: error?.message ?? `The call of ${tool} ended as ${state}.`,
    ...(error?.hint === undefined ? {} : { hint: error.hint }),
  });
}
