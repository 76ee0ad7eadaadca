import type { CreateJobRequest } from '../../../protocol/rest-jobs.ts';
import { type Amount, parseAmount, parseWaves } from '../../../protocol/waves.ts';

export const UNITS = { s: 1, min: 60, h: 3600, d: 86_400 } as const;
export type Unit = keyof typeof UNITS;

/** A new job as it is typed. */
export interface JobDraft {
  kind: 'command' | 'script' | 'upgrade';
  command: string;
  script: string;
  interpreter: string;
  args: string;
  version: string;
  selector: string;
  description: string;
  timeout: string;
  timeoutUnit: Unit;
  inWaves: boolean;
  waves: string;
  concurrency: string;
  maxFailures: string;
  pause: string;
  pauseUnit: Unit;
  check: string;
  skipOffline: boolean;
}

export const EMPTY_DRAFT: JobDraft = {
  kind: 'command',
  command: '',
  script: '',
  interpreter: '/bin/sh',
  args: '',
  version: '',
  selector: 'all',
  description: '',
  timeout: '5',
  timeoutUnit: 'min',
  inWaves: true,
  waves: '1, 10%, 100%',
  concurrency: '',
  maxFailures: '0',
  pause: '0',
  pauseUnit: 'min',
  check: '',
  skipOffline: false,
};

export type DraftField = keyof JobDraft;
export type Request = { body: CreateJobRequest } | { field: DraftField; problem: string };

const wrong = (field: DraftField, problem: string): Request => ({ field, problem });
const seconds = (text: string, unit: Unit): number =>
  text.trim() === '' ? Number.NaN : Number(text) * UNITS[unit];

function amountIn(text: string, least: number): Amount | undefined | 'wrong' {
  if (text.trim() === '') return undefined;
  const amount = parseAmount(text);
  return amount === undefined || (typeof amount === 'number' && amount < least) ? 'wrong' : amount;
}

type Plan = NonNullable<CreateJobRequest['rollout']>;

function planOf(draft: JobDraft): { plan: Plan } | { field: DraftField; problem: string } {
  const waves = parseWaves(draft.waves);
  if (waves === undefined)
    return { field: 'waves', problem: 'Write numbers or shares, the last one 100%: 1, 10%, 100%.' };
  const concurrency = amountIn(draft.concurrency, 1);
  if (concurrency === 'wrong')
    return { field: 'concurrency', problem: 'Write a number such as 5, or a share such as 20%.' };
  const maxFailures = amountIn(draft.maxFailures, 0);
  if (maxFailures === 'wrong')
    return { field: 'maxFailures', problem: 'Write a number such as 3, or a share such as 5%.' };
  const pause = draft.pause.trim() === '' ? 0 : seconds(draft.pause, draft.pauseUnit);
  if (!(pause >= 0 && pause <= 7 * UNITS.d)) return { field: 'pause', problem: 'A pause is at most 7 days.' };
  const plan: Plan = {
    waves,
    max_failures: maxFailures ?? 0,
    pause,
    offline: draft.skipOffline ? 'skip' : 'wait',
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(draft.check.trim() === '' ? {} : { check: { command: draft.check } }),
  };
  return { plan };
}

/** Words as they stand, quoted ones as one: `a "b c"` is two arguments. */
export const splitWords = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');

function workOf(draft: JobDraft): Partial<CreateJobRequest> | { field: DraftField; problem: string } {
  const { kind, command, script, interpreter, args, version } = draft;
  if (kind === 'upgrade') return { upgrade: version.trim() === '' ? {} : { version: version.trim() } };
  if (kind === 'script') {
    if (script.trim() === '') return { field: 'script', problem: 'Write a script, or load one from a file.' };
    return { script: { body: script, interpreter: interpreter.trim(), args: splitWords(args) } };
  }
  if (command.trim() === '') return { field: 'command', problem: 'Write a command.' };
  return { arguments: { command } };
}

/** What the API is asked for, or the first field that is wrong. */
export function requestOf(draft: JobDraft): Request {
  const work = workOf(draft);
  if ('problem' in work) return work;
  const selector = draft.selector.trim();
  if (selector === '') return wrong('selector', 'Write a selector, for example env=prod,role!=db or all.');
  const timeout = seconds(draft.timeout, draft.timeoutUnit);
  if (!(timeout > 0 && timeout <= 7 * UNITS.d))
    return wrong('timeout', 'The timeout is more than 0 and at most 7 days.');
  const plan = draft.inWaves ? planOf(draft) : undefined;
  if (plan !== undefined && 'problem' in plan) return plan;
  return {
    body: {
      selector,
      ...work,
      timeout,
      description: draft.description.trim(),
      ...(plan === undefined ? {} : { rollout: plan.plan }),
    },
  };
}
