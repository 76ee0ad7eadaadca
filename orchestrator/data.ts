import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic-file.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { openAuthority } from './ca/authority.ts';
import { createCommandRoot } from './ca/command-keys.ts';
import type { AdminEnvironment } from './config.ts';
import { createSealer, loadMasterKey } from './store/sealed.ts';
import { openStore } from './store/store.ts';
import { type AdminCredentials, bootstrapAdmin, ensureDefaults, resetAdmin } from './tenancy/bootstrap.ts';
import { createOrganizations } from './tenancy/organizations.ts';

/** What the program is given by its entry. */
export interface Environment {
  clock: Clock;
  random: Random;
  log: Logger;
  version: string;
  /** The folder that `npm run build` makes. */
  dist: string;
}

/** What every command of the program begins with: the store, the CA and the organization `default`. */
export async function openData(options: {
  dataDir: string;
  trustDomain?: string | undefined;
  clock: Clock;
  log: Logger;
}) {
  const { dataDir, clock, log } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const store = await openStore(join(dataDir, 'orchestrator.db'));
  try {
    const sealedBefore = await store.db
      .selectFrom('certificate_authorities')
      .select('id')
      .limit(1)
      .executeTakeFirst();
    const masterKey = await loadMasterKey(join(dataDir, 'master.key'), {
      mayCreate: sealedBefore === undefined,
    });
    const sealer = createSealer(masterKey);
    const authority = await openAuthority({ store, sealer, clock, log, trustDomain: options.trustDomain });
    const organizations = createOrganizations({
      store,
      clock,
      prepare: [
        authority.prepareOrganization,
        async (organizationId) => (tx) => createCommandRoot(tx, { organizationId, sealer, now: clock.now() }),
      ],
    });
    await ensureDefaults({ clock, organizations });
    await publishRoot(join(dataDir, 'ca.crt'), authority.root);
    return { store, sealer, authority, organizations };
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/** The root, where people find it for `--ca-file` and `curl --cacert` without having to trust a first download. */
async function publishRoot(file: string, pem: string): Promise<void> {
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present !== pem) await writeFileAtomic(file, pem, { mode: 0o644 });
}

interface AdminOptions {
  dataDir: string;
  admin: AdminEnvironment;
  environment: Environment;
}
type Bootstrap = AdminCredentials & { ca_fingerprint: string };

async function withAdmin(options: AdminOptions, work: typeof bootstrapAdmin): Promise<Bootstrap> {
  const { clock, log } = options.environment;
  const { store, authority } = await openData({ dataDir: options.dataDir, clock, log });
  try {
    const credentials = await work({ store, clock, given: options.admin });
    return { ...credentials, ca_fingerprint: authority.rootFingerprint };
  } finally {
    await store.close();
  }
}

/** The first credentials, once. */
export const bootstrap = (options: AdminOptions): Promise<Bootstrap> => withAdmin(options, bootstrapAdmin);
/** New credentials; the old ones end. */
export const resetCredentials = (options: AdminOptions): Promise<Bootstrap> => withAdmin(options, resetAdmin);
