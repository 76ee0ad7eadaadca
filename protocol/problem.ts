import { z } from 'zod';
import { AppError, ERROR_CODES, isErrorCode } from './errors.ts';

/** RFC 9457 `application/problem+json`, with our stable `code` and what to do about it. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  code: z.enum(ERROR_CODES),
  hint: z.string().optional(),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  errors: z
    .array(z.object({ path: z.string(), message: z.string() }))
    .optional()
    .describe('What is wrong with which part of the request'),
});
export type Problem = z.infer<typeof problemSchema>;

/** Whether a body is a problem document of an orchestrator, and not what something on the way says. */
export const isOurProblem = (body: unknown): boolean =>
  typeof body === 'object' &&
  body !== null &&
  String((body as Record<string, unknown>)['type']).startsWith('urn:vm-agent:error:');

/** Turns a peer's answer into an AppError; codes that this version does not know become `bad_request` or `internal`. */
export function problemToError(status: number, body: unknown): AppError {
  const raw = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const fallback =
    status >= 500
      ? status === 503
        ? 'unavailable'
        : 'internal'
      : status === 401
        ? 'unauthenticated'
        : status === 404
          ? 'not_found'
          : 'bad_request';
  const parsed = problemSchema.safeParse(raw);
  const fields = parsed.success ? (parsed.data.errors ?? []) : [];
  const said =
    typeof raw['detail'] === 'string' ? raw['detail'] : `the server answered with status ${status}`;
  const detail =
    fields.length === 0 ? said : `${said} ${fields.map((f) => `${f.path}: ${f.message}`).join('; ')}`;
  return new AppError(isErrorCode(raw['code']) ? raw['code'] : fallback, {
    detail,
    ...(typeof raw['hint'] === 'string' ? { hint: raw['hint'] } : {}),
    ...(parsed.success && parsed.data.context ? { context: parsed.data.context } : {}),
  });
}
