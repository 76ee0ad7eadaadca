import { AppError } from '../../protocol/errors.ts';
import { labelsSchema } from '../../protocol/provisioning-token.ts';
import type { ChangeAgentRequest } from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Tx } from '../store/store.ts';
import type { AgentRow } from './agent-rows.ts';
import { admit, quarantine } from './quarantine.ts';

type Labels = Readonly<Record<string, string>>;

/** The labels after a change, and what of them is another than before. Pure. */
export function changeLabels(
  before: Labels,
  wanted: Readonly<Record<string, string | null>>,
): { labels: Record<string, string>; set: Record<string, string>; removed: string[] } {
  const entries = Object.entries(wanted);
  const set = Object.fromEntries(
    entries.flatMap(([key, value]) => (value !== null && before[key] !== value ? [[key, value]] : [])),
  ) as Record<string, string>;
  const removed = entries.flatMap(([key, value]) =>
    value === null && Object.hasOwn(before, key) ? [key] : [],
  );
  const labels = Object.fromEntries(
    Object.entries({ ...before, ...set }).filter(([key]) => !removed.includes(key)),
  );
  return { labels, set, removed };
}

/** Writes what is another than before, and one event for each kind of change. True when the agent was cut off. */
export async function changeAgent(
  tx: Tx,
  row: AgentRow,
  changes: ChangeAgentRequest,
  by: { at: number; actor: AuditActor; address: string | null },
): Promise<boolean> {
  if (row.state === 'revoked')
    throw new AppError('conflict', {
      detail: `${row.vm_id} was revoked; nothing of it can be changed.`,
      hint: 'Enroll the machine anew.',
    });
  const event = { ...by, organizationId: row.organization_id, target: row.id };
  const update = (values: { labels: string }) =>
    tx
      .updateTable('agents')
      .set(values)
      .where('organization_id', '=', row.organization_id)
      .where('id', '=', row.id)
      .execute();

  if (changes.labels !== undefined) {
    const { labels, set, removed } = changeLabels(JSON.parse(row.labels) as Labels, changes.labels);
    if (!labelsSchema.safeParse(labels).success)
      throw new AppError('bad_request', { detail: 'An agent has at most 64 labels.' });
    if (Object.keys(set).length + removed.length > 0) {
      await update({ labels: JSON.stringify(labels) });
      await record(tx, { ...event, action: 'agent.label', detail: { vm_id: row.vm_id, set, removed } });
    }
  }
  if (changes.state === undefined || changes.state === row.state) return false;
  if (changes.state === 'quarantined') {
    const { reason: detail } = changes;
    return quarantine(tx, {
      ...by,
      organizationId: row.organization_id,
      agentId: row.id,
      reason: 'operator',
      ...(detail === undefined ? {} : { detail }),
    });
  }
  await admit(tx, { ...by, row });
  return false;
}
