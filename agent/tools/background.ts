import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { newId, randomHex } from '../../base/random.ts';
import type { BackgroundCommandStatus } from '../../protocol/background.ts';
import { AppError } from '../../protocol/errors.ts';
import type { ShellArguments } from '../../protocol/tool-manifest.ts';
import { LiveInput } from '../executor/live-input.ts';
import { OutputSpool } from '../executor/output-spool.ts';
import { findMarked, killTree, markOf } from '../executor/process-tree.ts';
import { BackgroundCommand } from './background-command.ts';
import { type CallOutcome, startCall } from './call.ts';
import type { ShellHost } from './shell-host.ts';
import type { Caller, ToolContext } from './tool.ts';

const MAX_RUNNING = 16;
const MAX_KEPT = 100;
const KEEP_ENDED_MS = 3_600_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT_S = 24 * 3600;
const HANDLE_DIGITS = 32;

export interface BackgroundOptions {
  host: ShellHost;
  clock: Clock;
  log: Logger;
  /** For output; its own, and emptied at each start. */
  folder: string;
  maxRunning?: number;
  /** Ended commands and their output are kept this long. */
  keepEndedMs?: number;
  /** A command that writes more is ended. */
  outputBytes?: number;
}

/** Takes the output of a command that somebody else runs. */
export interface OutputKeeper {
  write(bytes: Buffer): void;
  /** @returns the id by which the output can be read. */
  end(outcome: CallOutcome): string;
}

/**
 * Commands in the background. They belong to who started them: nobody else sees them, whatever id is named. They
 * outlive their caller's connection and end with the daemon.
 */
export class BackgroundCommands {
  readonly #options: BackgroundOptions;
  readonly #commands = new Map<string, BackgroundCommand>();
  #ready: Promise<void> | undefined;
  #stopping = false;

  constructor(options: BackgroundOptions) {
    this.#options = options;
  }

