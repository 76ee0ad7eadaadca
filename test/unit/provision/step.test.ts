import { describe, expect, it } from 'vitest';
import { explain } from '../../../provision/failure.ts';
import { type Reporter, runSteps, type Step, type StepEnd, undoSteps } from '../../../provision/step.ts';

/** A step that keeps its state in `world` and tells what was asked of it. */
function fakeStep(id: string, world: Set<string>, asked: string[], failure?: unknown): Step {
  return {
    id,
    title: `Step ${id}`,
    isDone: async () => world.has(id),
    async apply() {
      asked.push(`apply ${id}`);
      if (failure !== undefined) throw failure;
      world.add(id);
      return undefined;
    },
    async undo() {
      asked.push(`undo ${id}`);
      world.delete(id);
    },
  };
}

function fakeReporter(): Reporter & { ends: (StepEnd['kind'] | 'failed')[] } {
  const ends: (StepEnd['kind'] | 'failed')[] = [];
  return {
    ends,
    begin: () => undefined,
    end: (_step, end) => void ends.push(end.kind),
    fail: () => void ends.push('failed'),
  };
}

const run = (steps: Step[], reporter: Reporter, dryRun = false) =>
  runSteps({ steps, reporter, dryRun, explain });

describe('the runner', () => {
  it('applies in order what is not done, and nothing the second time', async () => {
    const world = new Set(['b']);
    const asked: string[] = [];
    const steps = ['a', 'b', 'c'].map((id) => fakeStep(id, world, asked));
    expect(await run(steps, fakeReporter())).toBe(2);
    expect(asked).toEqual(['apply a', 'apply c']);
    const second = fakeReporter();
    expect(await run(steps, second)).toBe(0);
    expect(second.ends).toEqual(['already', 'already', 'already']);
    expect(asked).toHaveLength(2);
  });

  it('stops at a failure, names the step, and keeps code and hint of the cause', async () => {
    const world = new Set<string>();
    const asked: string[] = [];
    const full = Object.assign(new Error('write'), { code: 'ENOSPC', path: '/opt/x' });
    const steps = [
      fakeStep('a', world, asked),
      fakeStep('b', world, asked, full),
      fakeStep('c', world, asked),
    ];
    const reporter = fakeReporter();
    await expect(run(steps, reporter)).rejects.toThrow(
      expect.objectContaining({
        code: 'disk_full',
        step: 'b',
        message: 'Step b: No space is left on the disk at /opt/x.',
        hint: expect.stringContaining('continues'),
      }),
    );
    expect(reporter.ends).toEqual(['done', 'failed']);
    expect(asked).toEqual(['apply a', 'apply b']);
  });

  it('changes nothing in a dry run and says what it would do', async () => {
    const asked: string[] = [];
    const reporter = fakeReporter();
    const steps = ['a', 'b'].map((id) => fakeStep(id, new Set(['a']), asked));
    expect(await run(steps, reporter, true)).toBe(1);
    expect(reporter.ends).toEqual(['already', 'would']);
    expect(asked).toEqual([]);
  });

  it('takes steps back in the opposite order', async () => {
    const asked: string[] = [];
    await undoSteps(['a', 'b'].map((id) => fakeStep(id, new Set(), asked)));
    expect(asked).toEqual(['undo b', 'undo a']);
  });
});
