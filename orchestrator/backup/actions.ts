import { userInfo } from 'node:os';
import { readNamed } from '../config-input.ts';
import type { Environment } from '../data.ts';
import { dataFailure } from '../start-failure.ts';
import { type BackupReport, makeBackup, type OnProgress } from './backup.ts';
import { declareRestored, type RestoreReport, restoreBackup } from './restore.ts';
import { verifyBackup } from './verify.ts';

type Needed = Pick<Environment, 'clock' | 'version'>;

async function passphraseOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return (await readNamed(file, '--passphrase-file')).split('\n', 1)[0]?.trim() ?? '';
}

/** What a full or a damaged disk says is told as what it is. */
async function onDisk<T>(dataDir: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw dataFailure(dataDir, cause);
  });
}

const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
};

/** The commands of the program, as its entry calls them. */
export const backupActions = ({ clock, version }: Needed) => ({
  async backup(flags: {
    data: string;
    to: string;
    withMasterKey: boolean;
    passphraseFile: string | undefined;
    progress: OnProgress;
  }): Promise<BackupReport> {
    const { data, to, withMasterKey, passphraseFile, progress } = flags;
    const passphrase = await passphraseOf(passphraseFile);
    const masterKey =
      passphrase !== undefined
        ? ({ kind: 'sealed', passphrase } as const)
        : ({ kind: withMasterKey ? 'plain' : 'none' } as const);
    return onDisk(data, makeBackup({ dataDir: data, to, masterKey, clock, version, progress }));
  },
  async verifyBackup(flags: {
    file: string;
    masterKeyFile: string | undefined;
    passphraseFile: string | undefined;
    progress: OnProgress;
  }): Promise<BackupReport> {
    const { file, masterKeyFile, passphraseFile, progress } = flags;
    const passphrase = await passphraseOf(passphraseFile);
    const key =
      masterKeyFile === undefined && passphrase === undefined ? undefined : { masterKeyFile, passphrase };
    return verifyBackup({ file, key, progress });
  },
  async restore(flags: {
    data: string;
    from: string;
    masterKeyFile: string | undefined;
    passphraseFile: string | undefined;
    force: boolean;
    admitKnown: boolean;
    progress: OnProgress;
  }): Promise<RestoreReport> {
    const { data, passphraseFile, ...rest } = flags;
    const passphrase = await passphraseOf(passphraseFile);
    return onDisk(data, restoreBackup({ ...rest, dataDir: data, passphrase, user: userName(), clock }));
  },
  declareRestored: ({ data, admitKnown }: { data: string; admitKnown: boolean }): Promise<RestoreReport> =>
    onDisk(data, declareRestored({ dataDir: data, admitKnown, user: userName(), clock })),
});