  /** Ends what a daemon that was killed left running; for the start. @throws when the folder cannot be used. */
  recover(): Promise<void> {
    this.#ready ??= this.#prepare().catch((cause: unknown) => {
      this.#ready = undefined;
      throw cause;
    });
    return this.#ready;
  }

  /** Starts it and returns its id. @throws AppError when there are too many, or it cannot start. */
  async start(context: ToolContext, args: ShellArguments): Promise<string> {
    const { host, clock, log, folder } = this.#options;
    await this.recover();
    this.#makeRoom();
    const input = args.stdin === undefined ? new LiveInput() : undefined;
    // The name of its processes is not its id: every process of the machine's users may read their environment.
    const name = context.signed === undefined ? newId('cmd', clock) : context.id;
    const spool = new OutputSpool({
      folder,
      commandId: name,
      limit: this.#options.outputBytes ?? OUTPUT_BYTES,
    });
    // A file from the start, by which the next daemon finds what a killed one left running.
    const written = spool.write('stdout', Buffer.alloc(0));
    if (written !== 'ok') throw notStored(written);
    const command = new BackgroundCommand({
      id: `bg-${randomHex(HANDLE_DIGITS)}`,
      owner: ownerOf(context.caller),
      command: args.command,
      clock,
      spool,
      input,
    });
    this.#commands.set(command.id, command);
    const timeoutS = args.timeout ?? DEFAULT_TIMEOUT_S;
    const call = startCall({
      id: name,
      clock,
      log,
      caller: context.caller,
      signed: context.signed,
      call: {
        timeoutS,
        run: (own) =>
          host.run({
            context: own,
            args,
            input,
            merged: true,
            awaited: true,
            background: { handle: command.id, timeoutS },
            onStarted: (process) => command.started(process),
          }),
      },
      output: (stream, bytes) => {
        const outcome = spool.write(stream, bytes);
        if (outcome === 'limit') call.stop('output_limit');
        else if (outcome !== 'ok') call.stop('output_failed', outcome.failed);
        command.wake();
      },
    });
    command.follow(call, () => this.#ended(command));
    log.info({ id: name, by: context.caller.id, door: context.caller.door }, 'started in the background');
    return command.id;
  }

  /** Keeps the output of a command that its caller waits for, as if it had run in the background. */
  keep(caller: Caller, text: string): OutputKeeper {
    const { clock, folder, outputBytes } = this.#options;
    const limit = outputBytes ?? OUTPUT_BYTES;
    const spool = new OutputSpool({ folder, commandId: newId('cmd', clock), limit });
    const command = new BackgroundCommand({
      id: `bg-${randomHex(HANDLE_DIGITS)}`,
      owner: ownerOf(caller),
      command: text,
      clock,
      spool,
      input: undefined,
    });
    let full = false;
    return {
      // The command goes on when no more of its output can be kept; its head and tail are in the answer.
      write: (bytes) => {
        if (!full) full = spool.write('stdout', bytes) !== 'ok';
      },
      end: (outcome) => {
        this.#dropEnded();
        this.#commands.set(command.id, command);
        command.end(outcome);
        this.#ended(command);
        return command.id;
      },
    };
  }

  /** How many run just now, whoever started them. */
  get running(): number {
    return [...this.#commands.values()].filter((command) => command.running).length;
  }

  /** The caller's own, newest first. */
  list(caller: Caller): BackgroundCommandStatus[] {
    const owner = ownerOf(caller);
    return [...this.#commands.values()]
      .filter((command) => command.owner === owner)
      .map((command) => command.status())
      .toReversed();
  }

  /** @throws AppError `not_found`, also for another caller's command. */
  find(caller: Caller, id: string): BackgroundCommand {
    const command = this.#commands.get(id);
    if (command === undefined || command.owner !== ownerOf(caller))
      throw new AppError('not_found', {
        detail: 'You have no command with this id.',
        hint: 'list_commands names yours. Ended ones are kept for an hour, and none over a restart of the agent.',
      });
    return command;
  }

  /** Ends every command and frees the disk. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const all = [...this.#commands.values()];
    await Promise.all(all.map((command) => command.stop('agent_stopping')));
    for (const command of all) this.#remove(command);
  }

  async #prepare(): Promise<void> {
    const { folder, clock, log } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const files = readdirSync(folder);
    const marks = new Set(files.map((file) => markOf(file.replace(/\.std(out|err)$/, ''))));
    if (marks.size === 0) return;
    const { killed } = await killTree(() => findMarked(marks), clock);
    if (killed > 0) log.warn({ killed }, 'ended background commands of an agent that was killed');
    for (const file of files) rmSync(`${folder}/${file}`, { force: true });
  }

  #makeRoom(): void {
    if (this.#stopping) throw new AppError('unavailable', { detail: 'The agent is stopping.' });
    const maxRunning = this.#options.maxRunning ?? MAX_RUNNING;
    if (this.running >= maxRunning)
      throw new AppError('unavailable', {
        detail: `${maxRunning} commands run in the background, which is the most at once.`,
        hint: 'Wait for one to end, or stop one with stop_command.',
      });
    this.#dropEnded();
  }

  #dropEnded(): void {
    const all = [...this.#commands.values()];
    const ended = all.filter((command) => !command.running);
    for (const command of ended.slice(0, Math.max(0, all.length - MAX_KEPT + 1))) this.#remove(command);
  }

  #ended(command: BackgroundCommand): void {
    const { clock, log, keepEndedMs } = this.#options;
    const { state, exit_code } = command.status();
    log.info({ state, exit_code }, 'a background command ended');
    if (this.#stopping) return;
    clock.setTimer(keepEndedMs ?? KEEP_ENDED_MS, () => this.#remove(command), { background: true });
  }

  #remove(command: BackgroundCommand): void {
    if (this.#commands.delete(command.id)) command.remove();
  }
}

const ownerOf = ({ door, id }: Caller): string => `${door} ${id}`;

function notStored(written: 'limit' | { failed: NodeJS.ErrnoException }): AppError {
  return new AppError('disk_full', {
    detail: 'The output of a command could not be stored on this VM.',
    hint: 'Free some space on the VM.',
    ...(written === 'limit' ? {} : { cause: written.failed }),
  });
}
