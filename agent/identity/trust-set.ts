import { X509Certificate } from 'node:crypto';
import { ed25519PublicKey, openEnvelope } from '../../base/dsse.ts';
import { type Envelope, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import type { CaPinsFile, CommandKeysFile } from '../../protocol/trust-files.ts';
import { type TrustStatement, trustStatementSchema } from '../../protocol/trust-update.ts';
import { fingerprintOf, isSignedBy } from './certificates.ts';

/** `roots`: those of the set that are trusted from now on, PEM each. */
export type TrustVerdict =
  /** Genuine and newer: these pins take the place of those before. */
  | { kind: 'new'; statement: TrustStatement; roots: string[]; pins: CaPinsFile }
  /** Genuine, and kept already. */
  | { kind: 'kept'; statement: TrustStatement; roots: string[] }
  | { kind: 'refused'; why: string };

const refused = (why: string): TrustVerdict => ({ kind: 'refused', why });

/** The same subject and key: another certificate of the same authority. */
const sameAuthority = (a: X509Certificate, b: X509Certificate): boolean =>
  a.subject === b.subject && a.publicKey.equals(b.publicKey);

/**
 * Those roots among `candidates` that a pinned one vouches for: itself pinned, signed by one that is vouched for, or the
 * same authority as one of those. Only certificates of roots count, whose issuer has their own name (RFC 5280, 3.2:
 * self-issued), so no issuing key can make one. Dates do not matter: an agent that slept through a rotation must be able
 * to follow it.
 */
export function vouchedFor(
  candidates: readonly X509Certificate[],
  pins: readonly string[],
): ReadonlySet<X509Certificate> {
  const roots = candidates.filter((one) => one.ca && one.subject === one.issuer);
  const good = new Set(roots.filter((one) => pins.includes(fingerprintOf(one))));
  for (let before = -1; before !== good.size; ) {
    before = good.size;
    for (const one of roots)
      if (!good.has(one) && [...good].some((by) => isSignedBy(one, by) || sameAuthority(one, by)))
        good.add(one);
  }
  return good;
}

/**
 * Whether a set of roots may take the place of the one that is pinned. Pure: daemon, executor and installer decide by
 * the same, each with the files that it believes.
 */
export function judgeTrust(
  envelope: Envelope,
  kept: { pins: CaPinsFile; keys: Pick<CommandKeysFile, 'organization_id' | 'trust_domain' | 'keys'> },
): TrustVerdict {
  const { pins, keys } = kept;
  try {
    const commandRoots = new Map(keys.keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
    const bytes = openEnvelope(envelope, PAYLOAD_TYPE.trust, commandRoots);
    if (bytes === undefined) return refused('no command root that this machine trusts has signed it');
    const parsed = trustStatementSchema.safeParse(JSON.parse(bytes.toString('utf8')));
    if (!parsed.success) return refused('it is not in a form that this version knows');
    const statement = parsed.data;
    if (statement.org_id !== keys.organization_id || statement.trust_domain !== keys.trust_domain)
      return refused('it is for another organization');
    if (statement.version < pins.bundle_version)
      return refused(`it is older (${statement.version}) than what is kept (${pins.bundle_version})`);
    const roots = statement.roots.map((pem) => new X509Certificate(pem));
    if (statement.version === pins.bundle_version) {
      const same = roots.filter((root) => pins.roots.includes(fingerprintOf(root)));
      return same.length === pins.roots.length
        ? { kind: 'kept', statement, roots: same.map(String) }
        : refused(`another set of version ${statement.version} is kept`);
    }
    const good = vouchedFor(
      [...roots, ...statement.vouchers.map((pem) => new X509Certificate(pem))],
      pins.roots,
    );
    // Who was enrolled under the new root takes no word for the old one; the one that signs must be among them.
    const taken = roots.filter((root) => good.has(root));
    const [signing] = roots;
    if (signing === undefined || taken[0] !== signing)
      return refused('no pinned root vouches for the root that signs now');
    return {
      kind: 'new',
      statement,
      roots: taken.map(String),
      pins: { bundle_version: statement.version, roots: taken.map(fingerprintOf) },
    };
  } catch (cause) {
    return refused(`it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** What `ca.crt` holds under these roots: they first, then those issuing certificates that they vouch for. */
export function bundleText(roots: readonly string[], issuing: readonly string[]): string {
  const own = roots.map((pem) => new X509Certificate(pem));
  const others = issuing
    .map((pem) => new X509Certificate(pem))
    .filter((one) => one.subject !== one.issuer && own.some((root) => isSignedBy(one, root)));
  return [...own, ...others].map((one) => one.toString()).join('');
}
