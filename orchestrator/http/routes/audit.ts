import { isoTime } from '../../../base/clock.ts';
import { auditListSchema, listQuerySchema } from '../../../protocol/rest-fleet.ts';
import { listEvents } from '../../audit/audit.ts';
import type { Store } from '../../store/store.ts';
import { numberCursor, writeCursor } from '../cursor.ts';
import { defineRoute, type Route } from '../route.ts';

export function auditRoutes(options: { store: Store }): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/audit',
      summary: 'What happened, the newest first',
      auth: 'user',
      needs: 'audit.read',
      query: listQuerySchema,
      response: auditListSchema,
      async handler({ org, query }) {
        const before = query.cursor === undefined ? undefined : numberCursor(query.cursor);
        const rows = await listEvents(options.store.db, {
          organizationId: org.id,
          before,
          limit: query.limit + 1,
        });
        const items = rows.slice(0, query.limit).map((row) => ({
          id: row.id,
          at: isoTime(Number(row.at)),
          action: row.action,
          actor: { type: row.actor_type, id: row.actor_id, name: row.actor_name },
          address: row.address,
          target: row.target,
          detail: JSON.parse(row.detail) as Record<string, unknown>,
        }));
        const last = items.at(-1);
        const more = rows.length > query.limit && last !== undefined;
        return { items, next_cursor: more ? writeCursor(String(last.id)) : null };
      },
    }),
  ];
}
