import { X509Certificate } from 'node:crypto';
import { isoTime } from '../../base/clock.ts';
import type { CertificateInfo } from '../../protocol/rest-calls.ts';
import type { Queryable } from '../store/store.ts';

const MAX_SHOWN = 100;
const time = (ms: number | null): string | null => (ms === null ? null : isoTime(Number(ms)));

/** Node writes a name line by line; people read it on one. */
const oneLine = (name: string): string => name.trim().replace(/\n/g, ', ');

/** What an agent was given, the newest first. */
export async function listCertificates(
  db: Queryable,
  organizationId: string,
  agentId: string,
): Promise<CertificateInfo[]> {
  const rows = await db
    .selectFrom('certificates')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('agent_id', '=', agentId)
    .orderBy('created_at', 'desc')
    .limit(MAX_SHOWN)
    .execute();
  return rows.map((row) => {
    const { subject, issuer, subjectAltName } = new X509Certificate(row.chain);
    return {
      fingerprint: row.fingerprint,
      serial: row.serial,
      subject: oneLine(subject),
      issuer: oneLine(issuer),
      names: subjectAltName === undefined ? [] : subjectAltName.split(', '),
      not_before: isoTime(Number(row.not_before)),
      not_after: isoTime(Number(row.not_after)),
      created_at: isoTime(Number(row.created_at)),
      first_used_at: time(row.first_used_at),
      revoked_at: time(row.revoked_at),
    };
  });
}
