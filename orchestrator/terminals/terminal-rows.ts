import { isoTime } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  agentIdSchema,
  commandIdSchema,
  type OrganizationId,
  terminalIdSchema,
  vmIdSchema,
} from '../../protocol/ids.ts';
import type { Recording } from '../../protocol/rest-terminals.ts';
import { endReasonSchema } from '../../protocol/terminal-socket.ts';
import { record } from '../audit/audit.ts';
import type { Queryable, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import type { TerminalEnd, TerminalFacts } from './live-terminal.ts';

/** A recording is kept this long; then it is deleted. */
export const RETENTION_MS = 90 * 86_400_000;

/** With its audit event, in the transaction that stores the command. */
export async function insertTerminal(tx: Tx, facts: TerminalFacts): Promise<void> {
  const { organizationId, id, actor, address } = facts;
  await tx
    .insertInto('terminals')
    .values({
      organization_id: organizationId,
      id,
      command_id: facts.commandId,
      job_id: facts.jobId,
      agent_id: facts.agentId,
      vm_id: facts.vmId,
      actor_type: actor.type,
      actor_id: actor.id,
      actor_name: actor.name,
      address,
      command: facts.command,
      opened_at: facts.openedAtMs,
      ended_at: null,
      end_reason: null,
      exit_code: null,
    })
    .execute();
  await record(tx, {
    at: facts.openedAtMs,
    organizationId,
    action: 'terminal.opened',
    actor,
    address,
    target: id,
    detail: { agent_id: facts.agentId, vm_id: facts.vmId, command_id: facts.commandId },
  });
}

/** Once: what has its end keeps it. */
export async function endTerminal(
  tx: Tx,
  row: Pick<Row<'terminals'>, 'organization_id' | 'id' | 'agent_id' | 'vm_id' | 'opened_at'>,
  end: TerminalEnd & {
    at: number;
    size: number;
    typedBytes: number | null;
    actor: Actor;
    address: string | null;
  },
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('terminals')
    .set({ ended_at: end.at, end_reason: end.reason, exit_code: end.exitCode, size: end.size })
    .where('organization_id', '=', row.organization_id)
    .where('id', '=', row.id)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) return;
  await record(tx, {
    at: end.at,
    organizationId: row.organization_id,
    action: 'terminal.ended',
    actor: end.actor,
    address: end.address,
    target: row.id,
    detail: {
      agent_id: row.agent_id,
      vm_id: row.vm_id,
      reason: end.reason,
      exit_code: end.exitCode,
      seconds: Math.round((end.at - row.opened_at) / 1000),
      ...(end.typedBytes === null ? {} : { typed_bytes: end.typedBytes }),
      recording_bytes: end.size,
    },
  });
}

export const actorOf = (row: Pick<Row<'terminals'>, 'actor_type' | 'actor_id' | 'actor_name'>): Actor => ({
  type: row.actor_type as Actor['type'],
  id: row.actor_id,
  name: row.actor_name,
});

export function toRecording(row: Row<'terminals'>, size: number): Recording {
  return {
    id: terminalIdSchema.parse(row.id),
    agent_id: agentIdSchema.parse(row.agent_id),
    vm_id: vmIdSchema.parse(row.vm_id),
    command_id: commandIdSchema.parse(row.command_id),
    actor: actorOf(row),
    address: row.address,
    command: row.command,
    opened_at: isoTime(row.opened_at),
    ended_at: row.ended_at === null ? null : isoTime(row.ended_at),
    end_reason: row.end_reason === null ? null : endReasonSchema.parse(row.end_reason),
    exit_code: row.exit_code,
    size,
    expires_at: isoTime(row.opened_at + RETENTION_MS),
  };
}

/** The newest first; `before` is the last one that was seen. */
export function selectRecordings(
  db: Queryable,
  query: {
    organizationId: OrganizationId;
    agent: string | undefined;
    before: string | undefined;
    limit: number;
  },
): Promise<Row<'terminals'>[]> {
  const { organizationId, agent, before, limit } = query;
  let select = db.selectFrom('terminals').selectAll().where('organization_id', '=', organizationId);
  if (agent !== undefined)
    select = select.where((e) => e.or([e('agent_id', '=', agent), e('vm_id', '=', agent)]));
  if (before !== undefined) select = select.where('id', '<', before);
  return select.orderBy('id', 'desc').limit(limit).execute();
}

/** @throws AppError `not_found` */
export async function selectRecording(
  db: Queryable,
  organizationId: OrganizationId,
  id: string,
): Promise<Row<'terminals'>> {
  const row = await db
    .selectFrom('terminals')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError('not_found', { detail: `There is no recording ${id} here.` });
}
