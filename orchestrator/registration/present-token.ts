import { AppError } from '../../protocol/errors.ts';
import { parseProvisioningToken } from '../../protocol/provisioning-token.ts';
import type { Store } from '../store/store.ts';
import { globMatches, inNetwork, type TokenRow } from '../tenancy/provisioning-tokens.ts';
import { hashToken, sameHash } from '../tenancy/secrets.ts';
import type { Throttle } from '../tenancy/throttle.ts';

const JWT_HEAD = 'eyJ';

/**
 * The stored token that a presented text proves. Whether it may still be used is decided later, inside the
 * transaction that uses it.
 * @throws AppError `token_invalid`, `unsupported` (JWT), `rate_limited`
 */
export async function findPresentedToken(options: {
  store: Store;
  throttle: Throttle;
  addressThrottle: Throttle;
  isTrusted(pin: string): boolean;
  token: string;
  address: string;
}): Promise<TokenRow> {
  const { store, throttle, addressThrottle, address } = options;
  const text = options.token.trim();
  if (text.startsWith(JWT_HEAD)) {
    throw new AppError('unsupported', {
      detail: 'Provisioning by a JWT is not supported by this orchestrator.',
      hint: 'Create a token with `vm-orchestrator token create` or in the dashboard; it begins with prov_.',
    });
  }
  const token = parseProvisioningToken(text);
  // Guessing is counted for each token, whose owner's neighbours are not slowed down by it, …
  const keys = [`token:${token?.id ?? 'malformed'}:${address}`];
  throttle.check(keys);
  const row =
    token &&
    (await store.db
      .selectFrom('provisioning_tokens')
      .selectAll()
      .where('id', '=', token.id)
      .executeTakeFirst());
  if (!token || !row || !sameHash(row.secret_hash, hashToken(token.secret))) {
    // … and for the address as a whole, which holds up nobody there who has a good token.
    addressThrottle.check([address]);
    addressThrottle.failed([address]);
    throttle.failed(keys);
    throw new AppError('token_invalid', {
      hint: 'Check that the whole token was copied and that it was made by this orchestrator, or create a new one.',
    });
  }
  if (!options.isTrusted(token.caPin)) {
    throw new AppError('token_invalid', {
      detail:
        'The provisioning token names another certificate authority than this orchestrator’s, or one that a rotation has ended.',
      hint: 'Create a new token here.',
    });
  }
  return row;
}

/** @throws AppError `token_revoked`, `token_expired` */
export function checkTokenIsAlive(row: TokenRow, now: number): void {
  const hint = 'Create a new one with `vm-orchestrator token create` or in the dashboard.';
  if (row.revoked_at !== null) throw new AppError('token_revoked', { hint });
  if (Number(row.expires_at) <= now) throw new AppError('token_expired', { hint });
}

/** @throws AppError `token_not_allowed` */
export function checkTokenLimits(row: TokenRow, machine: { vmId: string; address: string }): void {
  if (row.vm_id_pattern !== null && !globMatches(row.vm_id_pattern, machine.vmId)) {
    throw new AppError('token_not_allowed', {
      detail: `The provisioning token is for machines named ${row.vm_id_pattern}, not ${machine.vmId}.`,
      hint: 'Use a token whose pattern fits, or create one.',
    });
  }
  if (row.cidr !== null && !inNetwork(machine.address, row.cidr)) {
    throw new AppError('token_not_allowed', {
      detail: `The provisioning token is for machines in ${row.cidr}; this one comes from ${machine.address}.`,
      hint: 'Use a token for this network, or create one.',
    });
  }
}
