import { createContext, Script } from 'node:vm';
import { AppError } from '../../protocol/errors.ts';

/** Longest that one search may take: the agent does nothing else meanwhile. */
const LIMIT_MS = 20;
/** The clock of the limit runs while others have the processor, so a search gets a second and longer try. */
const SECOND_LIMIT_MS = 250;

const search = new Script('pattern.test(text)');

/**
 * A caller's regular expression that cannot hold up the agent: JavaScript's take exponential time for some patterns
 * (`(a+)+$`), so a search that takes too long is broken off. @throws AppError `bad_request`, also from the search.
 */
export function boundedPattern(source: string, flags = 'm'): (text: string) => boolean {
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, flags);
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: `The regular expression is not valid: ${(cause as Error).message}.`,
      hint: 'JavaScript’s syntax is meant; escape characters that stand for themselves.',
      cause,
    });
  }
  const context = createContext(Object.assign(Object.create(null), { pattern, text: '' }));
  const matches = (timeout: number): boolean | undefined => {
    try {
      return search.runInContext(context, { timeout }) === true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
      return undefined;
    }
  };
  return (text) => {
    context['text'] = text;
    try {
      const found = matches(LIMIT_MS) ?? matches(SECOND_LIMIT_MS);
      if (found !== undefined) return found;
      throw new AppError('bad_request', {
        detail: `The regular expression takes longer than ${SECOND_LIMIT_MS} ms on this output.`,
        hint: 'Avoid nested repetitions like (a+)+.',
      });
    } finally {
      context['text'] = '';
    }
  };
}
