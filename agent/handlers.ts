import type { Clock } from '../base/clock.ts';
import type { SessionHandlers } from './channel/session.ts';
import type { CommandRunner } from './commands/runner.ts';
import type { CommandKeeper } from './commands/runner-options.ts';
import type { ExecutorClient } from './executor/client.ts';
import type { OutputSender } from './executor/output-sender.ts';
import { attachRemote } from './tools/remote.ts';
import type { TerminalInputs } from './tools/terminal-inputs.ts';

/** What the messages of the orchestrator do to commands and their output. */
export function handlersOf(
  runner: CommandRunner,
  sender: OutputSender,
  clock: Clock,
  inputs: TerminalInputs,
): SessionHandlers {
  return {
    onCommand: (message) => runner.onCommand(message),
    onCancel: (message) => runner.onCancel(message.command_id),
    onInput: ({ command_id, envelope, delegation }) => inputs.deliver(command_id, { envelope, delegation }),
    onOutputAck: ({ command_id, stream, durable_offset }) =>
      sender.acknowledged(command_id, stream, durable_offset),
    onCredit: (credit) => sender.setCredit(credit),
    onResultsAcknowledged: (ids) => {
      for (const id of ids) runner.onAcknowledged(id);
    },
    onWelcome: (welcome, connection) => {
      runner.setClockSkew(Date.parse(welcome.server_time) - clock.now());
      const { command_credit, link_credit } = welcome.limits;
      sender.setLink(
        { send: (frame, done) => connection.sendBinary(frame, done) },
        { command: command_credit, link: link_credit },
      );
      if (!welcome.resumed) runner.resend();
    },
  };
}

/** What keeps commands while the daemon is away; undefined: nothing does. */
export const keeperOf = (executor: ExecutorClient | undefined): CommandKeeper | undefined =>
  executor && {
    attach: (context, offsets) => attachRemote(executor, context, offsets),
    forget: (id) => executor.forget(id),
  };
