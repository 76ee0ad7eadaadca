import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic-file.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Lifetimes } from '../protocol/certificate-profile.ts';
import { openAuthority } from './ca/authority.ts';
import { exportBackupKey, importBackupKey } from './ca/backup-key.ts';
import { createCommandRoot } from './ca/command-keys.ts';
import type { AdminEnvironment } from './config.ts';
import { demandData, makeDataFolder, STORE_FILE } from './data-folder.ts';
import { dataFailure } from './start-failure.ts';
import { createSealer, loadMasterKey } from './store/sealed.ts';
import { openStore } from './store/store.ts';
import {
  type AdminCredentials,
  bootstrapAdmin,
  ensureDefaults,
  type MadeCredentials,
  resetAdmin,
} from './tenancy/bootstrap.ts';
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
  lifetimes?: Lifetimes | undefined;
  clock: Clock;
  log: Logger;
}) {
  const { dataDir, trustDomain, lifetimes, clock, log } = options;
  await makeDataFolder(dataDir);
  const store = await openStore(join(dataDir, STORE_FILE)).catch((cause: unknown) => {
    throw dataFailure(dataDir, cause);
  });
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
    const authority = await openAuthority({ store, sealer, clock, log, trustDomain, lifetimes });
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
    throw dataFailure(dataDir, cause);
  }
}

export type OpenData = Awaited<ReturnType<typeof openData>>;

/** The root, where people find it for `--ca-file` and `curl --cacert` without having to trust a first download. */
export async function publishRoot(file: string, pem: string): Promise<void> {
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present !== pem) await writeFileAtomic(file, pem, { mode: 0o644 });
}

interface AdminOptions {
  dataDir: string;
  admin: AdminEnvironment;
  environment: Environment;
}
interface AdminAnswer {
  credentials: AdminCredentials & { ca_fingerprint: string };
  /** Where they came from, for the person who asked. */
  notes: string[];
}

const VARIABLES = [
  ['password', 'VM_ORCHESTRATOR_ADMIN_PASSWORD', 'password'],
  ['apiToken', 'VM_ORCHESTRATOR_API_TOKEN', 'API token'],
] as const;

function notesOn(origin: MadeCredentials['origin']): string[] {
  return VARIABLES.flatMap(([key, variable, what]) => {
    if (origin[key] === 'given') return [`the ${what} was taken from the environment (${variable})`];
    if (origin[key] === 'made') return [];
    if (origin[key] === 'ignored')
      return [
        `a new ${what} was made; the one that this shell has for client commands (${variable}) was not taken: export the new one there`,
      ];
    return [
      `the ${what} in the environment (${variable}) was the one in force: it has ended, and a new one was made; unset the variable, also where serve starts`,
    ];
  });
}

async function withAdmin(options: AdminOptions, work: typeof bootstrapAdmin): Promise<AdminAnswer> {
  const { clock, log } = options.environment;
  const { store, authority } = await openData({ dataDir: options.dataDir, clock, log });
  try {
    const { credentials, origin } = await work({ store, clock, given: options.admin });
    return {
      credentials: { ...credentials, ca_fingerprint: authority.rootFingerprint },
      notes: notesOn(origin),
    };
  } finally {
    await store.close();
  }
}

/** The first credentials, once. */
export const bootstrap = (options: AdminOptions): Promise<AdminAnswer> => withAdmin(options, bootstrapAdmin);
/** New credentials for the admin of data that is there; the old ones end. */
export async function resetCredentials(options: AdminOptions): Promise<AdminAnswer> {
  // A mistyped folder is not the beginning of another orchestrator.
  await demandData(options.dataDir);
  return withAdmin(options, resetAdmin);
}

/** Takes the backup root's key out of the data, or brings it back. */
export async function workOnBackupKey(options: {
  dataDir: string;
  action: 'export' | 'import';
  file: string;
  passphraseFile?: string | undefined;
  keep?: true | undefined;
  environment: Environment;
}): Promise<{ fingerprint: string }> {
  const { dataDir, action, file, passphraseFile, keep = false } = options;
  const { clock, log } = options.environment;
  await demandData(dataDir);
  const passphrase =
    passphraseFile === undefined ? undefined : (await readFile(passphraseFile, 'utf8')).split('\n', 1)[0];
  const { store, sealer } = await openData({ dataDir, clock, log });
  try {
    const on = { store, sealer, clock, file, passphrase };
    return action === 'export' ? await exportBackupKey({ ...on, keep }) : await importBackupKey(on);
  } finally {
    await store.close();
  }
}
