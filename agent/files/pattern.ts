/**
 * Regular expressions of users. Some take longer than the age of the universe on a short text, and JavaScript's run
 * on the thread of everything else; they are therefore run in slices under a watchdog that interrupts them.
 */
import { createContext, Script } from 'node:vm';
import { AppError } from '../../protocol/errors.ts';

/** How long one slice may hold the process up. */
const SLICE_MS = 250;

export interface LineMatcher {
  /** Where in each line the pattern is found first; -1 where it is not. @throws AppError `bad_request` when it takes too long. */
  find(lines: readonly string[]): number[];
}

/** @throws AppError `bad_request` for what is no regular expression. */
export function compileMatcher(
  pattern: string,
  options: { literal: boolean; ignoreCase: boolean },
): LineMatcher {
  if (options.literal && !options.ignoreCase)
    return { find: (lines) => lines.map((line) => line.indexOf(pattern)) };
  const source = options.literal ? pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&') : pattern;
  const expression =
    compile(source, options.ignoreCase ? 'iu' : 'u') ?? compile(source, options.ignoreCase ? 'i' : '');
  if (expression === undefined)
    throw new AppError('bad_request', {
      detail: `The pattern ${JSON.stringify(pattern.slice(0, 200))} is not a valid regular expression: ${whyInvalid(source)}`,
      hint: 'Write it as JavaScript does, or set literal.',
    });
  return { find: (lines) => boxed(() => lines.map((line) => line.search(expression)), pattern) };
}

function compile(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags);
  } catch {
    return undefined;
  }
}

function whyInvalid(source: string): string {
  try {
    return String(new RegExp(source));
  } catch (cause) {
    return (cause as Error).message.replace(/^Invalid regular expression: /, '').slice(0, 300);
  }
}

const call = new Script('run()');
const box: { run?: () => void } = createContext(Object.create(null));

function boxed<T>(work: () => T, pattern: string): T {
  let result: { value: T } | undefined;
  box.run = () => {
    result = { value: work() };
  };
  try {
    call.runInContext(box, { timeout: SLICE_MS });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new AppError('bad_request', {
        detail: `The pattern ${JSON.stringify(pattern.slice(0, 200))} takes too long on this text and was given up.`,
        hint: 'Avoid nested repetition such as (a+)+, or set literal.',
        cause,
      });
    throw cause;
  }
  if (result === undefined) throw new Error('the pattern gave no result');
  return result.value;
}
