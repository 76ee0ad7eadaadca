import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
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

/** A schedule that is due at `next_at`. Resolves with its identifier. */
export async function insertSchedule(
  db: Queryable,
  row: Pick<NewRow<'schedules'>, 'organization_id' | 'cron' | 'next_at'> & Partial<NewRow<'schedules'>>,
): Promise<string> {
  const id = newId('sch', systemClock);
  await db
    .insertInto('schedules')
    .values({
      id,
      name: id,
      time_zone: 'UTC',
      runs_on: 'orchestrator',
      overlap: 'skip',
      start_within_s: 600,
      job: JSON.stringify({ selector: 'all', arguments: { command: 'true' } }),
      enabled: 1,
      created_at: 0,
      created_by: JSON.stringify({ type: 'user', id: 'usr-1', name: 'alice' }),
      changed_at: 0,
      ...row,
    })
    .execute();
  return id;
}
