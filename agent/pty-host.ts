import { closeSync, constants as files, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { FrameReader, writeJsonFrame, writeOutputFrame } from './executor/frames.ts';
import { nativePty, PtyMaster } from './executor/pty.ts';
import type { FromPtyHost, ToPtyHost } from './executor/pty-process.ts';

/** When the program has ended but something still holds the terminal, its last words are waited for this long. */
const HELD_MS = 250;
const NO_HEAD = new Uint8Array();
/** Names of signals by number, for what the system reports. */
const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/**
 * Holds one terminal and its program, until the input ends. A process of its own: descriptors of terminals are passed on
 * to whatever a process starts, and here nothing else is started.
 */
export function runPtyHost(options: { input: number; output: number; clock: Clock }): Promise<void> {
  const { clock } = options;
  const input = new Socket({ fd: options.input, readable: true, writable: false });
  const output = new Socket({ fd: options.output, readable: false, writable: true });
  const say = (message: FromPtyHost) => writeJsonFrame(output, message);
  let master: PtyMaster | undefined;
  let pid: number | undefined;
  let exit: { code: number; signal: string | undefined } | undefined;
  let told = false;
  let closed = false;

  const tell = () => {
    if (told || exit === undefined) return;
    told = true;
    const { code, signal } = exit;
    say({ exited: signal === undefined ? { code } : { signal } });
    output.end();
  };

  const giveUpLater = () => {
    clock.setTimer(HELD_MS, () => {
      // What waits for its reader is not held by anybody.
      if (master?.paused) giveUpLater();
      else master?.destroy();
    });
  };

  const open = ({ file, args, env, cwd, rows, cols }: NonNullable<ToPtyHost['open']>) => {
    const native = nativePty();
    if (native === undefined)
      throw new Error('there is no build of the terminal’s native part for this machine');
    const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const onExit = (code: number, signal: number) => {
      exit = { code, signal: SIGNAL_NAMES.get(signal) };
      closeSync(held);
      if (closed) tell();
      else giveUpLater();
    };
    const made = native.fork(file, args, pairs, cwd, cols, rows, -1, -1, true, '', onExit);
    // A program closes its own descriptors before it ends; were they the last, it would be hung up on meanwhile.
    const held = openSync(made.pty, files.O_RDWR | files.O_NOCTTY);
    pid = made.pid;
    master = new PtyMaster({
      fd: made.fd,
      native,
      clock,
      onData: (bytes) => {
        if (!writeOutputFrame(output, NO_HEAD, bytes)) master?.pause();
      },
      onEnd() {
        closed = true;
        tell();
      },
    });
    output.on('drain', () => master?.resume());
    say({ started: made.pid });
  };

  return new Promise((resolve) => {
    const reader = new FrameReader();
    input.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) {
        if (frame.kind === 'output') master?.write(Buffer.from(frame.bytes));
        else {
          const { open: opening, resize } = frame.value as ToPtyHost;
          if (opening !== undefined)
            try {
              open(opening);
            } catch (cause) {
              say({ failed: (cause as Error).message });
            }
          if (resize !== undefined) master?.resize(resize);
        }
      }
    });
    input.on('error', () => input.destroy());
    input.on('close', () => {
      // The agent has gone: so does the terminal, with what sits at it.
      if (pid !== undefined && exit === undefined)
        try {
          process.kill(-pid, 'SIGHUP');
        } catch {
          // It has gone already.
        }
      master?.destroy();
      output.destroy();
      resolve();
    });
    output.on('error', () => input.destroy());
    output.on('finish', () => input.destroy());
  });
}
