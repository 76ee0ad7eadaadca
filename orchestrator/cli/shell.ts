import type { Command } from 'commander';
import { WebSocket } from 'ws';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { problemToError } from '../../protocol/problem.ts';
import { CLIENT_ACK_BYTES, TERMINAL_SUBPROTOCOL } from '../../protocol/terminal-codes.ts';
import type { TerminalClientMessage, TerminalServerMessage } from '../../protocol/terminal-socket.ts';
import { agentArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';

type Ended = Extract<TerminalServerMessage, { type: 'ended' }>;

/** Ends of a terminal that are no failure of ours; the rest is told, and is exit code 1. */
const QUIET: ReadonlySet<Ended['reason']> = new Set(['exit', 'closed']);
const SIZE = { rows: 24, cols: 80 };
/** Ctrl-D: the end of input. */
const EOT = 4;
const LINE_FEED = 10;
const EOT_EVERY_MS = 500;

interface Keyboard {
  size(): { rows: number; cols: number };
  begin(type: (bytes: Buffer) => void, resized: () => void): void;
  end(): void;
}

/**
 * The terminal that this command itself sits at; without one its input is passed on as it is, and its end as Ctrl-D.
 * `lines`: a last line without its end is ended, as a shell that waits for lines needs it.
 */
function keyboardOf(
  clock: Clock,
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  lines: boolean,
): Keyboard {
  const over = new AbortController();
  let onEnd: (() => void) | undefined;
  let onData: ((bytes: Buffer) => void) | undefined;
  let onResize: (() => void) | undefined;
  return {
    // A terminal that nobody gave a size says 0.
    size: () => ({ rows: output.rows || SIZE.rows, cols: output.columns || SIZE.cols }),
    begin(type, resized) {
      let last = LINE_FEED;
      onData = (bytes) => {
        last = bytes.at(-1) ?? last;
        type(bytes);
      };
      onEnd = () => void endInput();
      // Input that has ended stays so, for each who reads it; and a shell that is still starting loses the first.
      const endInput = async () => {
        if (lines && last !== LINE_FEED) type(Buffer.of(LINE_FEED));
        while (!over.signal.aborted) {
          type(Buffer.of(EOT));
          await clock.sleep(EOT_EVERY_MS, over.signal).catch(() => undefined);
        }
      };
      onResize = resized;
      // Every key goes to the machine, Ctrl-C too.
      if (input.isTTY) input.setRawMode(true);
      input.on('data', onData);
      input.on('end', onEnd);
      output.on('resize', resized);
    },
    end() {
      over.abort();
      if (onEnd) input.off('end', onEnd);
      if (onData) input.off('data', onData);
      if (onResize) output.off('resize', onResize);
      if (input.isTTY) input.setRawMode(false);
      input.pause();
      input.unref?.();
    },
  };
}

/** Sits at a terminal until it ends. @throws AppError as the orchestrator refused it. */
function sit(
  socket: WebSocket,
  options: {
    keyboard: Keyboard;
    command: string | undefined;
    term: string | undefined;
    show(bytes: Buffer, done: () => void): void;
    notice(text: string): void;
  },
): Promise<Ended> {
  const { keyboard, show } = options;
  const say = (message: TerminalClientMessage) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };
  let received = 0;
  let told = 0;
  const shown = (offset: number) => {
    if (offset - told < CLIENT_ACK_BYTES && offset !== received) return;
    told = offset;
    say({ type: 'ack', offset });
  };
  return new Promise((resolve, reject) => {
    const fail = (error: AppError) => {
      keyboard.end();
      socket.terminate();
      reject(error);
    };
    const take = (message: TerminalServerMessage) => {
      if (message.type === 'error') {
        const { hint } = message;
        fail(problemToError(422, { code: message.code, detail: message.message, ...(hint && { hint }) }));
      } else if (message.type === 'awaiting_approval')
        options.notice('waits until other people have approved it; Ctrl-C leaves');
      else if (message.type === 'started')
        keyboard.begin(
          (bytes) => {
            if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
          },
          () => say({ type: 'resize', ...keyboard.size() }),
        );
      else if (message.type === 'ended') {
        keyboard.end();
        resolve(message);
      }
    };
    socket.on('open', () =>
      say({
        type: 'open',
        ...keyboard.size(),
        ...(options.term === undefined ? {} : { term: options.term }),
        ...(options.command === undefined ? {} : { command: options.command }),
      }),
    );
    socket.on('message', (data, isBinary) => {
      if (!isBinary) return take(JSON.parse(data.toString()) as TerminalServerMessage);
      received += (data as Buffer).length;
      const end = received;
      show(data as Buffer, () => shown(end));
    });
    socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        let problem: unknown;
        try {
          problem = JSON.parse(Buffer.concat(chunks).toString());
        } catch {
          problem = undefined;
        }
        fail(problemToError(response.statusCode ?? 0, problem));
      });
    });
    socket.on('error', (cause) =>
      fail(
        new AppError('server_unreachable', {
          detail: `The orchestrator cannot be reached: ${cause.message}.`,
          hint: 'Check --url and --ca-file.',
          cause,
        }),
      ),
    );
    socket.on('close', () =>
      fail(
        new AppError('unavailable', {
          detail: 'The link to the orchestrator broke.',
          hint: 'The terminal goes on for five minutes; it is on the page of the agent.',
        }),
      ),
    );
  });
}

async function shell(
  deps: CliDeps,
  agent: string,
  words: readonly string[],
  flags: ClientFlags,
): Promise<void> {
  const { address } = await clientFor(deps, flags);
  const { url, headers, ca } = address(`/agents/${encodeURIComponent(agent)}/terminal`);
  url.protocol = 'wss:';
  const socket = new WebSocket(url, TERMINAL_SUBPROTOCOL, {
    headers,
    perMessageDeflate: false,
    minVersion: 'TLSv1.3',
    ...(ca === undefined ? {} : { ca }),
  });
  const { stdin, stdout } = process;
  const end = await sit(socket, {
    keyboard: keyboardOf(deps.clock, stdin, stdout, words.length === 0),
    command: words.length === 0 ? undefined : words.join(' '),
    term: deps.env['TERM'],
    show: (bytes, done) => void stdout.write(bytes, () => done()),
    notice: (text) => void deps.stderr.write(`vm-orchestrator: ${text}\n`),
  });
  if (!QUIET.has(end.reason)) deps.stderr.write(`vm-orchestrator: ${end.message}\n`);
  deps.exitWith(end.exit_code ?? (QUIET.has(end.reason) && end.signal === null ? 0 : 1));
}

/** `vm-orchestrator shell AGENT`: a terminal on a machine. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('shell')
      .description('open a terminal on an agent; it is recorded')
      .argument('<agent>', 'vm_id or agent_id', agentArgument)
      .argument('[command...]', 'run by the login shell instead of the shell itself; after --'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nIt ends with the exit code of the shell or the command.\n\nExample:\n  vm-orchestrator shell vm-web-1-a1b2c3 -- top`,
    )
    .action((agent: string, words: string[], flags: ClientFlags) =>
      reporting(deps, flags, () => shell(deps, agent, words, flags)),
    );
}
