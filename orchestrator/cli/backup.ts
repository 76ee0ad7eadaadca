import type { Command } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import {
  type BackupReport,
  type CliDeps,
  DEFAULT_DATA,
  type RestoreReport,
  type ShowProgress,
} from './deps.ts';
import { printJson, timeText, write } from './print.ts';
import { createProgress } from './progress.ts';

interface JsonFlag {
  json?: true;
}
type BackupFlags = JsonFlag & { data: string; to: string; withMasterKey?: true; passphraseFile?: string };
type RestoreFlags = JsonFlag & {
  data: string;
  from?: string;
  inPlace?: true;
  masterKey?: string;
  passphraseFile?: string;
  force?: true;
  admitKnownAgents?: true;
  yes?: true;
};

const PHASES = { store: 'copying the store', files: 'adding output and recordings', verify: 'verifying' };
const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MB`;

/** Runs with one line of progress on a terminal. */
async function showing<T>(
  deps: CliDeps,
  flags: JsonFlag,
  work: (show: ShowProgress) => Promise<T>,
): Promise<T> {
  const progress = createProgress(deps.stderr, flags.json !== true);
  try {
    return await work((phase, done, total) =>
      progress.show(`${PHASES[phase]} … ${total === 0 ? 100 : Math.floor((done / total) * 100)} %`),
    );
  } finally {
    progress.clear();
  }
}

const KEY_TEXT = {
  none: 'not in it: keep a copy of master.key somewhere else, without it this backup opens nothing',
  plain: 'in it, as it is: whoever has this file has the CA',
  sealed: 'in it, sealed with the passphrase',
} as const;

const reportText = ({ file, bytes, manifest }: BackupReport): string =>
  [
    file,
    `  made        ${timeText(manifest.made_at)} by version ${manifest.program_version}`,
    `  holds       ${manifest.organizations} organizations, ${manifest.agents} agents; ${manifest.files} files, ${megabytes(bytes)}`,
    `  CA          ${manifest.ca_fingerprint}`,
    `  master key  ${KEY_TEXT[manifest.master_key]}`,
    '',
  ].join('\n');

async function backup(deps: CliDeps, flags: BackupFlags): Promise<void> {
  if (flags.withMasterKey && flags.passphraseFile !== undefined)
    throw new AppError('config_invalid', {
      detail: '--with-master-key and --passphrase-file exclude each other.',
      hint: 'Give --passphrase-file alone: the key is then in the backup, sealed.',
    });
  const report = await showing(deps, flags, async (progress) =>
    (await deps.server.backups()).backup({
      data: flags.data,
      to: flags.to,
      withMasterKey: flags.withMasterKey === true,
      passphraseFile: flags.passphraseFile,
      progress,
    }),
  );
  await (flags.json ? printJson(deps.stdout, report) : write(deps.stdout, reportText(report)));
}

type VerifyFlags = JsonFlag & { masterKey?: string; passphraseFile?: string };

async function verify(deps: CliDeps, file: string, flags: VerifyFlags): Promise<void> {
  if (flags.masterKey !== undefined && flags.passphraseFile !== undefined)
    throw new AppError('config_invalid', {
      detail: '--master-key and --passphrase-file exclude each other.',
      hint: 'Give the one with which you would restore it.',
    });
  const report = await showing(deps, flags, async (progress) =>
    (await deps.server.backups()).verifyBackup({
      file,
      masterKeyFile: flags.masterKey,
      passphraseFile: flags.passphraseFile,
      progress,
    }),
  );
  if (flags.json) return printJson(deps.stdout, report);
  const opens = report.opens === true ? ', and the CA opens with this key' : '';
  await write(deps.stdout, `whole: every byte is as it was written${opens}\n${reportText(report)}`);
}

function restoreText({ data, moved_aside: moved, backup_at: at, ...report }: RestoreReport): string {
  const lines = [
    `${data} is as it was at ${timeText(at)}; a new epoch begins with the next start of serve.`,
    ...(moved === null
      ? []
      : [`  What was there before is in ${moved}: it holds keys, delete it when it is not needed.`]),
    ...report.organizations.map(
      (one) =>
        `  ${one.organization}: ${one.commands_held} commands held, ${one.rollouts_paused} rollouts paused, ${one.tokens_revoked} provisioning tokens ended, ${one.occurrences_skipped} schedules skipped`,
    ),
    `  ${report.sessions_ended} people must sign in again.`,
    '',
    'Next: start serve, then look at `vm-orchestrator overview`. It says what is held and which',
    'agents the backup does not know. What was revoked, locked or disabled since the backup is',
    'in force again only when you do it again.',
    '',
  ];
  return lines.join('\n');
}

async function restore(deps: CliDeps, flags: RestoreFlags): Promise<void> {
  const wrong = (detail: string, hint: string) => new AppError('config_invalid', { detail, hint });
  if ((flags.from === undefined) === (flags.inPlace === undefined))
    throw wrong(
      'Give --from FILE or --in-place, one of the two.',
      '--in-place declares data that was copied back by hand.',
    );
  if (flags.masterKey !== undefined && flags.passphraseFile !== undefined)
    throw wrong('--master-key and --passphrase-file exclude each other.', 'Give the one that you have.');
  const common = { data: flags.data, admitKnown: flags.admitKnownAgents === true };
  if (flags.from === undefined && !flags.yes && deps.confirm !== undefined) {
    const question = `Was ${flags.data} put back to an earlier state? Then what waits is held, and unused provisioning tokens end.`;
    if (!(await deps.confirm(question))) {
      deps.stderr.write('Nothing was changed.\n');
      return deps.exitWith(1);
    }
  }
  const { from } = flags;
  const report =
    from === undefined
      ? await (await deps.server.backups()).declareRestored(common)
      : await showing(deps, flags, async (progress) =>
          (await deps.server.backups()).restore({
            ...common,
            from,
            masterKeyFile: flags.masterKey,
            passphraseFile: flags.passphraseFile,
            force: flags.force === true,
            progress,
          }),
        );
  await (flags.json ? printJson(deps.stdout, report) : write(deps.stdout, restoreText(report)));
}

/** `vm-orchestrator backup` and `restore`: for whoever holds the machine. */
export function register(program: Command, deps: CliDeps): void {
  const command = program
    .command('backup')
    .description('back up the data of serve into one file, also while it runs')
    .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
    .option('--to <path>', 'file to make, or a folder in which it is named by its time', '.')
    .option(
      '--passphrase-file <file>',
      'put the master key in as well, sealed with the first line of this file',
    )
    .option('--with-master-key', 'put the master key in as it is: whoever has the file has the CA')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Without one of the two the master key is not in it: keep a copy of master.key apart.
The file gets its name when all of it is on disk and was read back; it replaces none.

Example:
  vm-orchestrator backup --data /var/lib/vm-orchestrator --to /backup/`,
    )
    .action((flags: BackupFlags) => backup(deps, flags));
  command
    .command('verify')
    .description('read a backup from its first byte to its last, and compare it with its manifest')
    .argument('<file>', 'the backup')
    .option('--passphrase-file <file>', 'try whether it opens the master key in the backup, and that the CA')
    .option('--master-key <file>', 'try whether this master.key opens the CA in the backup')
    .option('--json', 'print the report as JSON')
    .action((file: string, flags: VerifyFlags) => verify(deps, file, { ...command.opts(), ...flags }));
  program
    .command('restore')
    .description('put a backup back; the orchestrator begins a new epoch with it')
    .option('--data <dir>', 'where serve will look for it', DEFAULT_DATA)
    .option('--from <file>', 'the backup')
    .option('--in-place', 'the data was copied back by other means: only begin the new epoch')
    .option('--master-key <file>', 'the master.key that was kept apart from the backup')
    .option('--passphrase-file <file>', 'opens the master key that is sealed in the backup')
    .option('--force', 'data that is there is moved aside, and its master.key used if the backup has none')
    .option(
      '--admit-known-agents',
      'agents that the backup knows go on with certificates that they got after it',
    )
    .option('--yes', 'do not ask')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Stop serve first. A machine that enrolled after the backup, or renewed its certificate
since, is quarantined until it is admitted (vm-orchestrator agents admit); commands that
waited are held until somebody releases or cancels them (vm-orchestrator jobs release).

Example:
  vm-orchestrator restore --from /backup/vm-orchestrator-20260101T030000Z.tar \\
    --data /var/lib/vm-orchestrator --master-key /safe/master.key`,
    )
    .action((flags: RestoreFlags) => restore(deps, flags));
}
