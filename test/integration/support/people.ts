import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../../base/clock.ts';
import { newId } from '../../../base/random.ts';
import { hashToken } from '../../../orchestrator/tenancy/secrets.ts';
import type { Role } from '../../../protocol/roles.ts';
import type { Answer, CallOptions, OrchestratorProcess } from './orchestrator.ts';

export interface Person {
  id: string;
  token: string;
  tokenId: string;
  call<T = Record<string, unknown>>(options: CallOptions): Promise<Answer<T>>;
}

/** Another person of the organization `default`, with an API token of his own; straight into the store. */
export function addPerson(
  orchestrator: Pick<OrchestratorProcess, 'dataDir' | 'call'>,
  name: string,
  role: Role,
): Person {
  const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'));
  try {
    database.exec('PRAGMA busy_timeout = 5000');
    const org = String(database.prepare("SELECT id FROM organizations WHERE name = 'default'").get()?.['id']);
    const id = newId('usr', systemClock);
    const tokenId = newId('api', systemClock);
    const token = `vmo_${name}_${id}`;
    const now = systemClock.now();
    database
      .prepare('INSERT INTO users (id, username, password_hash, created_at) VALUES (?, ?, ?, ?)')
      .run(id, name, '', now);
    database
      .prepare('INSERT INTO memberships (organization_id, user_id, role) VALUES (?, ?, ?)')
      .run(org, id, role);
    database
      .prepare(
        'INSERT INTO api_tokens (id, organization_id, token_hash, name, role, created_at, user_id) VALUES (?,?,?,?,?,?,?)',
      )
      .run(tokenId, org, hashToken(token), `${name}'s`, role, now, id);
    return { id, token, tokenId, call: (options) => orchestrator.call({ token, ...options }) };
  } finally {
    database.close();
  }
}
