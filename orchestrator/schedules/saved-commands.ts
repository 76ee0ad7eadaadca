import { type Clock, isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { savedCommandIdSchema } from '../../protocol/ids.ts';
import type { SavedCommand, SavedDefinition } from '../../protocol/rest-schedules.ts';
import { record } from '../audit/audit.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import type { ChangeRequest } from './schedules.ts';
import { checkTemplate } from './template.ts';

type OfOne = ChangeRequest & { id: string };

export interface SavedCommands {
  list(request: {
    organizationId: string;
    after: string | undefined;
    limit: number;
  }): Promise<{ items: SavedCommand[]; nextAfter: string | null }>;
  /** By identifier or name. @throws AppError `not_found` */
  get(organizationId: string, id: string): Promise<SavedCommand>;
  /** @throws AppError `bad_request`, `conflict` when the name is taken */
  create(request: ChangeRequest & { definition: SavedDefinition }): Promise<SavedCommand>;
  change(request: OfOne & { definition: Partial<SavedDefinition> }): Promise<SavedCommand>;
  remove(request: OfOne): Promise<void>;
}

function shown(row: Row<'saved_commands'>): SavedCommand {
  return {
    id: savedCommandIdSchema.parse(row.id),
    ...(JSON.parse(row.definition) as SavedDefinition),
    name: row.name,
    created_at: isoTime(Number(row.created_at)),
    created_by: JSON.parse(row.created_by),
    changed_at: isoTime(Number(row.changed_at)),
  };
}

export function createSavedCommands(options: { store: Store; clock: Clock }): SavedCommands {
  const { store, clock } = options;

  async function find(
    db: Queryable,
    organizationId: string,
    idOrName: string,
  ): Promise<Row<'saved_commands'>> {
    const row = await db
      .selectFrom('saved_commands')
      .selectAll()
      .where('organization_id', '=', organizationId)
      .where((eb) => eb.or([eb('id', '=', idOrName), eb('name', '=', idOrName)]))
      .executeTakeFirst();
    if (row === undefined)
      throw new AppError('not_found', { detail: `There is no saved command ${idOrName} here.` });
    return row;
  }

  async function store_(
    tx: Tx,
    request: ChangeRequest,
    definition: SavedDefinition,
    old?: Row<'saved_commands'>,
  ) {
    const { organizationId, actor, address } = request;
    checkTemplate(definition);
    const taken = await tx
      .selectFrom('saved_commands')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('name', '=', definition.name)
      .executeTakeFirst();
    if (taken !== undefined && taken.id !== old?.id)
      throw new AppError('conflict', {
        detail: `There is a saved command with the name ${definition.name} already.`,
      });
    const now = clock.now();
    const row: Row<'saved_commands'> = {
      organization_id: organizationId,
      id: old?.id ?? newId('sav', clock),
      name: definition.name,
      definition: JSON.stringify(definition),
      created_at: old?.created_at ?? now,
      created_by: old?.created_by ?? JSON.stringify(actor),
      changed_at: now,
    };
    await tx
      .insertInto('saved_commands')
      .values(row)
      .onConflict((c) =>
        c
          .columns(['organization_id', 'id'])
          .doUpdateSet({ name: row.name, definition: row.definition, changed_at: now }),
      )
      .execute();
    await record(tx, {
      at: now,
      organizationId,
      action: old === undefined ? 'saved_command.create' : 'saved_command.change',
      actor,
      address,
      target: row.id,
      detail: { name: row.name, command: definition.command.slice(0, 1000) },
    });
    return shown(row);
  }

  return {
    async list({ organizationId, after, limit }) {
      let query = store.db
        .selectFrom('saved_commands')
        .selectAll()
        .where('organization_id', '=', organizationId);
      if (after !== undefined) query = query.where('id', '>', after);
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      const page = rows.slice(0, limit);
      return { items: page.map(shown), nextAfter: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
    },
    get: async (organizationId, id) => shown(await find(store.db, organizationId, id)),
    create: (request) => store.transaction((tx) => store_(tx, request, request.definition)),
    change: (request) =>
      store.transaction(async (tx) => {
        const old = await find(tx, request.organizationId, request.id);
        const before = JSON.parse(old.definition) as SavedDefinition;
        return store_(tx, request, { ...before, ...request.definition }, old);
      }),
    remove: (request) =>
      store.transaction(async (tx) => {
        const { organizationId, actor, address } = request;
        const row = await find(tx, organizationId, request.id);
        await tx
          .deleteFrom('saved_commands')
          .where('organization_id', '=', organizationId)
          .where('id', '=', row.id)
          .execute();
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'saved_command.remove',
          actor,
          address,
          target: row.id,
          detail: { name: row.name },
        });
      }),
  };
}
