import { RE2JS, RE2JSException } from 're2js';
import { AppError } from '../../protocol/errors.ts';

/** RE2, which needs time in proportion to the text for every pattern. @throws AppError `bad_request`. */
export function compileGrep(pattern: string): (text: string) => boolean {
  if (!/[\\^$.*+?()[\]{}|]/.test(pattern)) return (text) => text.includes(pattern);
  try {
    const expression = RE2JS.compile(pattern);
    return (text) => expression.test(text);
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause;
    throw new AppError('bad_request', {
      detail: `grep is not a valid RE2 expression: ${cause.message}`.slice(0, 300),
      hint: 'RE2 has no look-around and no back-references; (?i) ignores case.',
      cause,
    });
  }
}
