import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { ServerCredentials } from '../base/tls-server.ts';
import type { CommandKeysFile } from '../protocol/trust-files.ts';
import type { TrustAck } from '../protocol/trust-update.ts';
import { type AuditKeeper, Auditor, fileKeeper } from './audit/auditor.ts';
import type { SessionHandlers } from './channel/session.ts';
import type { Journal } from './commands/journal.ts';
import type { CommandRunner } from './commands/runner.ts';
import type { CommandKeeper } from './commands/runner-options.ts';
import type { FrozenConfig } from './config.ts';
import type { ExecutorClient } from './executor/client.ts';
import type { OutputSender } from './executor/output-sender.ts';
import { Callers } from './http/callers.ts';
import type { Credentials } from './identity/credentials.ts';
import { TrustKeeper, type TrustKeeperOptions } from './identity/trust-update.ts';
import type { PolicySource } from './policy/source.ts';
import { attachRemote } from './tools/remote.ts';
import type { TerminalInputs } from './tools/terminal-inputs.ts';

/** What the messages of the orchestrator do to commands and their output. */
export function handlersOf(
  runner: CommandRunner,
  sender: OutputSender,
  inputs: TerminalInputs,
  audit: { auditor: Auditor; answer: Parameters<Auditor['onHead']>[1] },
  onTrustUpdate: SessionHandlers['onTrustUpdate'],
): SessionHandlers {
  return {
    onCommand: (message) => runner.onCommand(message),
    onCancel: (message) => runner.onCancel(message.command_id),
    onInput: ({ command_id, envelope, delegation }) => inputs.deliver(command_id, { envelope, delegation }),
    onOutputAck: ({ command_id, stream, durable_offset }) =>
      sender.acknowledged(command_id, stream, durable_offset),
    onCredit: (credit) => sender.setCredit(credit),
    onAuditHead: (message) => audit.auditor.onHead(message, audit.answer),
    onAuditCosign: (message) => audit.auditor.onCosign(message),
    onTrustUpdate,
    onResultsAcknowledged: (ids) => {
      for (const id of ids) runner.onAcknowledged(id);
    },
    onWelcome: (welcome, connection) => {
      runner.serverTime.tell(Date.parse(welcome.server_time));
      const { command_credit, link_credit } = welcome.limits;
      sender.setLink(
        { send: (frame, done) => connection.sendBinary(frame, done) },
        { command: command_credit, link: link_credit },
      );
      if (!welcome.resumed) runner.resend();
    },
  };
}

/** Who may call the local port. */
export const callersOf = (
  { clock, config }: { clock: Clock; config: FrozenConfig },
  policy: Pick<PolicySource, 'grantOf'>,
  credentials: () => Credentials | undefined,
): Callers =>
  new Callers({
    clock,
    auth: () => {
      const own = credentials();
      return {
        apiKey: own?.apiKey,
        organizationId: own?.trust.commandKeys.organization_id,
        trustDomain: own?.trust.commandKeys.trust_domain,
      };
    },
    demands: { mtls: config.security.mtls, apiKey: config.security.api_key_required },
    grantOf: (clientId) => policy.grantOf(clientId),
  });

/** What the local port shows: the certificate that its owner gave, or the agent's own. */
export const shownBy = (
  credentials: Credentials,
  given?: { cert: string; key: string },
): ServerCredentials => ({
  cert: given?.cert ?? credentials.certificate,
  key: given?.key ?? credentials.key,
  ca: credentials.roots,
});

/** What keeps commands while the daemon is away; undefined: nothing does. */
export const keeperOf = (executor: ExecutorClient | undefined): CommandKeeper | undefined =>
  executor && {
    attach: (context, offsets) => attachRemote(executor, context, offsets),
    forget: (id) => executor.forget(id),
  };

/** The agent's part in the audit logs, with what its hello and heartbeats say of them. */
export function auditPart(
  executor: ExecutorClient | undefined,
  options: { file: string; trust: CommandKeysFile; clock: Clock; log: Logger },
) {
  const auditor = new Auditor({ ...options, keeper: auditKeeperOf(executor, options) });
  return {
    auditor,
    auditHead: () => auditor.head,
    hello: () => ({ audit_head: auditor.head, audit_witness: auditor.witnessed }),
    /** Asks anew before each sample: the heartbeat that carries it is not late with either. */
    before:
      <T>(sample: () => Promise<T>) =>
      async (): Promise<T> => {
        await auditor.refresh();
        return sample();
      },
  };
}

/** Who keeps the checkpoints of the orchestrator's log: the executor, whose files the daemon cannot change, if there is one. */
function auditKeeperOf(
  executor: ExecutorClient | undefined,
  options: { file: string; trust: CommandKeysFile },
): AuditKeeper {
  const file = fileKeeper(options);
  if (executor === undefined) return file;
  return {
    // An older executor does not answer; then the daemon's own file is what there is.
    kept: async () => {
      const answer = await executor.audit({});
      return answer === undefined ? file.kept() : answer.kept;
    },
    async show(message) {
      const answer = await executor.audit({ show: message });
      if (answer === undefined) return file.show(message);
      if (answer.failed) throw new Error('the executor cannot write to its log now');
      if (answer.refused !== undefined || answer.kept === undefined)
        return { refused: answer.refused ?? 'the executor does not keep it' };
      return { kept: answer.kept };
    },
    head: async () => (await executor.audit({}))?.head,
    async cosigned({ envelope }) {
      await executor.audit({ cosign: envelope });
    },
  };
}

/**
 * Takes new sets of roots. With an executor the pins are root's, and it replaces them after a look of its own.
 */
export function trustPart(
  executor: ExecutorClient | undefined,
  options: Omit<TrustKeeperOptions, 'askOwner'> & { answer(said: Omit<TrustAck, 'type'>): void },
): SessionHandlers['onTrustUpdate'] {
  const keeper = new TrustKeeper({
    ...options,
    askOwner: executor && ((statement) => executor.trust(statement)),
  });
  return (update) => {
    keeper.take(update).then(options.answer, (cause: unknown) => {
      options.log.error({ err: cause }, 'a new set of root certificates could not be taken; it comes again');
    });
  };
}

/** How long a stop waits for the results of what it ended to reach the orchestrator. */
const LAST_WORDS_MS = 2000;

/** Waits until nothing that ended is undelivered, while there is somebody to deliver it to. */
export async function lastWords(journal: Journal, clock: Clock, isConnected: () => boolean): Promise<void> {
  const until = clock.monotonic() + LAST_WORDS_MS;
  const isLeft = () => journal.open().some((entry) => entry.state === 'ended');
  while (isConnected() && isLeft() && clock.monotonic() < until) await clock.sleep(20);
}
