import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TerminalSize } from '../../protocol/terminal.ts';
import { FrameReader, writeJsonFrame, writeOutputFrame } from './frames.ts';

/** What goes to the process that holds a terminal; bytes that are typed go as output frames. */
export interface ToPtyHost {
  open?: TerminalSize & {
    file: string;
    args: readonly string[];
    env: Readonly<Record<string, string>>;
    cwd: string;
  };
  resize?: TerminalSize;
}
export interface FromPtyHost {
  started?: number;
  failed?: string;
  exited?: { code?: number; signal?: string };
}

export interface PtyProcess {
  /** Pid of the program, which leads a session of its own. */
  pid: number;
  /** How it ended; undefined when the process that held the terminal went away. */
  ended: Promise<{ code?: number; signal?: string } | undefined>;
  write(bytes: Buffer): void;
  resize(size: TerminalSize): void;
  /** Hangs up. */
  close(): void;
}

const NO_HEAD = new Uint8Array();

/** The executor's program, as the bundle or the checkout has it. */
function program(): string {
  const bundled = join(import.meta.dirname, 'vm-agent-exec.mjs');
  return existsSync(bundled) ? bundled : join(import.meta.dirname, '../exec-main.ts');
}

/**
 * Starts a program at a terminal of its own. `output` may hold it back by returning a promise.
 * @throws when it cannot be started.
 */
export async function spawnAtTerminal(
  options: NonNullable<ToPtyHost['open']> & { output(bytes: Buffer): void | Promise<void> },
): Promise<PtyProcess> {
  const { output, ...open } = options;
  const child: ChildProcess = spawn(process.execPath, [program(), 'pty'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: '/usr/bin:/bin' },
    // A Ctrl-C at the agent's own terminal is not meant for it.
    detached: true,
  });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('no pipes');
  stdin.on('error', () => undefined);
  child.on('error', () => undefined);
  const reader = new FrameReader();
  const started = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<{ code?: number; signal?: string } | undefined>();
  const take = (message: FromPtyHost) => {
    if (message.started !== undefined) started.resolve(message.started);
    if (message.failed !== undefined) started.reject(new Error(message.failed));
    if (message.exited !== undefined) ended.resolve(message.exited);
  };
  stdout.on('data', (chunk: Buffer) => {
    let held: Promise<void> | undefined;
    for (const frame of reader.push(chunk))
      if (frame.kind === 'json') take(frame.value as FromPtyHost);
      else held = output(frame.bytes) ?? held;
    if (held === undefined) return;
    stdout.pause();
    const goOn = () => void stdout.resume();
    held.then(goOn, goOn);
  });
  child.on('close', () => {
    started.reject(new Error('the process that holds the terminal ended'));
    ended.resolve(undefined);
  });
  writeJsonFrame(stdin as never, { open } satisfies ToPtyHost);
  const pid = await started.promise;
  return {
    pid,
    ended: ended.promise,
    write: (bytes) => void writeOutputFrame(stdin as never, NO_HEAD, bytes),
    resize: (size) => void writeJsonFrame(stdin as never, { resize: size } satisfies ToPtyHost),
    close: () => void stdin.end(),
  };
}
