import { createHash } from 'node:crypto';
import { AppError } from '../../protocol/errors.ts';
import { type JobId, jobIdSchema } from '../../protocol/ids.ts';
import type { Tx } from '../store/store.ts';

/** One request of somebody who may send it again. */
export interface KeyedRequest {
  organizationId: string;
  actor: { id: string };
  idempotencyKey: string | undefined;
}

export const requestHash = (request: unknown): string =>
  createHash('sha256').update(JSON.stringify(request)).digest('hex');

/** What the same request came to before. @throws AppError `idempotency_mismatch` */
export async function findEarlier(
  tx: Tx,
  request: KeyedRequest,
  hash: string,
): Promise<{ jobId: JobId; response: unknown } | undefined> {
  if (request.idempotencyKey === undefined) return undefined;
  const earlier = await tx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'job_id', 'response'])
    .where('organization_id', '=', request.organizationId)
    .where('actor', '=', request.actor.id)
    .where('key', '=', request.idempotencyKey)
    .executeTakeFirst();
  if (earlier === undefined) return undefined;
  if (earlier.request_hash !== hash) {
    throw new AppError('idempotency_mismatch', {
      hint: 'Use a new Idempotency-Key for a new request, or send the same body again.',
    });
  }
  return {
    jobId: jobIdSchema.parse(earlier.job_id),
    response: earlier.response === null ? undefined : JSON.parse(earlier.response),
  };
}

/** In the transaction that does what was asked for. */
export async function remember(
  tx: Tx,
  request: KeyedRequest,
  came: { hash: string; jobId: string; now: number; response?: unknown },
): Promise<void> {
  if (request.idempotencyKey === undefined) return;
  await tx
    .insertInto('idempotency_keys')
    .values({
      organization_id: request.organizationId,
      actor: request.actor.id,
      key: request.idempotencyKey,
      request_hash: came.hash,
      job_id: came.jobId,
      created_at: came.now,
      response: came.response === undefined ? null : JSON.stringify(came.response),
    })
    .execute();
}
