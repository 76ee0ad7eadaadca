import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What an agent's frames come over: a WebSocket, or polls where WebSockets are blocked. */
async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('agents').addColumn('transport', 'text').execute();
}

export const transport: Migration = { up };
