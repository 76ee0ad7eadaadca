import type { KeyObject } from 'node:crypto';
import { ed25519PublicKey, openEnvelope } from '../../base/dsse.ts';
import {
  type CommandPayload,
  CRITICAL_UNDERSTOOD,
  commandPayloadSchema,
  MAX_COMMAND_LIFE_S,
  type Reason,
} from '../../protocol/command.ts';
import { type Envelope, type KeyDelegation, keyDelegationSchema, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import { commandIdSchema } from '../../protocol/ids.ts';
import { parseJson } from '../../protocol/json-text.ts';
import { type TerminalInput, terminalInputSchema } from '../../protocol/terminal.ts';
import type { CommandKeysFile } from '../../protocol/trust-files.ts';

/** Why a command is not taken, as its result will say. */
export interface Refusal {
  state: 'refused' | 'expired';
  reason?: Reason;
  code: ErrorCode;
  message: string;
}

export type Verified =
  | { kind: 'ok'; payload: CommandPayload }
  /** Genuine and ours, yet not to be run: its id and seq can be believed. */
  | { kind: 'refused'; payload: CommandPayload; refusal: Refusal }
  /** Not genuine, or not ours: nothing in it can be believed. `claimedId` only says what to answer about. */
  | { kind: 'rejected'; claimedId: string | undefined; refusal: Refusal };

export type VerifiedInput =
  | { kind: 'ok'; input: TerminalInput }
  | { kind: 'refused'; code: ErrorCode; message: string };

const MAX_DELEGATION_MS = 7 * 24 * 3600 * 1000;
/** Replicas' clocks may be this far ahead of ours when they make a key. */
const NOT_BEFORE_TOLERANCE_MS = 10 * 60 * 1000;
/** Clocks that differ by more than this are the likely cause of what looks expired. */
const NOTABLE_SKEW_MS = 60 * 1000;

const reject = (claimedId: string | undefined, code: ErrorCode, message: string): Verified => ({
  kind: 'rejected',
  claimedId,
  refusal: { state: 'refused', reason: 'signature', code, message },
});

/**
 * Checks who signed a command and whether it is for this agent and this time; which commands were taken before is
 * the journal's to know. Delegations that were verified are kept: hundreds of commands share one.
 */
export class EnvelopeVerifier {
  readonly #trust: CommandKeysFile;
  readonly #roots: ReadonlyMap<string, KeyObject>;
  readonly #delegations = new Map<string, { delegation: KeyDelegation; keys: Map<string, KeyObject> }>();

  /** @throws when a command root is no Ed25519 key. */
  constructor(trust: CommandKeysFile) {
    this.#trust = trust;
    this.#roots = new Map(trust.keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
  }

  /** `skewMs`: how far the orchestrator's clock is ahead of ours, when it is known. */
  verify(
    message: { envelope: Envelope; delegation: Envelope },
    nowMs: number,
    skewMs: number | undefined,
  ): Verified {
    const claimedId = claimedCommandId(message.envelope);
    const signer = this.#signer(message.delegation);
    if (signer === undefined)
      return reject(
        claimedId,
        'signature_invalid',
        'The signing key is not vouched for by a command root that this agent trusts.',
      );
    const bytes = openEnvelope(message.envelope, PAYLOAD_TYPE.command, signer.keys);
    if (bytes === undefined)
      return reject(claimedId, 'signature_invalid', 'The signature of the command is not valid.');
    const parsed = commandPayloadSchema.safeParse(readJson(bytes));
    if (!parsed.success)
      return reject(claimedId, 'bad_request', 'The signed command is not in the form that this agent knows.');
    const payload = parsed.data;
    if (payload.org_id !== this.#trust.organization_id || payload.agent_id !== this.#trust.agent_id)
      return reject(claimedId, 'wrong_agent', `The command is meant for agent ${payload.agent_id}.`);
    const refusal = timeRefusal(payload, signer.delegation, nowMs, skewMs) ?? criticalRefusal(payload);
    return refusal === undefined ? { kind: 'ok', payload } : { kind: 'refused', payload, refusal };
  }

  /** Who signed input for a terminal, and whether it is for this command. Its order is the terminal's to know. */
  verifyInput(message: SignedCommand, commandId: string, nowMs: number): VerifiedInput {
    const refuse = (code: ErrorCode, text: string): VerifiedInput => ({
      kind: 'refused',
      code,
      message: text,
    });
    const signer = this.#signer(message.delegation);
    const bytes = signer && openEnvelope(message.envelope, PAYLOAD_TYPE.input, signer.keys);
    if (signer === undefined || bytes === undefined)
      return refuse('signature_invalid', 'The signature of the input is not valid.');
    const parsed = terminalInputSchema.safeParse(readJson(bytes));
    if (!parsed.success)
      return refuse('bad_request', 'The signed input is not in the form that this agent knows.');
    const input = parsed.data;
    const { organization_id: organizationId, agent_id: agentId } = this.#trust;
    if (input.org_id !== organizationId || input.agent_id !== agentId || input.command_id !== commandId)
      return refuse('wrong_agent', 'The signed input is for another terminal.');
    const issued = Date.parse(input.issued_at);
    const { not_before: begins, not_after: ends } = signer.delegation;
    const tooEarly = nowMs < Date.parse(begins) - NOT_BEFORE_TOLERANCE_MS;
    return issued > Date.parse(ends) || issued < Date.parse(begins) || tooEarly
      ? refuse('signature_invalid', 'The key that signed the input was not good at that time.')
      : { kind: 'ok', input };
  }

  #signer(envelope: Envelope): { delegation: KeyDelegation; keys: Map<string, KeyObject> } | undefined {
    // The exact envelope is the key of the memory: what differs in a byte is verified again.
    const name = JSON.stringify(envelope);
    const known = this.#delegations.get(name);
    if (known !== undefined) return known;
    const bytes = openEnvelope(envelope, PAYLOAD_TYPE.delegation, this.#roots);
    const parsed = bytes && keyDelegationSchema.safeParse(readJson(bytes));
    if (!parsed?.success || parsed.data.org_id !== this.#trust.organization_id) return undefined;
    const delegation = parsed.data;
    const life = Date.parse(delegation.not_after) - Date.parse(delegation.not_before);
    if (life <= 0 || life > MAX_DELEGATION_MS) return undefined;
    try {
      const entry = { delegation, keys: new Map([[delegation.kid, ed25519PublicKey(delegation.key)]]) };
      if (this.#delegations.size >= 64) this.#delegations.clear();
      this.#delegations.set(name, entry);
      return entry;
    } catch {
      return undefined;
    }
  }
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

function claimedCommandId(envelope: Envelope): string | undefined {
  const raw = readJson(Buffer.from(envelope.payload, 'base64')) as { command_id?: unknown } | undefined;
  const id = commandIdSchema.safeParse(raw?.command_id);
  return id.success ? id.data : undefined;
}

/**
 * A command may wait for its agent longer than its key lives: what counts is that the key was good when it signed.
 * The command's own life is bounded, so a key that is stolen is worth nothing {@link MAX_COMMAND_LIFE_S} after its end.
 */
function signingProblem(payload: CommandPayload, delegation: KeyDelegation): string | undefined {
  const issued = Date.parse(payload.issued_at);
  if (issued > Date.parse(delegation.not_after))
    return `its signing key had ended at ${delegation.not_after}`;
  if (issued < Date.parse(delegation.not_before)) return `its signing key began at ${delegation.not_before}`;
  if (Date.parse(payload.expires_at) - issued > MAX_COMMAND_LIFE_S * 1000)
    return 'it would live longer than a command may';
  return undefined;
}

function timeRefusal(
  payload: CommandPayload,
  delegation: KeyDelegation,
  nowMs: number,
  skewMs: number | undefined,
): Refusal | undefined {
  const problem = (now: number): string | undefined => {
    if (now > Date.parse(payload.expires_at)) return `it expired at ${payload.expires_at}`;
    if (now < Date.parse(delegation.not_before) - NOT_BEFORE_TOLERANCE_MS)
      return `its signing key begins at ${delegation.not_before}`;
    return signingProblem(payload, delegation);
  };
  const here = problem(nowMs);
  if (here === undefined) return undefined;
  const skewed = skewMs !== undefined && Math.abs(skewMs) > NOTABLE_SKEW_MS;
  if (skewed && problem(nowMs + skewMs) === undefined)
    return {
      state: 'refused',
      reason: 'clock_skew',
      code: 'clock_skew',
      message: `By this VM's clock ${here}, but that clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the orchestrator's. Set the VM's clock.`,
    };
  if (nowMs > Date.parse(payload.expires_at))
    return { state: 'expired', code: 'command_expired', message: `The command came too late: ${here}.` };
  return {
    state: 'refused',
    reason: 'signature',
    code: 'signature_invalid',
    message: `The command cannot be believed now: ${here}.`,
  };
}

function criticalRefusal(payload: CommandPayload): Refusal | undefined {
  const unknown = payload.critical.filter((name) => !CRITICAL_UNDERSTOOD.includes(name));
  if (unknown.length === 0) return undefined;
  return {
    state: 'refused',
    reason: 'unsupported',
    code: 'unsupported',
    message: `This agent does not understand ${unknown.join(', ')}, which the command says it must.`,
  };
}
