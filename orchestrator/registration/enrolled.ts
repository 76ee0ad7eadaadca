import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import type { registerRequestSchema } from '../../protocol/rest-registration.ts';
import type { IssuedCertificate } from '../ca/x509.ts';
import type { Queryable, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { rateOf, type TokenRow } from '../tenancy/provisioning-tokens.ts';
import type { StoredCertificate } from './answer.ts';

export type AgentIdentity = Pick<Row<'agents'>, 'id' | 'vm_id' | 'organization_id' | 'state'>;

export interface KnownAgent {
  agent: AgentIdentity;
  tokenId: string;
  /** Its newest certificate for this key that still counts. */
  certificate: StoredCertificate | undefined;
}

/** The newest certificate for this key that still counts: a lost answer makes no second one. */
export const certificateOfKey = (
  db: Queryable,
  by: { organizationId: string; agentId: string; keyHash: string; now: number },
): Promise<StoredCertificate | undefined> =>
  db
    .selectFrom('certificates')
    .select(['fingerprint', 'chain', 'not_before', 'not_after'])
    .where('organization_id', '=', by.organizationId)
    .where('agent_id', '=', by.agentId)
    .where('public_key_hash', '=', by.keyHash)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', by.now)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();

/** The live agent whose key this is. */
export async function findByKey(
  db: Queryable,
  by: { organizationId: string; keyHash: string; now: number },
): Promise<KnownAgent | undefined> {
  const agent = await db
    .selectFrom('agents')
    .select(['id', 'vm_id', 'organization_id', 'state', 'token_id'])
    .where('organization_id', '=', by.organizationId)
    .where('public_key_hash', '=', by.keyHash)
    .where('state', '!=', 'revoked')
    .executeTakeFirst();
  if (agent === undefined) return undefined;
  const certificate = await certificateOfKey(db, { ...by, agentId: agent.id });
  return { agent, tokenId: agent.token_id, certificate };
}

/**
 * Counts one use, if one is left.
 * @throws AppError `token_rate_limited` when there were as many as may be within the token's time.
 */
export async function spendToken(tx: Tx, token: TokenRow, now: number): Promise<boolean> {
  await keepToRate(tx, token, now);
  const { numUpdatedRows } = await tx
    .updateTable('provisioning_tokens')
    .set((eb) => ({ used: eb('used', '+', 1) }))
    .where('organization_id', '=', token.organization_id)
    .where('id', '=', token.id)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .whereRef('used', '<', 'uses')
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return false;
  if (rateOf(token) !== undefined)
    await tx
      .insertInto('token_uses')
      .values({ organization_id: token.organization_id, token_id: token.id, at: now })
      .execute();
  return true;
}

async function keepToRate(tx: Tx, token: TokenRow, now: number): Promise<void> {
  const rate = rateOf(token);
  if (rate === undefined) return;
  const window = rate.window_s * 1000;
  await tx
    .deleteFrom('token_uses')
    .where('organization_id', '=', token.organization_id)
    .where('token_id', '=', token.id)
    .where('at', '<=', now - window)
    .execute();
  const { count, oldest } = await tx
    .selectFrom('token_uses')
    .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min<number | null>('at').as('oldest')])
    .where('organization_id', '=', token.organization_id)
    .where('token_id', '=', token.id)
    .executeTakeFirstOrThrow();
  if (Number(count) >= rate.uses) {
    const seconds = Math.max(1, Math.ceil((Number(oldest ?? now) + window - now) / 1000));
    throw new AppError('token_rate_limited', {
      detail: `The provisioning token enrolls at most ${rate.uses} machines within ${rate.window_s} s; try again in ${seconds} s.`,
      hint: `Run this again in ${seconds} s: the token was not used. If the machines are all yours, make a token with a higher rate.`,
      context: { retry_after: seconds },
    });
  }
}

/** @throws AppError `vm_id_taken` */
export async function refuseTakenName(db: Queryable, organizationId: string, vmId: string): Promise<void> {
  const taken = await db
    .selectFrom('agents')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('vm_id', '=', vmId)
    .where('state', '!=', 'revoked')
    .executeTakeFirst();
  if (taken === undefined) return;
  throw new AppError('vm_id_taken', {
    detail: `Another agent of this organization has the vm_id ${vmId}.`,
    hint: 'Draw another vm_id and register again; the token was not used.',
  });
}

/** A new agent, or what a known one says anew. */
export async function saveAgent(
  tx: Tx,
  what: {
    id: string;
    known: AgentIdentity | undefined;
    token: TokenRow;
    request: z.output<typeof registerRequestSchema>;
    keyHash: string;
    address: string;
    now: number;
  },
): Promise<AgentIdentity> {
  const { token, request, known } = what;
  // Signed for the agent that was known before the transaction: another one came between.
  if (known && known.id !== what.id) throw new AppError('unavailable');
  const said = {
    hostname: request.hostname,
    token_id: token.id,
    api_key_hash: request.api_key_hash,
    machine_hash: request.machine_hash ?? null,
    executor_public_key: request.executor_public_key ?? null,
    labels: token.labels,
    reported_labels: JSON.stringify(request.labels),
    facts: JSON.stringify(request.facts),
    version: request.agent_version ?? null,
    address: what.address,
  };
  if (known) {
    await tx
      .updateTable('agents')
      .set(said)
      .where('organization_id', '=', known.organization_id)
      .where('id', '=', known.id)
      .execute();
    return known;
  }
  const agent: AgentIdentity = {
    id: what.id,
    vm_id: request.vm_id,
    organization_id: token.organization_id,
    state: 'active',
  };
  await tx
    .insertInto('agents')
    .values({
      ...agent,
      ...said,
      public_key_hash: what.keyHash,
      tools: '[]',
      features: '[]',
      enrolled_at: what.now,
      session_epoch: 0,
      command_seq: 0,
    })
    .execute();
  return agent;
}

export async function saveCertificate(
  tx: Tx,
  what: {
    organizationId: string;
    agentId: string;
    issued: IssuedCertificate & { chain: string };
    keyHash: string;
    now: number;
  },
): Promise<StoredCertificate> {
  const { issued } = what;
  const certificate = {
    fingerprint: issued.fingerprint,
    chain: issued.chain,
    not_before: issued.notBeforeMs,
    not_after: issued.notAfterMs,
  };
  await tx
    .insertInto('certificates')
    .values({
      ...certificate,
      organization_id: what.organizationId,
      agent_id: what.agentId,
      serial: issued.serial,
      public_key_hash: what.keyHash,
      created_at: what.now,
    })
    .execute();
  return certificate;
}

/** A known agent goes on with another key, by which a repeated registration would be recognized from now on. */
export async function saveNextCertificate(
  tx: Tx,
  next: Parameters<typeof saveCertificate>[1],
): ReturnType<typeof saveCertificate> {
  const row = await saveCertificate(tx, next);
  await tx
    .updateTable('agents')
    .set({ public_key_hash: next.keyHash })
    .where('organization_id', '=', next.organizationId)
    .where('id', '=', next.agentId)
    .execute();
  return row;
}
