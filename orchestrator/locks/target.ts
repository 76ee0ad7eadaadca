import { AppError } from '../../protocol/errors.ts';
import type { LockTarget } from '../../protocol/rest-locks.ts';
import { parseSelector } from '../../protocol/selector.ts';
import { toolPatternSchema } from '../../protocol/text-pattern.ts';
import type { Queryable } from '../store/store.ts';

const missing = (detail: string): AppError => new AppError('not_found', { detail });

/**
 * What somebody means by the name of a target: its identifier, and how people know it.
 * @throws AppError `not_found`, `bad_request`, `invalid_selector`
 */
export async function resolveTarget(
  db: Queryable,
  organizationId: string,
  type: LockTarget,
  text: string,
): Promise<{ id: string; name: string }> {
  switch (type) {
    case 'organization':
      return { id: organizationId, name: 'the whole organization' };
    case 'tool': {
      if (toolPatternSchema.safeParse(text).success) return { id: text, name: text };
      throw new AppError('bad_request', { detail: `"${text}" is no name of a tool and no pattern of one.` });
    }
    case 'selector':
      parseSelector(text);
      return { id: text, name: text };
    case 'user': {
      const row = await db
        .selectFrom('users')
        .innerJoin('memberships', 'memberships.user_id', 'users.id')
        .select(['users.id', 'users.username'])
        .where('memberships.organization_id', '=', organizationId)
        .where((e) => e.or([e('users.id', '=', text), e('users.username', '=', text)]))
        .executeTakeFirst();
      if (row === undefined) throw missing(`There is no user ${text} in this organization.`);
      return { id: row.id, name: row.username };
    }
    case 'api_token': {
      const row = await db
        .selectFrom('api_tokens')
        .select(['id', 'name'])
        .where('organization_id', '=', organizationId)
        .where('id', '=', text)
        .executeTakeFirst();
      if (row === undefined) throw missing(`There is no API token ${text} here.`);
      return row;
    }
    case 'agent': {
      const row = await db
        .selectFrom('agents')
        .select(['id', 'vm_id'])
        .where('organization_id', '=', organizationId)
        .where((e) => e.or([e('id', '=', text), e.and([e('vm_id', '=', text), e('state', '!=', 'revoked')])]))
        .executeTakeFirst();
      if (row === undefined) throw missing(`There is no agent ${text} here.`);
      return { id: row.id, name: row.vm_id };
    }
  }
}
