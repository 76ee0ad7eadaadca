import { expect, it } from 'vitest';
import { type History, lineOf, type Reported, violationsOf } from './history.ts';

const command = (number: number, over: Partial<Reported> = {}): Reported => ({
  commandId: `cmd-${number}`,
  jobId: `job-${number}`,
  tag: `tag-${number}`,
  vmId: 'vm-a',
  seq: number,
  state: 'succeeded',
  startedAt: 1000 * number,
  beganAt: 1000 * number,
  endedAt: 1000 * number + 10,
  expiresAt: 86_400_000,
  timeoutS: 10,
  ends: ['succeeded'],
  stdout: lineOf(`tag-${number}`, `cmd-${number}`),
  ...over,
});

/** Three commands of one lane, each done once. */
function good(
  over: { reported?: Reported[]; ran?: number[] } & Partial<Omit<History, 'reported'>> = {},
): History {
  const { reported = [command(1), command(2), command(3)], ran = [1, 2, 3], ...rest } = over;
  return {
    submissions: [1, 2, 3].map((number) => ({
      tag: `tag-${number}`,
      vmIds: ['vm-a'],
      lane: 'lane',
      acknowledgedAt: number,
      jobIds: [`job-${number}`],
      commandIds: [`cmd-${number}`],
    })),
    executions: ran.map((number) => ({ tag: `tag-${number}`, commandId: `cmd-${number}`, vmId: 'vm-a' })),
    reported,
    down: [],
    disturbed: {},
    kills: {},
    ...rest,
  };
}

const rules = (history: History) => [...new Set(violationsOf(history).map(({ rule }) => rule))];
/** The good history with its second command changed; `ran`: whether that ran. */
const second = (over: Partial<Reported>, ran = true, rest: Partial<History> = {}) => {
  const reported = [command(1), command(2, over), command(3)];
  return rules(good({ ...rest, reported, ran: ran ? [1, 2, 3] : [1, 3] }));
};

it('has nothing to say about a history in which all went well', () => {
  expect(violationsOf(good())).toEqual([]);
});

it('catches a command that ran twice', () => {
  expect(rules(good({ ran: [1, 2, 2, 3] }))).toEqual(['twice']);
});

it('catches a repeat that became a job of its own', () => {
  const again = command(4, { tag: 'tag-3', jobId: 'job-4', stdout: lineOf('tag-3', 'cmd-4') });
  const history = good({ reported: [command(1), command(2), command(3), again] });
  const executions = [...history.executions, { tag: 'tag-3', commandId: 'cmd-4', vmId: 'vm-a' }];
  expect(rules({ ...history, executions })).toEqual(['twice']);
});

it('catches a command that was accepted and is gone', () => {
  expect(rules(good({ reported: [command(1), command(3)], ran: [1, 3] }))).toEqual(['lost']);
});

it('lets a request be lost that was never answered', () => {
  const { submissions, ...rest } = good({ reported: [command(1), command(3)], ran: [1, 3] });
  const unanswered = submissions.map((one) =>
    one.tag === 'tag-2' ? { ...one, acknowledgedAt: undefined, jobIds: [], commandIds: [] } : one,
  );
  expect(rules({ ...rest, submissions: unanswered })).toEqual([]);
});

it('catches a success that nobody ran, and what ran though it should not', () => {
  expect(second({}, false)).toEqual(['wrong state']);
  for (const state of ['expired', 'refused', 'skipped'] as const)
    expect(second({ state, ends: [state], startedAt: undefined, stdout: '' })).toEqual(['wrong state']);
  const cancelled = { state: 'cancelled', ends: ['cancelled'], stdout: '' } as const;
  expect(second({ ...cancelled, startedAt: undefined })).toEqual(['wrong state']);
  expect(second(cancelled)).toEqual([]);
});

it('catches a lane whose order was not kept', () => {
  expect(rules(good({ ran: [1, 3, 2] }))).toEqual(['order']);
});

it('catches what ran on another machine, and what nobody asked for', () => {
  const { executions, ...rest } = good();
  const elsewhere = executions.map((one, index) => (index === 1 ? { ...one, vmId: 'vm-b' } : one));
  expect(rules({ ...rest, executions: elsewhere })).toEqual(['wrong machine']);
  expect(
    rules({ ...rest, executions: [...executions, { tag: 'x', commandId: 'cmd-9', vmId: 'vm-a' }] }),
  ).toEqual(['phantom']);
});

it('catches what has no end, and an end that was shown twice or is another one than was shown', () => {
  expect(second({ state: 'running', endedAt: undefined, ends: [] })).toEqual(['not final']);
  expect(second({ ends: ['succeeded', 'succeeded'] })).toEqual(['shown twice']);
  expect(second({ ends: ['failed'] })).toEqual(['shown twice']);
  expect(second({ ends: ['unknown', 'succeeded'] })).toEqual([]);
});

it('catches an end after the deadline, and after timeout + 5 s on a machine that was connected', () => {
  expect(second({ endedAt: 2000 + 10_000 + 5001 })).toEqual(['late']);
  const disturbed = { 'vm-a': [{ from: 5000, to: 6000 }] };
  expect(second({ endedAt: 2000 + 10_000 + 5001 }, true, { disturbed })).toEqual([]);
  expect(second({ endedAt: 2000 + 70_000 + 2001 }, true, { disturbed })).toEqual(['late']);
  const expired = { state: 'expired', ends: ['expired'], startedAt: undefined, stdout: '' } as const;
  expect(second({ ...expired, expiresAt: 3000, endedAt: 5001 }, false)).toEqual(['late']);
  const down = [{ from: 2500, to: 4000 }];
  expect(second({ ...expired, expiresAt: 3000, endedAt: 5001 }, false, { down })).toEqual([]);
});

it('catches an unknown end that nothing explains', () => {
  const unknown = { state: 'unknown', ends: ['unknown'], stdout: '' } as const;
  expect(second(unknown)).toEqual(['unexplained']);
  expect(second({ ...unknown, endedAt: 2500 }, true, { kills: { 'vm-a': [2100] } })).toEqual([]);
  const onItsWay = { ...unknown, startedAt: undefined, beganAt: undefined, expiresAt: 2500, endedAt: 2501 };
  expect(second(onItsWay, false)).toEqual(['unexplained']);
  const disturbed = { 'vm-a': [{ from: 2000, to: 3000 }] };
  expect(second(onItsWay, false, { disturbed })).toEqual([]);
  expect(second(onItsWay, true, { disturbed })).toEqual(['unexplained']);
});

it('catches output that is not what was printed', () => {
  expect(second({ stdout: lineOf('tag-2', 'cmd-3') })).toEqual(['output']);
  expect(second({ stdout: lineOf('tag-2', 'cmd-2').slice(0, -1) })).toEqual(['output']);
});
