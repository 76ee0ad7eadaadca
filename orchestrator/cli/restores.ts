import type { Command } from 'commander';
import { type Restore, restoreListSchema, restoreSchema } from '../../protocol/rest-restores.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, timeText, write } from './print.ts';

/** What came of a restore, and how to go on. */
export function restoreText(restore: Restore): string {
  const { held, agents_quarantined: quarantined, rollouts_paused: paused } = restore;
  const todo = [
    ...(held.commands > 0
      ? [
          `${held.commands} commands of ${held.jobs.length === 50 ? '50 or more' : held.jobs.length} jobs are held: vm-orchestrator jobs release --all-held, or one by one: jobs release|cancel ${held.jobs[0]?.id ?? 'JOB'}`,
        ]
      : []),
    ...(quarantined > 0
      ? [
          `${quarantined} agents have certificates that the backup does not know: vm-orchestrator agents admit --reason certificate_unknown --selector all, when they are yours`,
        ]
      : []),
    ...(paused > 0
      ? [
          `${paused} rollouts were paused: vm-orchestrator jobs list --state paused, then jobs resume JOB or jobs cancel JOB`,
        ]
      : []),
    ...(restore.lost_results > 0
      ? [
          `${restore.lost_results} results of commands that were given after the backup are in the audit log: vm-orchestrator audit --action command.result_lost`,
        ]
      : []),
    ...(restore.witnessed_size > restore.audit_size
      ? [
          `agents have seen an audit log of ${restore.witnessed_size} events; ${restore.audit_size} of them came back`,
        ]
      : []),
    ...(restore.tokens_revoked > 0
      ? [`${restore.tokens_revoked} provisioning tokens that nobody had used ended: make new ones`]
      : []),
  ];
  const done =
    restore.acknowledged_at === null
      ? `Then: vm-orchestrator restores acknowledge ${restore.id}`
      : `Dealt with at ${timeText(restore.acknowledged_at)} by ${restore.acknowledged_by}`;
  return [
    `RESTORED at ${timeText(restore.at)} to what it was at ${timeText(restore.backup_at)} (${restore.id})`,
    ...[...todo, done].map((line) => `  ${line}`),
    '',
  ].join('\n');
}

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const found = await client.call({ path: '/restores', answer: restoreListSchema });
  if (flags.json) return printJson(deps.stdout, found);
  const text = found.items.map(restoreText).join('\n');
  await write(deps.stdout, text === '' ? 'It was never restored from a backup.\n' : text);
}

async function acknowledge(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const restore = await client.call({
    method: 'POST',
    path: `/restores/${encodeURIComponent(id)}/acknowledge`,
    answer: restoreSchema,
  });
  await (flags.json ? printJson(deps.stdout, restore) : write(deps.stdout, restoreText(restore)));
}

/** `vm-orchestrator restores`: what waits since it was put back to a backup. */
export function register(program: Command, deps: CliDeps): void {
  const restores = program
    .command('restores')
    .description('say when it was restored from a backup, and what waits for somebody since then');
  withClientFlags(
    restores.command('list', { isDefault: true }).description('list the restores, the newest first'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    restores
      .command('acknowledge')
      .description('say that a restore was dealt with; it is recorded')
      .argument('<restore>', 'its id'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => acknowledge(deps, id, flags)));
}
