import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Store } from '../store/store.ts';

/** What a client may use as Idempotency-Key: up to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;
/** Instead of a process: the request failed in a way that does not say how much of it was done. */
const UNCERTAIN = 'uncertain';
/** An answer is kept this long: whoever repeats does so soon. */
const KEPT_MS = 24 * 3600_000;

/** An answer as it is sent; `body` is JSON, empty for 204. */
export interface Answer {
  status: number;
  body: string;
}

/** The header's value. @throws AppError `bad_request` */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && KEY.test(header)) return header;
  throw new AppError('bad_request', {
    detail: 'The header Idempotency-Key is not valid.',
    hint: 'Send one value of up to 255 visible ASCII characters, such as a UUID.',
  });
}

export interface ReplayRequest {
  /** Who asks; keys of different callers never meet. */
  actor: string;
  key: string;
  method: string;
  /** As it was asked for, with its query. */
  url: string;
  body: unknown;
}

/**
 * Carries out a request with an Idempotency-Key once (draft-ietf-httpapi-idempotency-key-header): a repeat gets the
 * first answer. Answers rest sealed, since some of them show a secret.
 */
export interface Replays {
  /** @throws AppError `idempotency_mismatch`, `conflict` */
  once(request: ReplayRequest, act: () => Promise<Answer>): Promise<Answer & { replayed: boolean }>;
}

/** Said before anything was done: the client was wrong, or nothing could be begun. */
const wasRefused = (cause: unknown): boolean =>
  cause instanceof AppError && (cause.status < 500 || cause.status === 503);

export function createReplays(options: { store: Store; sealer: Sealer; clock: Clock }): Replays {
  const { store, sealer, clock } = options;
  /** Rows of another process that have no answer were cut off by its end. */
  const self = randomUUID();
  const sealName = (request: ReplayRequest) => `replay:${request.actor}:${request.key}`;

  const hashOf = ({ method, url, body }: ReplayRequest): string =>
    createHash('sha256')
      .update(JSON.stringify([method, url, body]))
      .digest('hex');

  function answered(
    request: ReplayRequest,
    row: { request_hash: string; process: string; status: number | null; sealed_body: string | null },
  ): Answer {
    if (sealer.open(sealName(request), row.request_hash).toString('utf8') !== hashOf(request))
      throw new AppError('idempotency_mismatch', {
        detail: 'This Idempotency-Key was used for another request.',
        hint: 'Use a new key for each new request.',
      });
    if (row.status !== null && row.sealed_body !== null)
      return { status: row.status, body: sealer.open(sealName(request), row.sealed_body).toString('utf8') };
    throw new AppError(
      'conflict',
      row.process === self
        ? {
            detail: 'The request with this Idempotency-Key is still being worked on.',
            hint: 'Ask again in a moment with the same key.',
          }
        : {
            detail:
              row.process === UNCERTAIN
                ? 'The request with this Idempotency-Key failed, and may have been carried out in part or whole.'
                : 'The orchestrator stopped while it worked on the request with this Idempotency-Key.',
            hint: 'See whether it was carried out; to do it now, send it with a new key.',
          },
    );
  }

  return {
    async once(request, act) {
      const now = clock.now();
      const before = await store.transaction(async (tx) => {
        await tx
          .deleteFrom('request_replays')
          .where('created_at', '<', now - KEPT_MS)
          .execute();
        const row = await tx
          .selectFrom('request_replays')
          .selectAll()
          .where('actor', '=', request.actor)
          .where('key', '=', request.key)
          .executeTakeFirst();
        if (row !== undefined) return row;
        await tx
          .insertInto('request_replays')
          .values({
            actor: request.actor,
            key: request.key,
            // Sealed: the hash of a request that holds a password could be guessed at.
            request_hash: sealer.seal(sealName(request), Buffer.from(hashOf(request))),
            process: self,
            status: null,
            sealed_body: null,
            created_at: now,
          })
          .execute();
        return undefined;
      });
      if (before !== undefined) return { ...answered(request, before), replayed: true };
      try {
        const answer = await act();
        await store.db
          .updateTable('request_replays')
          .set({
            status: answer.status,
            sealed_body: sealer.seal(sealName(request), Buffer.from(answer.body)),
          })
          .where('actor', '=', request.actor)
          .where('key', '=', request.key)
          .execute();
        return { ...answer, replayed: false };
      } catch (cause) {
        // Refused: nothing was done, and the same key may be used for a better try.
        if (wasRefused(cause))
          await store.db
            .deleteFrom('request_replays')
            .where('actor', '=', request.actor)
            .where('key', '=', request.key)
            .execute();
        else
          await store.db
            .updateTable('request_replays')
            .set({ process: UNCERTAIN })
            .where('actor', '=', request.actor)
            .where('key', '=', request.key)
            .execute();
        throw cause;
      }
    },
  };
}
