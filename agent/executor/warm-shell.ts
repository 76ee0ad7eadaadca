import { closeSync } from 'node:fs';
import type { ByteSink, PipePool } from './pipes.ts';
import { COMMAND_MARK } from './process-tree.ts';
import { attachShell, type RunningShell, type StartedShell, startShell } from './spawn.ts';

/**
 * Waits for one command and becomes it. A line that was not written to its end is no line: when the agent dies, the
 * shell reads the end of its input and is gone, and nothing was run. The variables are exported only by name, so the
 * command's environment is the usual one.
 */
export const WAIT = `IFS= read -r ${COMMAND_MARK} && IFS= read -r c && export ${COMMAND_MARK} && exec /bin/sh -c "$c" </dev/null`;

/** Shells read their input byte by byte; longer commands are quicker with a shell of their own. */
const MAX_COMMAND = 1024;
/** One line, and nothing that some shell's `read` might not return as it was. */
const PLAIN = /^[\t\x20-\x7e]+$/;

/**
 * A shell that was started ahead of need. Forking a process as large as a Node program takes longer than most
 * commands run, so it is done after one command's result for the next one.
 */
export class WarmShell {
  readonly #options: { pipes: PipePool; cwd: string; env: Readonly<Record<string, string>> };
  #ready: StartedShell | undefined;
  #starting: Promise<void> | undefined;
  #closed = false;

  /** `cwd`, `env`: of every command that it may run. */
  constructor(options: { pipes: PipePool; cwd: string; env: Readonly<Record<string, string>> }) {
    this.#options = options;
  }

  /** Starts one if there is none. Never fails: without one, commands start a shell of their own. */
  prepare(): Promise<void> {
    if (this.#closed || this.#ready !== undefined) return Promise.resolve();
    this.#starting ??= startShell({ ...this.#options, script: WAIT, stdin: 'pipe' })
      .then((shell) => {
        shell.child.stdin?.on('error', () => undefined);
        this.#ready = shell;
        if (this.#closed) this.#discard(shell);
      })
      .catch(() => undefined)
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  /** Runs a command by the shell that waits; undefined when there is none, or it is not for such a command. */
  run(options: {
    id: string;
    command: string;
    stdout: ByteSink;
    stderr: ByteSink;
  }): RunningShell | undefined {
    const { id, command } = options;
    const shell = this.#ready;
    if (shell === undefined || command.length > MAX_COMMAND || !PLAIN.test(command)) return undefined;
    this.#ready = undefined;
    if (shell.reaped()) {
      this.#discard(shell);
      return undefined;
    }
    shell.child.stdin?.end(`${id}\n${command}\n`);
    return attachShell(shell, options);
  }

  /** Ends the shell that waits. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#starting;
    const shell = this.#ready;
    if (shell === undefined) return;
    this.#discard(shell);
    await shell.exited;
  }

  #discard(shell: StartedShell): void {
    if (this.#ready === shell) this.#ready = undefined;
    shell.child.stdin?.end();
    closeSync(shell.output.stdout);
    closeSync(shell.output.stderr);
  }
}
