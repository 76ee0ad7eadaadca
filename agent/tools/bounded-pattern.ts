import { createContext, Script } from 'node:vm';
import { AppError } from '../../protocol/errors.ts';

/** Longest that one search may take: the agent does nothing else meanwhile. */
const LIMIT_MS = 20;

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
  return (text) => {
    context['text'] = text;
    try {
      return search.runInContext(context, { timeout: LIMIT_MS }) === true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
      throw new AppError('bad_request', {
        detail: `The regular expression takes longer than ${LIMIT_MS} ms on this output.`,
        hint: 'Avoid nested repetitions like (a+)+.',
        cause,
      });
    } finally {
      context['text'] = '';
    }
  };
}
