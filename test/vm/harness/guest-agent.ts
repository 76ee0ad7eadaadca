// How commands get into a virtual machine: QEMU's guest agent, over the machine's virtio serial port.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../host/harness/command.ts';

export interface GuestCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array | undefined;
  readonly timeoutMs: number;
}

interface Reply {
  return?: unknown;
  error?: { class: string; desc: string };
}

/** How long one answer may take; the machine is emulated, and may be busy. */
const replyTimeoutMs = 60_000;

/** Open from `connectGuest` to `close`; it lives through reboots of the machine, but not through QEMU's end. */
export class GuestAgent {
  readonly #socket: Socket;
  #waiting: ((reply: Reply) => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #syncs = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      // Bytes of an answer that a reboot cut short may stand before a whole one.
      const start = line.indexOf('{');
      const waiting = this.#waiting;
      if (start >= 0 && waiting !== undefined) waiting(JSON.parse(line.slice(start)) as Reply);
    });
    socket.on('error', () => socket.destroy());
  }

  /** Whether the agent in the machine answers within that time. */
  async answers(timeoutMs = 1000): Promise<boolean> {
    this.#syncs += 1;
    const id = this.#syncs;
    return this.#inTurn(async () => {
      const isOurs = ({ return: value }: Reply) => value === id;
      return (await this.#ask('guest-sync', { id }, isOurs, timeoutMs).catch(() => undefined)) !== undefined;
    });
  }

  /** Runs a program to its end. @throws Error when it takes longer, or the machine stops answering. */
  async run(command: GuestCommand): Promise<Outcome> {
    const pid = await this.start(command);
    const deadline = performance.now() + command.timeoutMs;
    for (let pause = 20; ; pause = Math.min(pause * 2, 250)) {
      const status = (await this.#call('guest-exec-status', { pid })) as Record<string, unknown>;
      if (status['exited'] === true) return outcomeOf(status);
      if (performance.now() > deadline) {
        await this.start({ ...command, argv: ['kill', '-KILL', String(pid)], input: undefined });
        throw new Error(`${command.argv.join(' ')}: killed after ${command.timeoutMs} ms`);
      }
      await sleep(pause);
    }
  }

  /** Starts a program and does not wait for it. @returns its pid in the machine. */
  async start({ argv, env, input }: Omit<GuestCommand, 'timeoutMs'>): Promise<number> {
    const [path, ...arg] = argv;
    const started = await this.#call('guest-exec', {
      path,
      arg,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(input === undefined ? {} : { 'input-data': Buffer.from(input).toString('base64') }),
      'capture-output': true,
    });
    return (started as { pid: number }).pid;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #call(execute: string, args: Record<string, unknown>): Promise<unknown> {
    const reply = await this.#inTurn(() => this.#ask(execute, args, () => true, replyTimeoutMs));
    if (reply.error !== undefined) throw new Error(`${execute}: ${reply.error.class}: ${reply.error.desc}`);
    return reply.return;
  }

  /** The agent answers in order and without ids: one question at a time. */
  #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#turn.then(ask);
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  #ask(
    execute: string,
    args: Record<string, unknown>,
    accepts: (reply: Reply) => boolean,
    timeoutMs: number,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#socket.off('close', onClose);
        this.#waiting = undefined;
        settle();
      };
      const onClose = () => end(() => reject(new Error(`${execute}: the virtual machine is off`)));
      const timer = setTimeout(
        () => end(() => reject(new Error(`${execute}: no answer within ${timeoutMs} ms`))),
        timeoutMs,
      );
      this.#waiting = (reply) => {
        if (accepts(reply)) end(() => resolve(reply));
      };
      if (this.#socket.destroyed) return onClose();
      this.#socket.once('close', onClose);
      this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }
}

/** Connects to the socket of a machine's serial port; the agent behind it may not have started yet. */
export async function connectGuest(path: string): Promise<GuestAgent> {
  const socket = connect(path);
  await once(socket, 'connect');
  return new GuestAgent(socket);
}

function outcomeOf(status: Record<string, unknown>): Outcome {
  const bytes = (name: string) => Buffer.from(String(status[name] ?? ''), 'base64');
  if (status['out-truncated'] === true || status['err-truncated'] === true)
    throw new Error('the command printed more than the guest agent keeps: write it to a file');
  const [stdout, stderr] = [bytes('out-data'), bytes('err-data')];
  const { exitcode, signal } = status;
  const code = typeof exitcode === 'number' ? exitcode : 128 + Number(signal ?? 0);
  return { code, stdout, stderr, out: stdout.toString('utf8'), err: stderr.toString('utf8') };
}
