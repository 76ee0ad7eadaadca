import type { Command } from 'commander';
import type { z } from 'zod';
import { auditListSchema } from '../../protocol/rest-fleet.ts';
import { countArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';

interface AuditFlags extends ClientFlags {
  limit: number;
  cursor?: string;
}

/** Events in one request; the orchestrator gives no more. */
const PAGE_SIZE = 500;

async function list(deps: CliDeps, flags: AuditFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items: z.infer<typeof auditListSchema>['items'] = [];
  let cursor: string | null | undefined = flags.cursor;
  do {
    const query = { cursor, limit: Math.min(flags.limit - items.length, PAGE_SIZE) };
    const page: z.infer<typeof auditListSchema> = await client.call({
      path: '/audit',
      query,
      answer: auditListSchema,
    });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < flags.limit);
  if (flags.json) return printJson(deps.stdout, { items, next_cursor: cursor ?? null });
  const rows = items.map((event) => [
    timeText(event.at),
    event.action,
    event.actor.name,
    event.address ?? '-',
    event.target ?? '-',
  ]);
  await write(deps.stdout, table(['TIME', 'ACTION', 'ACTOR', 'ADDRESS', 'TARGET'], rows));
  if (cursor !== undefined) deps.stderr.write(`Older ones: vm-orchestrator audit --cursor ${cursor}\n`);
}

/** `vm-orchestrator audit`: who did what. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('audit')
      .description('list what happened, the newest first')
      .option('--limit <n>', 'how many, at most 10000', countArgument('--limit', 10_000), 50)
      .option('--cursor <cursor>', 'go on where another list ended (its next_cursor)'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: AuditFlags) => reporting(deps, flags, () => list(deps, flags)));
}
