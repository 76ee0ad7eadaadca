import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { OrganizationId, TerminalId } from '../../protocol/ids.ts';
import type { Recording } from '../../protocol/rest-terminals.ts';
import { record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import type { RecordingFiles } from './recording-files.ts';
import { RETENTION_MS, selectRecording, selectRecordings, toRecording } from './terminal-rows.ts';

const SWEEP_MS = 3_600_000;

interface Asker {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
}

export interface Recordings {
  list(query: {
    organizationId: OrganizationId;
    agent: string | undefined;
    cursor: TerminalId | undefined;
    limit: number;
  }): Promise<{ items: Recording[]; next_cursor: string | null }>;
  get(organizationId: OrganizationId, id: TerminalId): Promise<Recording>;
  /** The recording itself, as far as it is written; that somebody looks at it is an event of its own. */
  read(asker: Asker, id: TerminalId): Promise<{ size: number; body: Readable }>;
  /** @throws AppError `conflict` while it is written. */
  remove(asker: Asker, id: TerminalId): Promise<void>;
  close(): void;
}

export function createRecordings(options: {
  store: Store;
  files: RecordingFiles;
  clock: Clock;
  log: Logger;
}): Recordings {
  const { store, files, clock, log } = options;

  const sizeOf = (row: Row<'terminals'>): Promise<number> | number =>
    row.ended_at === null ? files.size(row.organization_id, row.id) : row.size;
  const shown = async (row: Row<'terminals'>) => toRecording(row, await sizeOf(row));

  /** The file first: a row without its file is found again by the next sweep, a file without its row by nobody. */
  async function drop(row: Row<'terminals'>, asker: Pick<Asker, 'actor' | 'address'>): Promise<void> {
    await files.remove(row.organization_id, row.id);
    await store.transaction(async (tx) => {
      await tx
        .deleteFrom('terminals')
        .where('organization_id', '=', row.organization_id)
        .where('id', '=', row.id)
        .execute();
      await record(tx, {
        at: clock.now(),
        organizationId: row.organization_id,
        action: 'recording.delete',
        ...asker,
        target: row.id,
        detail: { agent_id: row.agent_id, vm_id: row.vm_id, by: row.actor_name },
      });
    });
  }

  async function sweep(): Promise<void> {
    const old = await store.db
      .selectFrom('terminals')
      .selectAll()
      .where('opened_at', '<', clock.now() - RETENTION_MS)
      .where('ended_at', 'is not', null)
      .limit(500)
      .execute();
    for (const row of old) await drop(row, { actor: SYSTEM_ACTOR, address: null });
  }
  const timer = every(clock, SWEEP_MS, () => {
    sweep().catch((cause: unknown) => log.error({ err: cause }, 'old recordings could not be deleted'));
  });

  return {
    async list({ organizationId, agent, cursor, limit }) {
      const rows = await selectRecordings(store.db, {
        organizationId,
        agent,
        before: cursor,
        limit: limit + 1,
      });
      const items = await Promise.all(rows.slice(0, limit).map(shown));
      return { items, next_cursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    },
    get: async (organizationId, id) => shown(await selectRecording(store.db, organizationId, id)),
    async read({ organizationId, actor, address }, id) {
      const row = await selectRecording(store.db, organizationId, id);
      const size = await files.size(organizationId, id);
      if (size === 0) throw new AppError('not_found', { detail: `The recording ${id} is not on the disk.` });
      await store.transaction((tx) =>
        record(tx, {
          at: clock.now(),
          organizationId,
          action: 'recording.read',
          actor,
          address,
          target: id,
          detail: { agent_id: row.agent_id, vm_id: row.vm_id, by: row.actor_name },
        }),
      );
      // No further than this, although more may be written meanwhile.
      return { size, body: createReadStream(files.path(organizationId, id), { end: size - 1 }) };
    },
    async remove(asker, id) {
      const row = await selectRecording(store.db, asker.organizationId, id);
      if (row.ended_at === null)
        throw new AppError('conflict', {
          detail: 'The terminal is still open.',
          hint: 'End it first; then its recording can be deleted.',
        });
      await drop(row, { actor: asker.actor, address: asker.address });
    },
    close: () => timer.cancel(),
  };
}
