import type { Command } from 'commander';
import { revokedCertificateSchema } from '../../protocol/rest-certificates.ts';
import { certificateArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
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

/** `vm-orchestrator ca …`: the certificate authority. */
export function register(program: Command, deps: CliDeps): void {
  const ca = program.command('ca').description('look after the certificate authority');
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
