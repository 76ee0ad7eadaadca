import type { Queryable } from '../../orchestrator/store/store.ts';
import type { NewRow } from '../../orchestrator/store/tables.ts';

// Rows as the front door makes them, for tests of what is behind it.

export async function insertOrganization(db: Queryable, id: string, name = id): Promise<void> {
  await db.insertInto('organizations').values({ id, name, created_at: 0, command_epoch: 1 }).execute();
}

/** An active agent that has not connected yet. */
export async function insertAgent(
  db: Queryable,
  row: Pick<NewRow<'agents'>, 'organization_id' | 'id'> & Partial<NewRow<'agents'>>,
): Promise<void> {
  await db
    .insertInto('agents')
    .values({
      vm_id: 'vm-web-000000',
      hostname: 'web',
      state: 'active',
      public_key_hash: '',
      token_id: '',
      api_key_hash: '',
      labels: '{}',
      reported_labels: '{}',
      tools: '[]',
      features: '[]',
      enrolled_at: 0,
      session_epoch: 0,
      command_seq: 0,
      ...row,
    })
    .execute();
}
