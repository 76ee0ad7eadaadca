import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';
import { AppError } from '../../protocol/errors.ts';
import type { Agent, AgentSort } from '../../protocol/rest-fleet.ts';
import { parseSelector, selectorMatches } from '../../protocol/selector.ts';
import type { Queryable } from '../store/store.ts';
import { selectAgents, shown } from './agent-rows.ts';

export interface AgentSearch {
  organizationId: string;
  selector: string;
  /** Where the page before ended. */
  after: string | undefined;
  limit: number;
  includeRevoked: boolean;
  /** Words that must all occur. */
  words?: readonly string[];
  state?: 'online' | 'offline' | 'quarantined' | 'pending' | 'revoked' | undefined;
  sort?: AgentSort;
}

/** Rows that are read to fill one page when a selector drops some. */
const BATCH = 500;

/** What a word is looked for in, beside the facts: what the page shows of an agent. */
const SEARCHED = ['vm_id', 'hostname', 'address', 'version', 'labels', 'reported_labels', 'facts'] as const;

const CERTIFICATE_END = sql<
  string | number
>`coalesce((select max(not_after) from certificates where certificates.organization_id = agents.organization_id and certificates.agent_id = agents.id), 0)`;
const SORT_BY_ID = sql<string | number>`agents.id`;
const SORT_KEYS: Readonly<Record<string, RawBuilder<string | number>>> = {
  enrolled: SORT_BY_ID,
  vm_id: sql<string | number>`agents.vm_id`,
  last_heartbeat: sql<string | number>`coalesce(agents.last_heartbeat_at, 0)`,
  certificate: CERTIFICATE_END,
};

const ONLINE = sql<SqlBool>`(agents.connected_at is not null and (agents.disconnected_at is null or agents.disconnected_at < agents.connected_at))`;

/** Finds a word anywhere, whatever its case; `%` and `_` in it mean themselves. */
const holds = (word: string): Expression<SqlBool> => {
  const pattern = `%${word.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const tests = SEARCHED.map(
    (column) => sql<SqlBool>`lower(coalesce(${sql.ref(`agents.${column}`)}, '')) like ${pattern} escape '\\'`,
  );
  return sql<SqlBool>`(${sql.join(tests, sql` or `)})`;
};

type Position = readonly [key: string | number, id: string];

function positionOf(cursor: string): Position {
  try {
    const [key, id] = JSON.parse(cursor) as unknown[];
    if ((typeof key === 'string' || typeof key === 'number') && typeof id === 'string') return [key, id];
  } catch {
    // Told below.
  }
  throw new AppError('bad_request', {
    detail: 'The cursor is not valid.',
    hint: 'Use next_cursor of an answer as it is, with the same sort.',
  });
}

/** Agents that a selector and a search mean, in a stable order, page by page. @throws AppError `invalid_selector`, `bad_request` */
export async function searchAgents(
  db: Queryable,
  search: AgentSearch,
): Promise<{ items: Agent[]; nextAfter: string | null }> {
  const { organizationId, limit, words = [], state, sort = 'enrolled' } = search;
  const terms = parseSelector(search.selector);
  const descending = sort.startsWith('-');
  const key = SORT_KEYS[sort.replace(/^-/, '')] ?? SORT_BY_ID;
  const direction = descending ? 'desc' : 'asc';
  const items: { agent: Agent; at: Position }[] = [];
  let from = search.after === undefined ? undefined : positionOf(search.after);
  for (;;) {
    let query = selectAgents(db, organizationId).select(key.as('sort_key'));
    if (from !== undefined) {
      const [at, id] = from;
      query = query.where(
        descending
          ? sql<SqlBool>`(${key} < ${at} or (${key} = ${at} and agents.id < ${id}))`
          : sql<SqlBool>`(${key} > ${at} or (${key} = ${at} and agents.id > ${id}))`,
      );
    }
    if (state === undefined && !search.includeRevoked) query = query.where('state', '!=', 'revoked');
    else if (state === 'online') query = query.where('state', '=', 'active').where(ONLINE);
    else if (state === 'offline')
      query = query.where('state', '=', 'active').where(sql<SqlBool>`not ${ONLINE}`);
    else if (state !== undefined) query = query.where('state', '=', state);
    for (const word of words) query = query.where(holds(word));
    for (const term of terms) {
      if (term.kind !== 'id') continue;
      query = query.where((eb) => eb.or([eb('agents.id', 'in', term.ids), eb('vm_id', 'in', term.ids)]));
    }
    const rows = await query.orderBy(key, direction).orderBy('agents.id', direction).limit(BATCH).execute();
    for (const row of rows) {
      const agent = shown(row);
      if (!selectorMatches(terms, agent)) continue;
      // One more than the page: then there is a next one.
      if (items.length === limit) return page(items, items.at(-1)?.at);
      items.push({ agent, at: [row.sort_key, row.id] });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return page(items, undefined);
    from = [last.sort_key, last.id];
  }
}

const page = (
  items: readonly { agent: Agent }[],
  end: Position | undefined,
): { items: Agent[]; nextAfter: string | null } => ({
  items: items.map(({ agent }) => agent),
  nextAfter: end === undefined ? null : JSON.stringify(end),
});
