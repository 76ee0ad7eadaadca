import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../scripts/lib/root.ts';
import { queriesOf, tenantTables } from '../scripts/rules/queries.ts';

// The store has one shape of protection: a query on what belongs to an organization says which. It is looked for in
// the sources, so that a query that no test reaches is found as well.

const tables = tenantTables(ROOT);

/** A condition on the column, not only a mention of it. */
const BOUND = /\.(?:where|whereRef|on|onRef)\(\s*'(?:\w+\.)?organization_id'/;

const QUERIES = globSync('orchestrator/**/*.ts', { cwd: ROOT })
  .filter((path) => !path.startsWith('orchestrator/store/migrations/'))
  .flatMap((path) => queriesOf(path, readFileSync(join(ROOT, path), 'utf8')))
  // What is inserted cannot lack the column: the types demand it.
  .filter((query) => !/\.insertInto\(\s*'[^']*'\s*\)/.test(query.text))
  .filter((query) => query.tables.some((table) => tables.has(table)));
const UNBOUND = QUERIES.filter(({ text }) => !BOUND.test(text));

/**
 * What looks at all organizations on purpose: `file table`, and why that gives nobody what is another's. A new row is a
 * decision; most often the query lacks its `.where('organization_id', '=', …)`.
 */
const ACROSS: Readonly<Record<string, string>> = {
  'orchestrator/data.ts certificate_authorities': 'at the start: whether this store has sealed anything yet',
  'orchestrator/ca/authority.ts certificate_authorities':
    'the root and the orchestrator’s own issuing key are nobody’s',
  'orchestrator/tenancy/api-tokens.ts api_tokens':
    'found by the hash of the secret that was shown, or by the token that was found so; the row says the organization',
  'orchestrator/tenancy/bootstrap.ts api_tokens': 'the first administrator’s token, which rules all of them',
  'orchestrator/registration/present-token.ts provisioning_tokens':
    'found by the token that was shown, before its secret is compared; the row says the organization',
  'orchestrator/tenancy/sessions.ts memberships': 'where somebody belongs: his rights are made of it',
  'orchestrator/tenancy/users.ts memberships':
    'where somebody belongs, for administrators of the orchestrator',
  'orchestrator/tenancy/oidc-accounts.ts memberships': 'where somebody belongs, when he signs in',
  'orchestrator/tenancy/agents.ts agents': 'at the start nobody is connected',
  'orchestrator/jobs/expiry.ts commands':
    'the clock ends commands of all; each is read and changed by its organization',
  'orchestrator/schedules/engine.ts schedules':
    'the clock looks at what is due in all; each row names its own',
  'orchestrator/jobs/rollout/engine.ts rollouts':
    'after a restart all that were open go on, each in its organization',
  'orchestrator/tenancy/bootstrap.ts locks':
    'who holds the machine ends every lock on the first administrator',
  'orchestrator/tenancy/person.ts api_tokens':
    'whose a token is that was shown or noted as an actor; one of the whole orchestrator is at home elsewhere',
  'orchestrator/locks/dispatch-locks.ts locks': 'which organizations have any; nothing else is read',
  'orchestrator/locks/locks.ts locks': 'the clock ends locks of all; each is removed by its organization',
  'orchestrator/approvals/approvals.ts approvals':
    'the clock ends approvals of all; each is read and changed by its organization',
  'orchestrator/terminals/recordings.ts terminals':
    'the clock drops what is old of all; each is dropped by its organization',
  'orchestrator/terminals/terminals.ts terminals':
    'after a restart all that were open end, each in its organization',
  'orchestrator/metrics/history.ts metric_blocks':
    'the clock drops what is old in all; each is dropped by its organization',
  'orchestrator/jobs/retention.ts idempotency_keys':
    'the clock forgets what is older than a week of all; nothing of it is read',
  'orchestrator/calls/sweep.ts commands':
    'the clock drops what is old of all; each is dropped by its organization',
  'orchestrator/audit/erase.ts audit_events': 'by the number of an event that was read by its organization',
  'orchestrator/audit/events.ts audit_events':
    'each log apart: an organization’s, or the orchestrator’s own, which has none',
  'orchestrator/audit/retention.ts audit_events':
    'each log apart: an organization’s, or the orchestrator’s own, which has none',
  'orchestrator/audit/seal.ts audit_events':
    'the sequencer asks which logs wait; salts go to events that it read from one log',
  'orchestrator/ca/backup-key.ts certificate_authorities': 'of roots alone, which are nobody’s',
  'orchestrator/ca/roots.ts certificate_authorities': 'of roots alone, which are nobody’s',
  'orchestrator/ca/rotation.ts certificate_authorities': 'of roots alone, which are nobody’s',
  'orchestrator/ca/ca-status.ts certificate_authorities':
    'for who rules the whole orchestrator: each row is shown with the organization that it belongs to',
  'orchestrator/registration/recovery-nonces.ts recovery_nonces':
    'forgets those of all that have ended; nothing of them is read',
  'orchestrator/fleet/overview.ts certificate_authorities':
    'the organization’s own, and the root and the orchestrator’s own issuing key, which are nobody’s',
  'orchestrator/backup/new-epoch.ts audit_events':
    'the last moment that the data knows; nothing else is read',
  'orchestrator/backup/which-key.ts certificate_authorities':
    'whoever holds the machine tries a master key; nothing else is read',
  'orchestrator/hub/presence.ts certificates':
    'which of the connected are to be cut off; their fingerprints stay inside',
  'orchestrator/hub/presence.ts agents':
    'which of the connected are to be cut off; their identifiers stay inside',
};

it('[tenancy-6] names the organization in every query on what belongs to one', () => {
  const unbound = UNBOUND.flatMap(({ path, line, tables: used }) =>
    used
      .filter((table) => tables.has(table) && !(`${path} ${table}` in ACROSS))
      .map((table) => `${path}:${line} ${table}`),
  );
  expect(unbound).toEqual([]);
});

it('has no reason left for a query that is gone', () => {
  const present = new Set(
    UNBOUND.flatMap(({ path, tables: used }) => used.map((table) => `${path} ${table}`)),
  );
  expect(Object.keys(ACROSS).filter((key) => !present.has(key))).toEqual([]);
});

it('finds the tables and the queries at all', () => {
  expect([...tables]).toEqual(
    expect.arrayContaining(['agents', 'jobs', 'commands', 'api_tokens', 'audit_events']),
  );
  expect(QUERIES.length).toBeGreaterThan(50);
});
