/**
 * Why an agent gets nothing until an operator admits it. Codes are stable; an older reader shows one that it does not
 * know as it is, with its detail.
 */
export const QUARANTINE_REASONS = {
  operator: 'somebody put it there',
  certificate_expired: 'its certificate ended before it was renewed, and it asks to come back',
  certificate_unknown: 'its certificate is of this CA, but is not in this orchestrator’s database',
  machine_changed: 'it is not the machine that it was: its disk was copied, or its hardware was changed',
  two_machines: 'two machines were connected with this identity at the same time',
  rolled_back: 'its disk is older than what it had acknowledged: a snapshot or a backup was put back',
} as const satisfies Record<string, string>;

export type QuarantineReason = keyof typeof QUARANTINE_REASONS;

/** What is said of an agent in quarantine; a newer orchestrator may know other reasons. */
export interface Quarantine {
  reason: string;
  detail: string | null;
  since: string;
}

/** A sentence for people: what the code means, and what was seen. */
export function quarantineText({ reason, detail }: Pick<Quarantine, 'reason' | 'detail'>): string {
  const meaning: string = Object.hasOwn(QUARANTINE_REASONS, reason)
    ? QUARANTINE_REASONS[reason as QuarantineReason]
    : reason;
  return detail === null || detail === '' ? meaning : `${meaning} (${detail})`;
}
