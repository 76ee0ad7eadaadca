import type { SignedCommand } from '../../protocol/executor.ts';
import type { TerminalArguments } from '../../protocol/terminal.ts';
import { InputGate } from '../executor/input-gate.ts';
import {
  COMMAND_MARK,
  findTree,
  killTree,
  markOf,
  signalProcess,
  type Tree,
  terminateTree,
} from '../executor/process-tree.ts';
import { type PtyProcess, spawnAtTerminal } from '../executor/pty-process.ts';
import { terminalScript } from '../executor/terminal-script.ts';
import { followRemote, type RemoteExecutor } from './remote.ts';
import { commandEnvironment } from './shell-execute.ts';
import type { TerminalInputs } from './terminal-inputs.ts';
import type { CallContext, ToolEnd } from './tool.ts';

export interface TerminalRun {
  context: CallContext;
  args: TerminalArguments;
  inputs: TerminalInputs;
  /** Somebody has typed. */
  onInput(): void;
}

/** Opens terminals: inside the daemon with its rights, or through the privileged executor. */
export interface TerminalHost {
  run(run: TerminalRun): Promise<ToolEnd>;
}

/** The executor checks the signatures itself; the daemon only carries them. */
export const remoteTerminal = (executor: RemoteExecutor): TerminalHost => ({
  async run({ context, inputs, onInput }) {
    const { id, signed } = context;
    const close = inputs.open(id, (control) => {
      onInput();
      executor.control(id, control);
    });
    try {
      return await followRemote(executor, context, {
        start: { ...(signed === undefined ? {} : { signed }), bound: true },
        survives: false,
      });
    } finally {
      close();
    }
  },
});

/** After SIGHUP and SIGTERM a terminal's processes have this long until SIGKILL. */
const GRACE_MS = 2000;

export const localTerminal = (user: {
  name: string;
  home: string;
  lang?: string | undefined;
}): TerminalHost => ({
  async run(run) {
    const { context, args } = run;
    // From the first moment on: what is typed before there is a terminal waits for it.
    const early: SignedCommand[] = [];
    let take = (signed: SignedCommand): void => void early.push(signed);
    const close = run.inputs.open(context.id, (signed) => take(signed));
    try {
      const terminal = await spawnAtTerminal({
        file: '/bin/sh',
        args: ['-c', terminalScript(args)],
        env: { ...commandEnvironment(user), [COMMAND_MARK]: context.id },
        cwd: user.home,
        rows: args.rows,
        cols: args.cols,
        output: (bytes) => context.output('stdout', bytes),
      }).catch((cause: Error) => cause.message);
      if (typeof terminal === 'string')
        return {
          kind: 'not_started',
          code: 'not_started',
          message: `The terminal could not be opened: ${terminal}.`,
        };
      const tree: Tree = { leader: terminal.pid, mark: markOf(context.id) };
      take = taker(run, terminal, tree);
      for (const signed of early.splice(0)) take(signed);
      return await follow(context, terminal, tree);
    } finally {
      close();
    }
  },
});

async function follow(context: CallContext, terminal: PtyProcess, tree: Tree): Promise<ToolEnd> {
  const { clock, log, id, signal } = context;
  let exited = false;
  let ending: Promise<number> | undefined;
  const end = () => {
    signalProcess(-terminal.pid, 'SIGHUP');
    ending ??= terminateTree({ tree, reaped: () => exited, graceMs: GRACE_MS, clock });
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  const how = await terminal.ended;
  exited = true;
  signal.removeEventListener('abort', end);
  const left = ending === undefined ? (await killTree(() => findTree(tree, true), clock)).left : await ending;
  if (left > 0) log.warn({ id, left }, 'processes of a terminal could not be ended');
  terminal.close();
  if (how === undefined) return { kind: 'lost', reason: 'agent_lost' };
  return how.signal === undefined
    ? { kind: 'exited', exitCode: how.code ?? 0 }
    : { kind: 'signalled', signal: how.signal };
}

/** The same check that the executor makes: here the daemon is the executor. */
function taker(
  { context, inputs, onInput }: TerminalRun,
  terminal: PtyProcess,
  tree: Tree,
): (signed: SignedCommand) => void {
  const { id, clock, log } = context;
  const gate = new InputGate((signed) => inputs.verify(signed, id, clock.now()));
  return (signed) => {
    const admission = gate.admit(signed);
    if (admission.kind === 'refused')
      log.warn({ id, code: admission.code }, `input was refused: ${admission.message}`);
    if (admission.kind !== 'ok') return;
    onInput();
    const { input, bytes } = admission;
    if (input.type === 'input') terminal.write(bytes);
    else if (input.type === 'resize') terminal.resize(input);
    else {
      const name = input.signal;
      findTree(tree, false).then((pids) => {
        for (const pid of pids) signalProcess(pid, name);
      });
    }
  };
}
