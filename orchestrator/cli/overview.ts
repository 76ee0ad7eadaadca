import type { Command } from 'commander';
import { type Overview, overviewSchema } from '../../protocol/rest-overview.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';
import { restoreText } from './restores.ts';

const KINDS = {
  certificate: 'certificate',
  authority: 'CA certificate',
  server_certificate: 'orchestrator',
  provisioning_token: 'provisioning token',
  api_token: 'API token',
} as const satisfies Record<Overview['expiring'][number]['kind'], string>;

/** What is sent nothing, and what ends that. */
function heldRow({ vm_id, state, quarantine, lock }: Overview['held'][number]): string[] {
  if (state === 'quarantined')
    return [vm_id, quarantine?.reason ?? state, `vm-orchestrator agents admit ${vm_id}`];
  if (state === 'pending') return [vm_id, 'not admitted yet', `vm-orchestrator agents admit ${vm_id}`];
  return [vm_id, `locked: ${lock?.reason ?? ''}`, `vm-orchestrator locks remove ${lock?.id ?? 'LOCK'}`];
}

function text({ restore, machines, held, offline, jobs, failed, expiring }: Overview): string {
  const { total, online, quarantined, pending, locked } = machines;
  const also = [
    ...(quarantined > 0 ? [`${quarantined} in quarantine`] : []),
    ...(pending > 0 ? [`${pending} waiting to be admitted`] : []),
    ...(locked > 0 ? [`${locked} locked`] : []),
  ];
  const lines = [
    `${online} of ${total} machines online${also.map((one) => `, ${one}`).join('')}`,
    `${jobs.active} jobs active, ${jobs.failed_commands} commands failed in the last 24 hours`,
  ];
  const parts = [...(restore ? [restoreText(restore)] : []), `${lines.join('\n')}\n`];
  if (held.length > 0) parts.push(table(['HELD', 'WHY', 'UNTIL SOMEBODY RUNS'], held.map(heldRow)));
  if (offline.length > 0)
    parts.push(
      table(
        ['OFFLINE', 'HOST', 'LAST SEEN'],
        offline.map(({ vm_id, hostname, last_seen_at }) => [
          vm_id,
          hostname,
          last_seen_at === null ? 'never' : timeText(last_seen_at),
        ]),
      ),
    );
  if (failed.length > 0)
    parts.push(
      table(
        ['FAILED', 'STATE', 'MACHINES', 'WHAT'],
        failed.map(({ job, state, machines: count }) => [
          job.id,
          state,
          `${count}`,
          job.description || String(job.arguments['command'] ?? job.tool),
        ]),
      ),
    );
  if (expiring.length > 0)
    parts.push(
      table(
        ['EXPIRES', 'KIND', 'NAME', 'ID'],
        expiring.map(({ kind, id, name, at }) => [timeText(at), KINDS[kind], name, id]),
      ),
    );
  return parts.join('\n');
}

/** `vm-orchestrator overview`: what the dashboard's first page says. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program.command('overview').description('say what is offline, what failed lately and what expires soon'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        const overview = await client.call({ path: '/overview', answer: overviewSchema });
        if (flags.json) return printJson(deps.stdout, overview);
        await write(deps.stdout, text(overview));
      }),
    );
}
