import { AppError } from '../protocol/errors.ts';

/** One change to the machine that is safe to make twice. */
export interface Step {
  id: string;
  /** What is brought about, as a person reads it in the list of progress. */
  title: string;
  /** Whether the machine already is as `apply` would leave it. Looks only; never changes anything. */
  isDone(): Promise<boolean>;
  /** Brings it about, also over what an interrupted run has left. May say in a few words what it did. */
  apply(): Promise<string | undefined>;
  /** Takes back what `apply` did; nothing to take back is no error. */
  undo(): Promise<void>;
}

export type StepEnd = { kind: 'done'; note: string | undefined } | { kind: 'already' } | { kind: 'would' };

export interface Reporter {
  begin(step: Step, index: number, total: number): void;
  end(step: Step, end: StepEnd): void;
  fail(step: Step): void;
}

/** Which step failed, in front of what happened; the code and the hint are those of the cause. */
export class StepFailure extends AppError {
  readonly step: string;
  constructor(step: Step, cause: AppError) {
    super(cause.code, {
      detail: `${step.title}: ${cause.message}`,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      context: { ...cause.context, step: step.id },
      cause,
    });
    this.step = step.id;
  }
}

/**
 * Runs the steps in order and applies those that are not done. An interrupted run is continued by running again:
 * each step looks at the machine, not at a list of what was done before. Returns how many were applied.
 * @throws StepFailure
 */
export async function runSteps(options: {
  steps: readonly Step[];
  reporter: Reporter;
  /** Names what would be done and changes nothing. */
  dryRun: boolean;
  /** Turns what a step threw into words for a person. */
  explain: (cause: unknown) => AppError;
}): Promise<number> {
  const { steps, reporter, dryRun, explain } = options;
  let applied = 0;
  for (const [index, step] of steps.entries()) {
    reporter.begin(step, index, steps.length);
    try {
      if (await step.isDone()) {
        reporter.end(step, { kind: 'already' });
        continue;
      }
      applied++;
      if (dryRun) reporter.end(step, { kind: 'would' });
      else reporter.end(step, { kind: 'done', note: await step.apply() });
    } catch (cause) {
      reporter.fail(step);
      throw new StepFailure(step, explain(cause));
    }
  }
  return applied;
}

/** Takes steps back, the last first. */
export async function undoSteps(steps: readonly Step[]): Promise<void> {
  for (const step of steps.toReversed()) await step.undo();
}
