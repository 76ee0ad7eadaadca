import { z } from 'zod';

/**
 * One event of the orchestrator's audit log, as it is sealed. What identifies a person enters the log as a
 * commitment, HMAC(salt, value); the value and its salt stand beside it and can be erased, and the log still verifies.
 */
export interface SealedEvent {
  /** Position in the log, from 1. */
  seq: number;
  id: number;
  /** Milliseconds since the epoch. */
  at: number;
  action: string;
  actor_type: string;
  actor_id: string;
  actor_name: string;
  address: string | null;
  target: string | null;
  detail: Record<string, unknown>;
  /** Commitments of what was erased, by field. */
  erased: Readonly<Record<string, string>>;
}

/** The log of what concerns the orchestrator as a whole, where others have the identifier of their organization. */
export const OWN_LOG = 'orchestrator';

/** Keys of `detail` whose values identify a person, whoever records them. */
const PERSONAL_DETAIL: ReadonlySet<string> = new Set([
  'username',
  'name',
  'display_name',
  'email',
  'subject',
  'address',
]);

/** Commits to a value: hex of HMAC-SHA256 by the salt of this event and field. */
export type Commit = (field: string, value: string) => string;

/** The personal fields of an event that hold a value, as `actor_name`, `address` or `detail.<key>`. */
export function personalFields(
  event: Pick<SealedEvent, 'actor_name' | 'address' | 'detail'>,
): [field: string, value: string][] {
  const found: [string, string][] = [['actor_name', event.actor_name]];
  if (event.address !== null) found.push(['address', event.address]);
  for (const [key, value] of Object.entries(event.detail))
    if (PERSONAL_DETAIL.has(key) && typeof value === 'string') found.push([`detail.${key}`, value]);
  return found;
}

/** The exact text whose RFC 6962 leaf hash stands for the event: a fixed order, so that every verifier hashes the same. */
export function leafText(log: string, event: SealedEvent, commit: Commit): string {
  const committed = (field: string, value: string | null): string | null =>
    event.erased[field] ?? (value === null ? null : commit(field, value));
  const detail: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(event.detail)) {
    const field = `detail.${key}`;
    const hidden =
      PERSONAL_DETAIL.has(key) && (typeof value === 'string' || event.erased[field] !== undefined);
    detail[key] = hidden ? { hmac: committed(field, typeof value === 'string' ? value : null) } : value;
  }
  return JSON.stringify([
    'vm-agent-audit.v1',
    log,
    event.seq,
    event.id,
    event.at,
    event.action,
    event.actor_type,
    event.actor_id,
    committed('actor_name', event.actor_name),
    committed('address', event.address),
    event.target,
    detail,
  ]);
}

export const PROBLEM_KINDS = [
  'changed',
  'missing',
  'inserted',
  'swapped',
  'truncated',
  'rewritten',
  'bad_signature',
] as const;

/** The first thing that is wrong with a log. */
export const auditProblemSchema = z.object({
  kind: z.enum(PROBLEM_KINDS),
  seq: z.number().int().describe('The first bad event’s position'),
  until: z
    .number()
    .int()
    .optional()
    .describe('It lies between seq and this one: whoever did it hashed anew what follows'),
  event_id: z.number().int().optional(),
  why: z.string(),
});
export type AuditProblem = z.infer<typeof auditProblemSchema>;

export const witnessVerdictSchema = z.object({
  who: z.string().describe('vm_id of an agent, or the name of a file'),
  size: z.number().int().describe('Events of the checkpoint that it keeps'),
  agrees: z.boolean(),
});

export const auditReportSchema = z.object({
  ok: z.boolean(),
  log: z.string(),
  key: z.string().describe('Verifier key that the checkpoints were checked with'),
  size: z.number().int().describe('Events under the newest checkpoint'),
  root: z.string().describe('Root of the tree over them, base64'),
  retained: z.number().int().describe('Events up to this one were dropped on purpose; their hashes are kept'),
  checked: z.number().int().describe('Events whose content was checked'),
  erased: z.number().int().describe('Of those, events with erased personal fields'),
  unsealed: z.number().int().describe('Events that wait to be sealed'),
  checkpoints: z.number().int(),
  witnesses: z.array(witnessVerdictSchema),
  problem: auditProblemSchema.optional(),
});
export type AuditReport = z.infer<typeof auditReportSchema>;

const base64 = z.base64().max(100);

/** Lines of an export that can be verified without the orchestrator: the head, then events and checkpoints in order. */
export const exportLineSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('log'),
    version: z.literal(1),
    log: z.string(),
    key: z.string(),
    /** The first event below follows this many, of which the hashes of the complete subtrees are here. */
    after: z.number().int().nonnegative(),
    peaks: z.array(base64),
    /** The newest checkpoint when the export began. */
    checkpoint: z.string(),
  }),
  z.object({
    type: z.literal('event'),
    seq: z.number().int().positive(),
    leaf: base64,
    /** Absent where it was dropped on purpose. */
    event: z
      .object({
        id: z.number().int(),
        at: z.number(),
        action: z.string(),
        actor_type: z.string(),
        actor_id: z.string(),
        actor_name: z.string(),
        address: z.string().nullable(),
        target: z.string().nullable(),
        detail: z.record(z.string(), z.unknown()),
        salts: z.string().nullable(),
        erased: z.record(z.string(), z.string()),
      })
      .optional(),
  }),
  z.object({ type: z.literal('checkpoint'), note: z.string() }),
]);
export type ExportLine = z.infer<typeof exportLineSchema>;
