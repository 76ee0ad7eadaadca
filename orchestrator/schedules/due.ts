import { occurrences, type Timing } from './occurrences.ts';

/** Occurrences go to agents this long before their time: so long a machine runs its schedule without us. */
export const AHEAD_MS = 24 * 3600_000;
/** More are not given ahead; a schedule that comes each minute is carried for less than a day. */
export const MAX_AHEAD = 200;

export interface ScheduleFacts extends Timing {
  runs_on: 'orchestrator' | 'agents';
  start_within_s: number;
  next_at: number | null;
}

export type Step =
  | { kind: 'run'; dueAt: number }
  /** Nobody was there when it was due, and it is too late now. */
  | { kind: 'missed'; dueAt: number };

export interface Plan {
  steps: Step[];
  /** Where the next look begins; null: it never comes again. */
  nextAt: number | null;
}

/** What a schedule asks for now. `ahead`: occurrences that were given to agents and are still to come. */
export function plan(schedule: ScheduleFacts, nowMs: number, ahead = 0): Plan {
  const steps: Step[] = [];
  let at = schedule.next_at;
  const horizon = schedule.runs_on === 'agents' ? nowMs + AHEAD_MS : nowMs;
  let given = ahead;
  while (at !== null && at <= horizon) {
    if (at + schedule.start_within_s * 1000 < nowMs) steps.push({ kind: 'missed', dueAt: at });
    else {
      if (schedule.runs_on === 'agents' && given >= MAX_AHEAD) break;
      steps.push({ kind: 'run', dueAt: at });
      given += 1;
    }
    if (steps.length >= MAX_AHEAD) {
      at = next(schedule, at);
      break;
    }
    at = next(schedule, at);
  }
  return { steps, nextAt: at };
}

export const next = (timing: Timing, after: number): number | null =>
  occurrences(timing, after, 1)[0] ?? null;
