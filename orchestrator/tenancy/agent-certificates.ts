import { X509Certificate } from 'node:crypto';
import { isoTime } from '../../base/clock.ts';
import type { CertificateInfo } from '../../protocol/rest-calls.ts';
import { cutPage, type Page, type PageRequest, parseTimeKey, timeKey } from '../store/page.ts';
import type { Queryable } from '../store/store.ts';

const time = (ms: number | null): string | null => (ms === null ? null : isoTime(Number(ms)));

/** Node writes a name line by line; people read it on one. */
const oneLine = (name: string): string => name.trim().replace(/\n/g, ', ');

/** What an agent was given, the newest first. */
export async function listCertificates(
  db: Queryable,
  organizationId: string,
  agentId: string,
  { after, limit }: PageRequest,
): Promise<Page<CertificateInfo>> {
  let query = db
    .selectFrom('certificates')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('agent_id', '=', agentId);
  if (after !== undefined) {
    const { at, id } = parseTimeKey(after);
    query = query.where((e) =>
      e.or([e('created_at', '<', at), e.and([e('created_at', '=', at), e('fingerprint', '>', id)])]),
    );
  }
  const rows = await query
    .orderBy('created_at', 'desc')
    .orderBy('fingerprint')
    .limit(limit + 1)
    .execute();
  const show = (row: (typeof rows)[number]): CertificateInfo => {
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
  };
  return cutPage(rows, limit, { keyOf: (row) => timeKey(row.created_at, row.fingerprint), show });
}
