import { Readable } from 'node:stream';
import { isoTime } from '../../../base/clock.ts';
import { OWN_LOG } from '../../../protocol/audit-log.ts';
import { AppError } from '../../../protocol/errors.ts';
import {
  auditListSchema,
  auditQuerySchema,
  checkpointSchema,
  eraseRequestSchema,
  eraseResponseSchema,
  exportQuerySchema,
  proofQuerySchema,
  proofSchema,
  retentionRequestSchema,
  retentionResponseSchema,
  verifyRequestSchema,
  verifyResponseSchema,
} from '../../../protocol/rest-audit.ts';
import { listEvents, shownEvent } from '../../audit/events.ts';
import type { Audit } from '../../audit/start-audit.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import { readCursor, writeCursor } from '../cursor.ts';
import { defineRoute, type Need, type Route } from '../route.ts';

function eventId(cursor: string): number {
  const id = Number(readCursor(cursor));
  if (Number.isSafeInteger(id)) return id;
  throw new AppError('bad_request', { detail: 'The cursor is not valid.' });
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const ms = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time);

/** Lines are joined into pieces of this size (bytes), and a reader that is slow is waited for. */
const PIECE_BYTES = 64 * 1024;

async function* pieces(lines: AsyncIterable<unknown>): AsyncGenerator<string, void, void> {
  let piece = '';
  for await (const line of lines) {
    piece += `${JSON.stringify(line)}\n`;
    if (piece.length < PIECE_BYTES) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

type Where = { caller: Caller; org?: OrganizationAccess | undefined };
/** The log that a path names: an organization's, or the orchestrator's own. */
const logOf = ({ org }: Where): { log: string; organizationId: string | null } => ({
  log: org?.id ?? OWN_LOG,
  organizationId: org?.id ?? null,
});

/** The routes of one kind of log. `path` is no literal, so that both kinds share one definition. */
function routesOf(
  options: { store: Store; audit: Audit },
  place: { path: string; read: Need; write: Need; of: string },
): Route[] {
  const { store, audit } = options;
  const { path, read, write, of } = place;
  return [
    defineRoute({
      method: 'GET',
      path,
      summary: `What happened ${of}, the newest first`,
      auth: 'user',
      needs: read,
      query: auditQuerySchema,
      response: auditListSchema,
      async handler({ query, ...where }) {
        const { cursor, limit, since, until, ...filter } = query;
        const rows = await listEvents(store.db, {
          log: logOf(where).log,
          before: cursor === undefined ? undefined : eventId(cursor),
          limit: limit + 1,
          filter: { ...filter, since: ms(since), until: ms(until) },
        });
        const items = rows.slice(0, limit).map(shownEvent);
        const last = items.at(-1);
        const more = rows.length > limit && last !== undefined;
        return { items, next_cursor: more ? writeCursor(String(last.id)) : null };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/checkpoint`,
      summary: `The newest signed checkpoint of the audit log ${of}`,
      auth: 'user',
      needs: read,
      response: checkpointSchema,
      async handler(where) {
        const { log } = logOf(where);
        const { key, root, at, origin, size, retained, note } = await audit.checkpoint(log);
        return { log, origin, key: key.text, size, root: base64(root), retained, at: isoTime(at), note };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/proof`,
      summary: `Proof (RFC 9162) that an event is in the log ${of}, or that it continues an earlier tree`,
      auth: 'user',
      needs: read,
      query: proofQuerySchema,
      response: proofSchema,
      async handler({ query, ...where }) {
        const { size, root, leaf, fromRoot, proof } = await audit.proof(logOf(where).log, query);
        return {
          size,
          root: base64(root),
          ...(leaf === undefined ? {} : { leaf: base64(leaf) }),
          ...(fromRoot === undefined ? {} : { from_root: base64(fromRoot) }),
          proof: proof.map(base64),
        };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/export`,
      summary: `The audit log ${of} as JSON lines that verify by themselves`,
      auth: 'user',
      needs: read,
      query: exportQuerySchema,
      raw: { contentType: 'application/jsonl', description: 'Head, events with their leaves, checkpoints' },
      async handler({ query, request, ...where }) {
        const { log } = logOf(where);
        const lines = await audit.export({
          ...logOf(where),
          after: query.after,
          actor: where.caller.actor,
          address: request.address,
        });
        return {
          headers: {
            'content-type': 'application/jsonl; charset=utf-8',
            'content-disposition': `attachment; filename="audit-${log}.jsonl"`,
            'cache-control': 'no-store',
          },
          body: Readable.from(pieces(lines), { objectMode: false }),
        };
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/verify`,
      summary: `Verify the audit log ${of} against its checkpoints and what witnesses keep`,
      auth: 'user',
      readOnly: true,
      needs: read,
      body: verifyRequestSchema,
      response: verifyResponseSchema,
      handler: ({ body, ...where }) => audit.verify(logOf(where).log, body.checkpoints),
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/erase`,
      summary: `Erase a person’s names and addresses from the audit log ${of}; it still verifies`,
      auth: 'user',
      needs: write,
      body: eraseRequestSchema,
      response: eraseResponseSchema,
      handler: ({ body, request, ...where }) =>
        audit.erase({
          ...logOf(where),
          person: body.person,
          actor: where.caller.actor,
          address: request.address,
        }),
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/retention`,
      summary: `Drop the oldest events of the audit log ${of}; their hashes stay`,
      auth: 'user',
      needs: write,
      body: retentionRequestSchema,
      response: retentionResponseSchema,
      handler: ({ body, request, ...where }) =>
        audit.drop({
          ...logOf(where),
          before: Date.parse(body.before),
          actor: where.caller.actor,
          address: request.address,
        }),
    }),
  ];
}

export function auditRoutes(options: { store: Store; audit: Audit }): Route[] {
  return [
    ...routesOf(options, {
      path: '/api/v1/organizations/{org}/audit',
      read: 'audit.read',
      write: 'audit.write',
      of: 'in an organization',
    }),
    ...routesOf(options, {
      path: '/api/v1/audit',
      read: 'system',
      write: 'system',
      of: 'on the whole orchestrator',
    }),
  ];
}
