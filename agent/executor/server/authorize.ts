import { createHash } from 'node:crypto';
import type { CommandPayload } from '../../../protocol/command.ts';
import { RUN_USER } from '../../../protocol/disk-layout.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { SignedCommand, StartMessage } from '../../../protocol/executor.ts';
import {
  type CommandLimits,
  LOCAL_API_GRANT,
  ORCHESTRATOR_GRANT,
  type PolicyDecision,
  ROOT_GRANT,
} from '../../../protocol/policy.ts';
import { isWithin } from '../../files/access.ts';
import type { Verified } from '../../policy/verify-envelope.ts';

/** A call that may be made. */
export interface Authorized {
  tool: string;
  args: Record<string, unknown>;
  runAs: string;
  limits: CommandLimits;
  access: { read: readonly string[]; write: readonly string[] };
  timeoutS: number | undefined;
  outputBytes: number | undefined;
  /** Undefined: nobody signed it. */
  signed: CommandPayload | undefined;
  /** What of the policy allowed it. */
  grant: string;
}

export interface Denial {
  code: ErrorCode;
  message: string;
  hint?: string;
  /** What the audit log says of it beside the code. */
  detail: Record<string, unknown>;
}

export type Authorization = { ok: true; call: Authorized } | { ok: false; denial: Denial };

/** Two looks at one clock differ by less than this. */
const EARLY_TOLERANCE_MS = 1000;

export interface AuthorizeFacts {
  nowMs: number;
  verify(message: SignedCommand): Verified;
  decide(grant: string, tool: string): PolicyDecision;
  /** `tools.shell_executor.run_as`, for what the orchestrator signed. */
  runAs: string | undefined;
  /** By the kernel's word the peer is root: who is asked then is not the daemon. */
  peerIsRoot: boolean;
}

const deny = (code: ErrorCode, message: string, detail: Record<string, unknown> = {}): Authorization => ({
  ok: false,
  denial: { code, message, detail },
});

/**
 * Who may do what, as root-owned files say it. What is signed has the orchestrator's grant; whatever else the daemon
 * asks for has that of the local API, also when it says that somebody better asked: the daemon is not believed. Root on
 * this VM, who connects as such, may do what root may. Pure.
 */
export function authorize(message: StartMessage, facts: AuthorizeFacts): Authorization {
  const { signed, local } = message;
  if ((signed === undefined) === (local === undefined))
    return deny('bad_request', 'A start is either signed or local.');
  if (signed !== undefined) return authorizeSigned(message.id, signed, facts);
  if (local === undefined) return deny('bad_request', 'Nothing is asked for.');
  if (facts.peerIsRoot) return { ok: true, call: rootsOwn(local) };
  const decision = facts.decide(LOCAL_API_GRANT, local.tool);
  if (!decision.allowed)
    return deny('policy_refused', decision.why, { grant: LOCAL_API_GRANT, tool: local.tool });
  return {
    ok: true,
    call: {
      tool: local.tool,
      args: local.arguments,
      runAs: decision.runAs ?? RUN_USER,
      limits: decision.limits ?? {},
      access: {
        read: withinBoth(decision.read, local.roots?.read),
        write: withinBoth(decision.write, local.roots?.write),
      },
      timeoutS: local.timeout_s,
      outputBytes: undefined,
      signed: undefined,
      grant: LOCAL_API_GRANT,
    },
  };
}

const rootsOwn = (local: NonNullable<StartMessage['local']>): Authorized => ({
  tool: local.tool,
  args: local.arguments,
  runAs: 'root',
  limits: {},
  access: { read: ['/'], write: ['/'] },
  timeoutS: local.timeout_s,
  outputBytes: undefined,
  signed: undefined,
  grant: ROOT_GRANT,
});

/** The payload of something signed that concerns `id`, or why it is not believed. */
export function believe(
  id: string,
  signed: SignedCommand,
  verify: AuthorizeFacts['verify'],
): { ok: true; payload: CommandPayload } | { ok: false; denial: Denial } {
  const verified = verify(signed);
  if (verified.kind === 'rejected')
    return {
      ok: false,
      denial: {
        code: verified.refusal.code,
        message: verified.refusal.message,
        // Nothing in it can be believed; the hash tells one forgery from another.
        detail: { asked: id, envelope_sha256: sha256(signed.envelope.payload) },
      },
    };
  const { payload } = verified;
  if (payload.command_id !== id)
    return {
      ok: false,
      denial: {
        code: 'bad_request',
        message: `The signed command is ${payload.command_id}, not ${id}.`,
        detail: { asked: id, command_id: payload.command_id },
      },
    };
  if (verified.kind === 'refused')
    return {
      ok: false,
      denial: {
        code: verified.refusal.code,
        message: verified.refusal.message,
        detail: auditDetail(payload),
      },
    };
  return { ok: true, payload };
}

function authorizeSigned(id: string, signed: SignedCommand, facts: AuthorizeFacts): Authorization {
  const believed = believe(id, signed, facts.verify);
  if (!believed.ok) return believed;
  const { payload } = believed;
  if (payload.not_before !== undefined && Date.parse(payload.not_before) > facts.nowMs + EARLY_TOLERANCE_MS)
    return deny(
      'command_early',
      `The command is not to start before ${payload.not_before}.`,
      auditDetail(payload),
    );
  const decision = facts.decide(ORCHESTRATOR_GRANT, payload.tool);
  if (!decision.allowed) return deny('policy_refused', decision.why, auditDetail(payload));
  const granted = decision.runAs ?? facts.runAs ?? 'root';
  // Who may be root may be anybody; any other user is that one alone.
  if (payload.run_as !== null && payload.run_as !== granted && granted !== 'root')
    return deny(
      'policy_refused',
      `The policy of this VM runs these commands as ${granted}, not as ${payload.run_as}.`,
      auditDetail(payload),
    );
  return {
    ok: true,
    call: {
      tool: payload.tool,
      args: payload.arguments,
      runAs: payload.run_as ?? granted,
      limits: decision.limits ?? {},
      access: { read: decision.read, write: decision.write },
      timeoutS: payload.limits.timeout_s,
      outputBytes: payload.limits.output_bytes,
      signed: payload,
      grant: ORCHESTRATOR_GRANT,
    },
  };
}

/** What both lists of folders allow. */
export const withinBoth = (
  granted: readonly string[],
  asked: readonly string[] | undefined,
): readonly string[] =>
  asked === undefined
    ? granted
    : [
        ...asked.filter((path) => granted.some((root) => isWithin(path, root))),
        ...granted.filter((path) => asked.some((root) => path !== root && isWithin(path, root))),
      ];

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What the audit log says of a signed command: who and what, and of its text the hash alone. */
export const auditDetail = (payload: CommandPayload): Record<string, unknown> => ({
  command_id: payload.command_id,
  job_id: payload.job_id,
  seq: payload.seq,
  epoch: payload.epoch,
  tool: payload.tool,
  actor: payload.actor.name,
  arguments_sha256: sha256(JSON.stringify(payload.arguments)),
});
