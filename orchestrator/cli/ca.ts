import type { Command } from 'commander';
import { revokedCertificateSchema } from '../../protocol/rest-certificates.ts';
import { certificateArgument } from './arguments.ts';
import { addRotation } from './ca-rotate.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import { type BackupKeyFlags, type CliDeps, DEFAULT_DATA, logLevelOption } from './deps.ts';
import { printJson, write } from './print.ts';

interface RevokeFlags extends ClientFlags {
  reason?: string;
  yes?: true;
}

async function revokeCertificate(deps: CliDeps, id: string, flags: RevokeFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  if (!flags.yes && deps.confirm !== undefined) {
    const question = `Revoke the certificate ${id}? What is connected with it is cut, and its key gets no other one.`;
    if (!(await deps.confirm(question))) {
      deps.stderr.write('Nothing was revoked.\n');
      return deps.exitWith(1);
    }
  }
  const revoked = await client.call({
    method: 'POST',
    path: `/certificates/${encodeURIComponent(id)}/revoke`,
    body: flags.reason === undefined ? {} : { reason: flags.reason },
    answer: revokedCertificateSchema,
  });
  if (flags.json) return printJson(deps.stdout, revoked);
  const said = revoked.already ? 'was revoked already' : 'is revoked';
  await write(deps.stdout, `the certificate ${revoked.serial} of ${revoked.vm_id} ${said}\n`);
}

/** Work on the data itself: a private key goes over no connection. */
function addBackupKey(ca: Command, deps: CliDeps): void {
  const backup = ca
    .command('backup-key')
    .description('keep the key of the backup root elsewhere, or bring it back (on the machine itself)');
  const act =
    (action: BackupKeyFlags['action'], said: string) =>
    async (flags: Omit<BackupKeyFlags, 'action'> & { json?: true }) => {
      const { fingerprint } = await deps.server.backupKey({ ...flags, action });
      const { file } = flags;
      if (action === 'export' && flags.passphraseFile === undefined)
        deps.stderr.write(
          `vm-orchestrator: the key in ${file} is not encrypted: whoever has the file has the backup root (--passphrase-file)\n`,
        );
      const kept = action === 'export' && flags.keep === true;
      if (flags.json)
        return printJson(deps.stdout, { fingerprint, file, in_store: action === 'import' || kept });
      await write(
        deps.stdout,
        `the key of the backup root ${fingerprint.slice(0, 16)}… ${kept ? 'is in the file and in the store' : said}\n`,
      );
    };
  const common = (command: Command, what: string) =>
    command
      .requiredOption('--file <file>', what)
      .option('--data <dir>', 'the data of serve', DEFAULT_DATA)
      .option('--passphrase-file <file>', 'its first line encrypts the key in the file')
      .option('--json', 'print JSON')
      .addOption(logLevelOption('warn'));
  common(
    backup.command('export').description('write the key to a new file and take it out of the store'),
    'a new file, best on a medium that is kept elsewhere',
  )
    .option('--keep', 'leave it in the store as well')
    .action(act('export', 'is in the file alone: keep it where this machine is not'));
  common(
    backup.command('import').description('bring the key back, to rotate to the backup root'),
    'the file that export wrote',
  ).action(act('import', 'is in the store again'));
}

/** `vm-orchestrator ca …`: the certificate authority. */
export function register(program: Command, deps: CliDeps): void {
  const ca = program.command('ca').description('look after the certificate authority');
  addRotation(ca, deps);
  addBackupKey(ca, deps);
  withClientFlags(
    ca
      .command('revoke-certificate')
      .description('end one certificate of an agent, by its fingerprint or serial number')
      .argument('<certificate>', 'SHA-256 fingerprint or serial number, in hex', certificateArgument)
      .option('--reason <text>', 'kept with it, and in the audit log')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: RevokeFlags) =>
      reporting(deps, flags, () => revokeCertificate(deps, id, flags)),
    );
}
