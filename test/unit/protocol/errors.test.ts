import { describe, expect, it } from 'vitest';
import { toProblem } from '../../../base/http-problem.ts';
import { AppError, ERRORS, isErrorCode } from '../../../protocol/errors.ts';
import { problemSchema, problemToError } from '../../../protocol/problem.ts';

describe('errors', () => {
  it('carry the status of their code and keep the cause apart from what is shown', () => {
    const cause = new Error('secret path /etc/x');
    const error = new AppError('token_expired', { cause, hint: 'Make a new one.' });
    expect(error).toMatchObject({
      status: 401,
      retryable: false,
      message: ERRORS.token_expired.message,
      cause,
    });
    expect(JSON.stringify(toProblem(error))).not.toContain('secret path');
  });

  it('that nobody foresaw show nothing of their text', () => {
    const problem = toProblem(new Error('connection string postgres://user:pw@host'));
    expect(problem).toMatchObject({ code: 'internal', status: 500 });
    expect(JSON.stringify(problem)).not.toContain('postgres');
  });

  it('come back from a problem document as they were', () => {
    const problem = problemSchema.parse(
      toProblem(new AppError('vm_id_taken', { hint: 'Draw again.', context: { tries: 3 } })),
    );
    expect(problemToError(409, problem)).toMatchObject({
      code: 'vm_id_taken',
      hint: 'Draw again.',
      context: { tries: 3 },
    });
  });

  it('of a newer peer or a proxy fall back to what the status says', () => {
    expect(problemToError(503, '<html>').code).toBe('unavailable');
    expect(problemToError(418, { code: 'teapot', detail: 'short and stout' })).toMatchObject({
      code: 'bad_request',
      message: 'short and stout',
    });
    expect(isErrorCode('constructor')).toBe(false);
  });
});
