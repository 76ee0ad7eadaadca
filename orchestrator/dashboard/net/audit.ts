import type { AuditReport } from '../../../protocol/audit-log.ts';
import type { AuditList } from '../../../protocol/rest-audit.ts';
import { sendJson } from './api.ts';

/** Identifier of an organization, or undefined for the log of the whole orchestrator. */
export type Log = string | undefined;

export interface AuditFilter {
  action: string;
  actor: string;
  target: string;
  /** As `datetime-local` has them, in the reader's time zone. */
  since: string;
  until: string;
}

const logPath = (log: Log, path: string): string =>
  `${log === undefined ? '/api/v1' : `/api/v1/organizations/${log}`}/audit${path}`;

function queryOf(filter: AuditFilter, cursor: string | null): string {
  const query = new URLSearchParams({ limit: '50' });
  for (const key of ['action', 'actor', 'target'] as const) {
    const value = filter[key].trim();
    if (value !== '') query.set(key, value);
  }
  for (const key of ['since', 'until'] as const) {
    const at = Date.parse(filter[key]);
    if (!Number.isNaN(at)) query.set(key, new Date(at).toISOString());
  }
  if (cursor !== null) query.set('cursor', cursor);
  return query.toString();
}

export const fetchAudit = (
  log: Log,
  filter: AuditFilter,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<AuditList> =>
  sendJson(logPath(log, `?${queryOf(filter, cursor)}`), signal === undefined ? {} : { signal });

export const verifyAudit = (log: Log): Promise<AuditReport> =>
  sendJson(logPath(log, '/verify'), { method: 'POST', body: {} });

export const auditExportPath = (log: Log): string => logPath(log, '/export');
