import type { CommandState, Reason, Stream } from '../../../protocol/command.ts';
import type { Command, JobEvent, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { appendOutput, createOutputLog, limitOutput, type OutputLog } from './output-log.ts';
import { createOutputCleaner } from './safe-text.ts';
import { isFinalState } from './states.ts';

interface StreamReader {
  /** Bytes taken so far: the offset that the next piece should have. */
  offset: number;
  decoder: InstanceType<typeof TextDecoder>;
  clean: (piece: string) => string;
}

/** One command as the page shows it. `revision` grows with each change, so that only changed ones are drawn anew. */
export interface CommandView {
  readonly id: string;
  readonly agentId: string;
  readonly vmId: string;
  /** From 1; null without waves. */
  wave: number | null;
  /** What the API said of it last; forgotten when its state changes. */
  why: string | null;
  state: CommandState;
  reason: Reason | null;
  cancelRequested: boolean;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  result: Pick<NonNullable<Command['result']>, 'exit_code' | 'signal' | 'duration_ms' | 'error'> | null;
  output: OutputLog;
  streams: Record<Stream, StreamReader>;
  revision: number;
}

export interface JobView {
  readonly commands: Map<string, CommandView>;
  ended: boolean;
  /** Grows when the waves have come further: the job is to be read again. */
  rolloutEvents: number;
}

/** Characters of output that the page holds: for all commands, and at least and at most for each. */
const ALL_CHARS = 4 * 1024 * 1024;
const MIN_CHARS = 8 * 1024;
const MAX_CHARS = 256 * 1024;

const shareOf = (commands: number): number =>
  Math.min(MAX_CHARS, Math.max(MIN_CHARS, Math.floor(ALL_CHARS / Math.max(1, commands))));

const createReader = (offset: number): StreamReader => ({
  offset,
  decoder: new TextDecoder(),
  clean: createOutputCleaner(),
});

function createCommandView(
  head: Pick<CommandView, 'id' | 'agentId' | 'vmId' | 'createdAt'>,
  limit: number,
): CommandView {
  return {
    ...head,
    wave: null,
    why: null,
    state: 'queued',
    reason: null,
    cancelRequested: false,
    startedAt: null,
    endedAt: null,
    result: null,
    output: createOutputLog(limit),
    streams: { stdout: createReader(0), stderr: createReader(0) },
    revision: 0,
  };
}

export const createJobView = (): JobView => ({ commands: new Map(), ended: false, rolloutEvents: 0 });

/** Takes what the API says about the job now; output that was seen stays. */
export function applyJob(view: JobView, job: JobWithCommands): void {
  const limit = shareOf(job.commands.length);
  for (const command of job.commands) {
    let shown = view.commands.get(command.id);
    if (shown === undefined) {
      shown = createCommandView(
        { id: command.id, agentId: command.agent_id, vmId: command.vm_id, createdAt: command.created_at },
        limit,
      );
      view.commands.set(command.id, shown);
    }
    // The answer may be older than an event that came meanwhile.
    if (isFinalState(shown.state) && !isFinalState(command.state)) continue;
    shown.state = command.state;
    shown.reason = command.reason;
    shown.wave = command.wave;
    shown.why = command.why;
    shown.cancelRequested = command.cancel_requested;
    shown.startedAt = command.started_at;
    shown.endedAt = command.ended_at;
    shown.result = command.result;
    shown.revision += 1;
  }
  view.ended = job.state === 'ended';
}

export function applyEvent(view: JobView, event: JobEvent): void {
  if (event.type === 'end') {
    view.ended = true;
    return;
  }
  if (event.type === 'rollout') {
    view.rolloutEvents += 1;
    return;
  }
  let command = view.commands.get(event.command_id);
  if (command === undefined) {
    command = createCommandView(
      { id: event.command_id, agentId: event.agent_id, vmId: event.vm_id, createdAt: event.at },
      shareOf(view.commands.size + 1),
    );
    view.commands.set(event.command_id, command);
    for (const each of view.commands.values()) limitOutput(each.output, shareOf(view.commands.size));
  }
  if (event.type === 'output') applyOutput(command, event.stream, event.offset, decodeBase64(event.data));
  else applyState(command, event);
  command.revision += 1;
}

function applyState(command: CommandView, event: Extract<JobEvent, { type: 'state' }>): void {
  // A replay tells the past again; an end that is known stays, except that `unknown` may learn the truth once.
  if (isFinalState(command.state) && !isFinalState(event.state)) return;
  if (command.state !== event.state) command.why = null;
  command.state = event.state;
  command.reason = event.reason;
  if (event.state === 'running') command.startedAt ??= event.at;
  if (!isFinalState(event.state)) return;
  command.result = event.result;
  command.startedAt = event.result?.started_at ?? command.startedAt;
  command.endedAt = event.result?.ended_at ?? event.at;
}

/** Adds bytes at their offset: what was seen is left out, what is missing is said. */
export function applyOutput(command: CommandView, stream: Stream, offset: number, bytes: Uint8Array): void {
  const reader = command.streams[stream];
  if (offset > reader.offset) {
    appendOutput(command.output, 'note', `… ${offset - reader.offset} bytes of ${stream} not shown …\n`);
    command.streams[stream] = createReader(offset);
  }
  const now = command.streams[stream];
  const fresh = bytes.subarray(Math.max(0, now.offset - offset));
  if (fresh.length === 0) return;
  now.offset += fresh.length;
  appendOutput(command.output, stream, now.clean(now.decoder.decode(fresh, { stream: true })));
}

/** Begins to read a stream at `offset`; what lies before counts as cut. */
export function skipOutput(command: CommandView, stream: Stream, offset: number): void {
  const skipped = offset - command.streams[stream].offset;
  if (skipped <= 0) return;
  command.output.cut += skipped;
  command.streams[stream] = createReader(offset);
}

function decodeBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** How many commands are in each state, in the order of their first appearance. */
export function countStates(view: JobView): Map<CommandState, number> {
  const counts = new Map<CommandState, number>();
  for (const { state } of view.commands.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

/** The same for each wave. */
export function countWaves(view: JobView): Map<number, Map<CommandState, number>> {
  const waves = new Map<number, Map<CommandState, number>>();
  for (const { wave, state } of view.commands.values()) {
    if (wave === null) continue;
    const counts = waves.get(wave) ?? new Map<CommandState, number>();
    counts.set(state, (counts.get(state) ?? 0) + 1);
    waves.set(wave, counts);
  }
  return waves;
}
