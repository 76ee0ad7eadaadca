import { type Clock, isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { approvalRuleIdSchema } from '../../protocol/ids.ts';
import {
  type ApprovalRule,
  type ApprovalRuleDefinition,
  approvalRuleDefinitionSchema,
} from '../../protocol/rest-approvals.ts';
import { parseSelector } from '../../protocol/selector.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

interface Change {
  organizationId: string;
  actor: AuditActor;
  address: string | null;
}

export interface ApprovalRules {
  list(organizationId: string, page: PageRequest): Promise<Page<ApprovalRule>>;
  /** @throws AppError `conflict` for a name that is taken, `invalid_selector`, `bad_request` for somebody unknown. */
  create(request: Change & { body: ApprovalRuleDefinition }): Promise<ApprovalRule>;
  /** Takes the place of the rule; approvals that wait keep what they needed. @throws as `create`, and `not_found`. */
  replace(request: Change & { id: string; body: ApprovalRuleDefinition }): Promise<ApprovalRule>;
  /** @throws AppError `not_found` */
  remove(request: Change & { id: string }): Promise<void>;
}

const selectRules = (db: Queryable, organizationId: string) =>
  db.selectFrom('approval_rules').selectAll().where('organization_id', '=', organizationId).orderBy('id');

/** All of them, for who decides whether a job meets one. */
export const readRules = async (db: Queryable, organizationId: string): Promise<ApprovalRule[]> =>
  (await selectRules(db, organizationId).execute()).map(shown);

const shown = (row: Row<'approval_rules'>): ApprovalRule => ({
  ...approvalRuleDefinitionSchema.parse(JSON.parse(row.definition)),
  enabled: row.enabled === 1,
  id: approvalRuleIdSchema.parse(row.id),
  created_at: isoTime(Number(row.created_at)),
  created_by: row.created_by,
});

/** Identifiers stand as they are; names of the organization's users become theirs. Names of tokens are not taken: two may share one. */
async function identifiers(db: Queryable, organizationId: string, actors: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const actor of actors) {
    const row = actor.startsWith('api-')
      ? await db
          .selectFrom('api_tokens')
          .select('id')
          .where('organization_id', '=', organizationId)
          .where('id', '=', actor)
          .executeTakeFirst()
      : await db
          .selectFrom('users')
          .innerJoin('memberships', 'memberships.user_id', 'users.id')
          .select('users.id')
          .where('memberships.organization_id', '=', organizationId)
          .where((e) => e.or([e('users.id', '=', actor), e('users.username', '=', actor)]))
          .executeTakeFirst();
    if (row === undefined)
      throw new AppError('bad_request', {
        detail: `There is no user and no API token ${actor} in this organization.`,
        hint: 'Write the name of a user, or an identifier: usr-…, api-….',
      });
    found.push(row.id);
  }
  return [...new Set(found)];
}

export function createApprovalRules(options: { store: Store; clock: Clock }): ApprovalRules {
  const { store, clock } = options;

  async function resolved(
    db: Queryable,
    organizationId: string,
    body: ApprovalRuleDefinition,
  ): Promise<ApprovalRuleDefinition> {
    parseSelector(body.selector);
    const named = async <T extends { actors: string[] }>(who: T): Promise<T> => ({
      ...who,
      actors: await identifiers(db, organizationId, who.actors),
    });
    return {
      ...body,
      requesters: await named(body.requesters),
      exempt: await named(body.exempt),
      approvers: await named(body.approvers),
    };
  }

  async function refuseTaken(db: Queryable, organizationId: string, name: string, but?: string) {
    const row = await db
      .selectFrom('approval_rules')
      .select('id')
      .where('organization_id', '=', organizationId)
      .where('name', '=', name)
      .executeTakeFirst();
    if (row !== undefined && row.id !== but)
      throw new AppError('conflict', { detail: `There is a rule "${name}" already: ${row.id}.` });
  }

  return {
    async list(organizationId, { after, limit }) {
      const rows = await selectRules(store.db, organizationId)
        .where('id', '>', after ?? '')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: ({ id }) => id, show: shown });
    },
    create: ({ organizationId, actor, address, body }) =>
      store.transaction(async (tx) => {
        await refuseTaken(tx, organizationId, body.name);
        const now = clock.now();
        const definition = await resolved(tx, organizationId, body);
        const row = {
          organization_id: organizationId,
          id: newId('apr', clock),
          name: body.name,
          enabled: body.enabled ? 1 : 0,
          definition: JSON.stringify(definition),
          created_at: now,
          created_by: actor.name,
        };
        await tx.insertInto('approval_rules').values(row).execute();
        await record(tx, {
          at: now,
          organizationId,
          action: 'approval_rule.create',
          actor,
          address,
          target: row.id,
          detail: { ...definition },
        });
        return shown(row);
      }),
    replace: ({ organizationId, id, actor, address, body }) =>
      store.transaction(async (tx) => {
        await refuseTaken(tx, organizationId, body.name, id);
        const definition = await resolved(tx, organizationId, body);
        const row = await tx
          .updateTable('approval_rules')
          .set({
            name: body.name,
            enabled: body.enabled ? 1 : 0,
            definition: JSON.stringify(definition),
          })
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined)
          throw new AppError('not_found', { detail: `There is no approval rule ${id} here.` });
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'approval_rule.replace',
          actor,
          address,
          target: id,
          detail: { ...definition },
        });
        return shown(row);
      }),
    remove: ({ organizationId, id, actor, address }) =>
      store.transaction(async (tx) => {
        const row = await tx
          .deleteFrom('approval_rules')
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined)
          throw new AppError('not_found', { detail: `There is no approval rule ${id} here.` });
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'approval_rule.remove',
          actor,
          address,
          target: id,
          detail: { name: row.name },
        });
      }),
  };
}
