import type { Command } from 'commander';
import { WebSocket } from 'ws';
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

interface Keyboard {
  size(): { rows: number; cols: number };
  begin(type: (bytes: Buffer) => void, resized: () => void): void;
  end(): void;
}

/** The terminal that this command itself sits at; without one its input is passed on as it is. */
function keyboardOf(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Keyboard {
  let onData: ((bytes: Buffer) => void) | undefined;
  let onResize: (() => void) | undefined;
  return {
    size: () => (output.isTTY ? { rows: output.rows, cols: output.columns } : SIZE),
    begin(type, resized) {
      onData = type;
      onResize = resized;
      // Every key goes to the machine, Ctrl-C too.
      if (input.isTTY) input.setRawMode(true);
      input.on('data', type);
      output.on('resize', resized);
    },
    end() {
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
          (bytes) => socket.send(bytes),
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
    keyboard: keyboardOf(stdin, stdout),
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
