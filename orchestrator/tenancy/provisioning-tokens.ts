import ipaddr from 'ipaddr.js';
import type { z } from 'zod';
import { type Clock, isoTime } from '../../base/clock.ts';
import { randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { agentIdSchema, vmIdSchema } from '../../protocol/ids.ts';
import {
  caPinOf,
  formatProvisioningToken,
  type Labels,
  type TokenRate,
} from '../../protocol/provisioning-token.ts';
import type {
  createTokenRequestSchema,
  ProvisioningTokenInfo,
  TokenAgent,
} from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest, parseTimeKey, timeKey } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { hashToken } from './secrets.ts';

export type TokenRow = Row<'provisioning_tokens'>;

/** Undefined when it may be used as fast as machines come. */
export const rateOf = ({ rate_uses: uses, rate_window_s: window_s }: TokenRow): TokenRate | undefined =>
  uses === null || window_s === null ? undefined : { uses, window_s };

const shown = (row: TokenRow): ProvisioningTokenInfo => ({
  id: row.id,
  description: row.description,
  created_at: isoTime(Number(row.created_at)),
  expires_at: isoTime(Number(row.expires_at)),
  revoked_at: row.revoked_at === null ? null : isoTime(Number(row.revoked_at)),
  uses: row.uses,
  used: row.used,
  labels: JSON.parse(row.labels) as Labels,
  vm_id_pattern: row.vm_id_pattern,
  cidr: row.cidr,
  rate: rateOf(row) ?? null,
  created_by: row.created_by,
});

/** Whether an address lies in a network; an IPv4 address in its IPv6 form counts as IPv4. */
export function inNetwork(address: string, cidr: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const [network, bits] = ipaddr.parseCIDR(cidr);
  const ip = ipaddr.process(address);
  return ip.kind() === network.kind() && ip.match(network, bits);
}

/** `*` and `?` as in a shell; no regular expression is built from what people write. */
export function globMatches(pattern: string, text: string): boolean {
  // Iterative with one point to go back to: linear in pattern × text at worst.
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      mark = t;
    } else if (c === '?' || c === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function checkCidr(cidr: string | undefined): string | null {
  if (cidr === undefined) return null;
  if (ipaddr.isValidCIDR(cidr)) return cidr;
  throw new AppError('bad_request', {
    detail: `cidr: ${JSON.stringify(cidr)} is no network.`,
    hint: 'Write an address and a length, e.g. 10.0.0.0/8 or 2001:db8::/32.',
  });
}

export interface ProvisioningTokens {
  create(request: {
    organizationId: string;
    limits: z.output<typeof createTokenRequestSchema>;
    actor: AuditActor;
    address: string | null;
  }): Promise<{ id: string; token: string; expires_at: string }>;
  /** The newest first. */
  list(organizationId: string, page: PageRequest): Promise<Page<ProvisioningTokenInfo>>;
  /** Who enrolled with it, the newest first. @throws AppError `not_found` */
  agentsOf(organizationId: string, id: string, page: PageRequest): Promise<Page<TokenAgent>>;
  /** @throws AppError `not_found` */
  revoke(request: {
    organizationId: string;
    id: string;
    actor: AuditActor;
    address: string | null;
  }): Promise<void>;
}

export function createProvisioningTokens(options: {
  store: Store;
  clock: Clock;
  rootFingerprint: () => string;
}): ProvisioningTokens {
  const { store, clock, rootFingerprint } = options;
  async function find(db: Queryable, organizationId: string, id: string) {
    const row = await db
      .selectFrom('provisioning_tokens')
      .select('revoked_at')
      .where('organization_id', '=', organizationId)
      .where('id', '=', id)
      .executeTakeFirst();
    if (row) return row;
    throw new AppError('not_found', { detail: `There is no provisioning token ${id} here.` });
  }
  return {
    async create({ organizationId, limits, actor, address }) {
      const cidr = checkCidr(limits.cidr);
      const [id, secret] = [randomText(12), randomText(40)];
      const now = clock.now();
      const expiresAt = now + limits.ttl_s * 1000;
      await store.transaction(async (tx) => {
        await tx
          .insertInto('provisioning_tokens')
          .values({
            organization_id: organizationId,
            id,
            secret_hash: hashToken(secret),
            description: limits.description,
            created_at: now,
            expires_at: expiresAt,
            revoked_at: null,
            uses: limits.uses,
            used: 0,
            labels: JSON.stringify(limits.labels),
            vm_id_pattern: limits.vm_id_pattern ?? null,
            cidr,
            created_by: actor.name,
            rate_uses: limits.rate?.uses ?? null,
            rate_window_s: limits.rate?.window_s ?? null,
          })
          .execute();
        const { description, ...rest } = limits;
        await record(tx, {
          at: now,
          organizationId,
          action: 'token.create',
          actor,
          address,
          target: id,
          detail: { ...rest, description },
        });
      });
      const token = formatProvisioningToken({ id, secret, caPin: caPinOf(rootFingerprint()) });
      return { id, token, expires_at: isoTime(expiresAt) };
    },
    async list(organizationId, { after, limit }) {
      let query = store.db
        .selectFrom('provisioning_tokens')
        .selectAll()
        .where('organization_id', '=', organizationId);
      if (after !== undefined) {
        const { at, id } = parseTimeKey(after);
        query = query.where((e) =>
          e.or([e('created_at', '<', at), e.and([e('created_at', '=', at), e('id', '>', id)])]),
        );
      }
      const rows = await query
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: (row) => timeKey(row.created_at, row.id), show: shown });
    },
    async agentsOf(organizationId, id, { after, limit }) {
      await find(store.db, organizationId, id);
      let query = store.db
        .selectFrom('agents')
        .select(['id', 'vm_id', 'hostname', 'state', 'enrolled_at', 'address'])
        .where('organization_id', '=', organizationId)
        .where('token_id', '=', id);
      if (after !== undefined) {
        const from = parseTimeKey(after);
        query = query.where((e) =>
          e.or([
            e('enrolled_at', '<', from.at),
            e.and([e('enrolled_at', '=', from.at), e('id', '>', from.id)]),
          ]),
        );
      }
      const rows = await query
        .orderBy('enrolled_at', 'desc')
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, {
        keyOf: (row) => timeKey(row.enrolled_at, row.id),
        show: (row) => ({
          agent_id: agentIdSchema.parse(row.id),
          vm_id: vmIdSchema.parse(row.vm_id),
          hostname: row.hostname,
          state: row.state,
          enrolled_at: isoTime(Number(row.enrolled_at)),
          address: row.address,
        }),
      });
    },
    async revoke({ organizationId, id, actor, address }) {
      await store.transaction(async (tx) => {
        const row = await find(tx, organizationId, id);
        if (row.revoked_at !== null) return;
        const now = clock.now();
        await tx
          .updateTable('provisioning_tokens')
          .set({ revoked_at: now })
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .execute();
        await record(tx, { at: now, organizationId, action: 'token.revoke', actor, address, target: id });
      });
    },
  };
}
