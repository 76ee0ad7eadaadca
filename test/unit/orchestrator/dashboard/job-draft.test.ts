import { describe, expect, it } from 'vitest';
import {
  EMPTY_DRAFT,
  type JobDraft,
  requestOf,
  splitWords,
} from '../../../../orchestrator/dashboard/model/job-draft.ts';
import { windowOf } from '../../../../orchestrator/dashboard/model/window.ts';
import { createJobRequestSchema } from '../../../../protocol/rest-jobs.ts';

const draft = (over: Partial<JobDraft>): JobDraft => ({ ...EMPTY_DRAFT, command: 'uptime', ...over });

describe('a new job as it is typed', () => {
  it.each([
    draft({}),
    draft({ inWaves: false }),
    draft({ concurrency: '20%', maxFailures: '5%', pause: '10', check: 'true', skipOffline: true }),
    draft({ kind: 'script', script: 'id', args: 'a "b c"' }),
    draft({ kind: 'upgrade', version: ' 1.2.3 ' }),
  ])('is what the API takes: %#', (typed) => {
    const asked = requestOf(typed);
    expect('body' in asked && createJobRequestSchema.safeParse(asked.body).error).toBeUndefined();
    expect('body' in asked && asked.body.rollout !== undefined).toBe(typed.inWaves);
  });

  it.each([
    [{ command: ' ' }, 'command'],
    [{ kind: 'script' as const }, 'script'],
    [{ selector: '' }, 'selector'],
    [{ timeout: '0' }, 'timeout'],
    [{ timeout: '8', timeoutUnit: 'd' as const }, 'timeout'],
    [{ waves: '1,10%' }, 'waves'],
    [{ concurrency: '0' }, 'concurrency'],
    [{ maxFailures: '-1' }, 'maxFailures'],
    [{ pause: '-1' }, 'pause'],
  ])('names the field that is wrong: %j', (over, field) => {
    expect(requestOf(draft(over))).toMatchObject({ field });
  });

  it('has words with spaces in quotes', () => {
    expect(splitWords(` a "b c" 'd "e"' "" f`)).toEqual(['a', 'b c', 'd "e"', '', 'f']);
  });
});

describe('the rows of a long list', () => {
  it('are those in view and some around them, never beyond the ends', () => {
    const of = (scrollTop: number, count = 10_000) =>
      windowOf({ count, rowHeight: 40, scrollTop, height: 400, around: 5 });
    expect(of(0)).toEqual({ first: 0, end: 15 });
    expect(of(4000)).toEqual({ first: 95, end: 115 });
    expect(of(400_000)).toEqual({ first: 9995, end: 10_000 });
    expect(of(4000, 3)).toEqual({ first: 0, end: 3 });
  });
});
