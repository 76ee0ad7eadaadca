import { type AuditList, auditListSchema } from '../../../protocol/rest-audit.ts';
import { type ClientFlags, clientFor } from '../client.ts';
import type { CliDeps } from '../deps.ts';
import { printJson, table, timeText, write } from '../print.ts';
import { type LogFlags, scopeOf } from './log.ts';

export interface ListFlags extends ClientFlags, LogFlags {
  limit: number;
  cursor?: string;
  action?: string;
  actor?: string;
  target?: string;
  since?: string;
  until?: string;
}

/** Events in one request; the orchestrator gives no more. */
const PAGE_SIZE = 500;

/** Who did what. */
export async function listEvents(deps: CliDeps, flags: ListFlags): Promise<void> {
  const client = await clientFor(deps, flags, scopeOf(flags));
  const { action, actor, target, since, until } = flags;
  const items: AuditList['items'] = [];
  let cursor: string | undefined = flags.cursor;
  do {
    const limit = Math.min(flags.limit - items.length, PAGE_SIZE);
    const page: AuditList = await client.call({
      path: '/audit',
      query: { cursor, limit, action, actor, target, since, until },
      answer: auditListSchema,
    });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < flags.limit);
  if (flags.json) return printJson(deps.stdout, { items, next_cursor: cursor ?? null });
  const rows = items.map((event) => [
    timeText(event.at),
    event.action,
    event.actor.name || '(erased)',
    event.address ?? '-',
    event.target ?? '-',
  ]);
  await write(deps.stdout, table(['TIME', 'ACTION', 'ACTOR', 'ADDRESS', 'TARGET'], rows));
  if (cursor !== undefined) deps.stderr.write(`Older ones: vm-orchestrator audit --cursor ${cursor}\n`);
}
