import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { silentLogger } from '../../../../base/logger.ts';
import { type AuditEntry, recordAll } from '../../../../orchestrator/audit/audit.ts';
import { findLogKey } from '../../../../orchestrator/audit/keys.ts';
import { seal } from '../../../../orchestrator/audit/seal.ts';
import { type KeptElsewhere, logInStore } from '../../../../orchestrator/audit/sources.ts';
import { startAudit } from '../../../../orchestrator/audit/start-audit.ts';
import { verifyLog } from '../../../../orchestrator/audit/verify.ts';
import { createCommandKeys, createCommandRoot } from '../../../../orchestrator/ca/command-keys.ts';
import { createGroupCommit } from '../../../../orchestrator/store/group-commit.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../../orchestrator/store/store.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { insertOrganization } from '../../../fakes/store-rows.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

export const ORG = `org-${'0'.repeat(26)}`;
export const TRUST_DOMAIN = 'vms.example.org';

/** A log in a real store, and a second hand on its database that no product code guards. */
export async function startLogRig() {
  const home = await createTempHome();
  const file = home.join('store.db');
  const store = await openStore(file);
  const clock = createFakeClock();
  const sealer = createSealer(randomBytes(32));
  const keys = createCommandKeys({ store, sealer, clock });
  await insertOrganization(store.db, ORG, 'one');
  await store.transaction((tx) => createCommandRoot(tx, { organizationId: ORG, sealer, now: 0 }));
  const options = { sealer, trustDomain: TRUST_DOMAIN };

  const add = (count: number, over: Partial<AuditEntry> = {}) =>
    recordAll(
      store.db,
      Array.from({ length: count }, (_, index) => ({
        at: clock.now(),
        organizationId: ORG,
        action: 'token.create',
        actor: { type: 'user' as const, id: 'usr-1', name: 'alice' },
        address: '192.0.2.7',
        target: `tok-${index}`,
        detail: { uses: index, email: 'alice@example.org' },
        ...over,
      })),
    );
  const sealNow = (log = ORG) => store.transaction((tx) => seal(tx, log, { ...options, now: clock.now() }));

  return {
    store,
    clock,
    sealer,
    keys,
    file,
    home,
    options,
    add,
    seal: sealNow,
    /** So many events, sealed so many at a time. */
    async fill(count: number, each = count) {
      for (let done = 0; done < count; done += each) {
        await add(Math.min(each, count - done));
        for (let more = true; more; ) more = (await sealNow())?.more === true;
      }
    },
    key: () => findLogKey(store.db, sealer, ORG),
    async verify(witnesses: readonly KeptElsewhere[] = [], log = ORG) {
      return verifyLog(await logInStore(store.db, { sealer, log, witnesses }));
    },
    /** As whoever can write the file would: no key, no product code. */
    tamper(...statements: string[]) {
      const database = new DatabaseSync(file);
      try {
        for (const statement of statements) database.exec(statement);
      } finally {
        database.close();
      }
    },
    start: (over: Partial<Parameters<typeof startAudit>[0]> = {}) =>
      startAudit({
        ...options,
        store,
        commits: createGroupCommit(store),
        clock,
        random: () => 1,
        log: silentLogger,
        vouch: keys.vouch,
        sinks: [],
        keepMs: undefined,
        ...over,
      }),
    async [Symbol.asyncDispose]() {
      await store.close();
      await home.remove();
    },
  };
}
