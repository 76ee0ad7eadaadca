import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Store, Tx } from '../store/store.ts';

/** How long an agent may take from the nonce to its signature. */
export const NONCE_MS = 5 * 60_000;
const RANDOM_BYTES = 16;
const TIME_BYTES = 8;
const SETTING = 'recovery_nonce_key';

/**
 * Nonces that cost nothing to give away: each is a random number and its end, under a MAC for one agent_id. Nothing is
 * kept of those that are only asked for, so strangers fill no memory and learn nothing; one that was used with a good
 * signature is kept until it would have ended, so that it counts once, on every replica.
 */
export interface RecoveryNonces {
  make(agentId: string): { nonce: string; expiresAt: number };
  /** Whether it was made here for this agent and has not ended. */
  isGood(agentId: string, nonce: string): boolean;
  /** In the transaction that acts on it; false: it was used before. */
  use(tx: Tx, organizationId: string, nonce: string): Promise<boolean>;
}

/** The key of the MACs is made once for a store, and shared by whoever serves it. */
export async function openRecoveryNonces(options: {
  store: Store;
  sealer: Sealer;
  clock: Clock;
}): Promise<RecoveryNonces> {
  const { store, sealer, clock } = options;
  const key = await store.transaction(async (tx) => {
    await tx
      .insertInto('settings')
      .values({ key: SETTING, value: sealer.seal(SETTING, randomBytes(32)) })
      .onConflict((c) => c.doNothing())
      .execute();
    const row = await tx
      .selectFrom('settings')
      .select('value')
      .where('key', '=', SETTING)
      .executeTakeFirstOrThrow();
    return sealer.open(SETTING, row.value);
  });

  const macOf = (agentId: string, head: Uint8Array): Buffer =>
    createHmac('sha256', key).update(agentId).update('\n').update(head).digest();
  /** When it ends; undefined when it is none of ours. */
  function endOf(agentId: string, nonce: string): number | undefined {
    const bytes = Buffer.from(nonce, 'base64url');
    const head = bytes.subarray(0, RANDOM_BYTES + TIME_BYTES);
    const mac = bytes.subarray(RANDOM_BYTES + TIME_BYTES);
    const expected = macOf(agentId, head);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
    // One text for one nonce: another spelling of the same bytes would count a second time.
    return bytes.toString('base64url') === nonce ? Number(head.readBigUInt64BE(RANDOM_BYTES)) : undefined;
  }

  return {
    make(agentId) {
      const expiresAt = clock.now() + NONCE_MS;
      const time = Buffer.alloc(TIME_BYTES);
      time.writeBigUInt64BE(BigInt(expiresAt));
      const head = Buffer.concat([randomBytes(RANDOM_BYTES), time]);
      return { nonce: Buffer.concat([head, macOf(agentId, head)]).toString('base64url'), expiresAt };
    },
    isGood(agentId, nonce) {
      const end = endOf(agentId, nonce);
      return end !== undefined && clock.now() < end;
    },
    async use(tx, organizationId, nonce) {
      const now = clock.now();
      await tx.deleteFrom('recovery_nonces').where('expires_at', '<', now).execute();
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto('recovery_nonces')
        .values({
          organization_id: organizationId,
          nonce_hash: createHash('sha256').update(nonce).digest('hex'),
          expires_at: now + NONCE_MS,
        })
        .onConflict((c) => c.doNothing())
        .executeTakeFirst();
      return numInsertedOrUpdatedRows === 1n;
    },
  };
}
