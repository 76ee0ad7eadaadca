import type { Command } from 'commander';
import { type CaStatus, caStatusSchema } from '../../protocol/rest-ca.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';

const short = (fingerprint: string): string => `${fingerprint.slice(0, 16)}…`;

const STAGES: Record<CaStatus['stage'], string> = {
  none: 'no rotation of the root is under way',
  started: 'a rotation was started: agents learn of the next root; `ca rotate --activate` lets it sign',
  activated: 'the new root signs; `ca rotate --finish` ends the trust in the former one',
};

/** What `ca show` says, and every step of a rotation after it. */
function statusText(status: CaStatus): string {
  const { roots, issuing, agents } = status;
  const rootRows = roots.map((root) => [
    root.state,
    root.fingerprint,
    timeText(root.not_after),
    String(root.days_left),
    root.key_here ? 'here' : 'away',
    String(root.agents),
  ]);
  const issuingRows = issuing.map((one) => [
    one.organization ?? '(orchestrator)',
    short(one.fingerprint),
    short(one.root),
    timeText(one.not_after),
    String(one.days_left),
    one.current ? 'yes' : 'no',
    String(one.agents),
  ]);
  const serverRows = (status.servers ?? []).map(({ kind, not_after, days_left, renews_at, late }) => [
    kind === 'own' ? 'agents' : 'browsers (--tls-cert)',
    timeText(not_after),
    String(days_left),
    late
      ? 'LATE: see the log of serve'
      : renews_at === null
        ? 'by you, and restart serve'
        : timeText(renews_at),
  ]);
  const waiting = agents.unconfirmed
    .slice(0, 20)
    .map((agent) => [
      agent.vm_id,
      agent.organization,
      agent.bundle_version === null ? 'never said' : String(agent.bundle_version),
      agent.root === null ? '-' : short(agent.root),
    ]);
  const lines = [
    `${STAGES[status.stage]}\n\n`,
    table(['ROOT', 'SHA-256', 'ENDS', 'DAYS', 'KEY', 'AGENTS'], rootRows),
    '\n',
    table(['ISSUING FOR', 'SHA-256', 'ROOT', 'ENDS', 'DAYS', 'IN USE', 'AGENTS'], issuingRows),
    ...(serverRows.length === 0 ? [] : ['\n', table(['SHOWN TO', 'ENDS', 'DAYS', 'RENEWED'], serverRows)]),
    `\n${agents.confirmed} of ${agents.live} agents keep version ${status.bundle_version} of the roots and have a certificate under the active one\n`,
  ];
  if (waiting.length > 0)
    lines.push('\n', table(['NOT YET', 'ORGANIZATION', 'KEEPS', 'CERTIFICATE UNDER'], waiting));
  const more = agents.live - agents.confirmed - waiting.length;
  if (waiting.length > 0 && more > 0) lines.push(`and ${more} more\n`);
  if (roots.some(({ state, key_here }) => state === 'backup' && key_here))
    lines.push(
      '\nThe key of the backup root is still in this store: move it to a safe place by `vm-orchestrator ca backup-key export`.\n',
    );
  return lines.join('');
}

interface RotateFlags extends ClientFlags {
  start?: true;
  activate?: true;
  finish?: true;
  abort?: true;
  issuing?: true;
  orchestrator?: true;
  backup?: true;
  force?: true;
  yes?: true;
}

const ACTIONS = ['start', 'activate', 'finish', 'abort'] as const;

const QUESTIONS: Record<(typeof ACTIONS)[number], string> = {
  start: 'Make a new root and tell all agents of it?',
  activate: 'Let the new root sign from now on? All agents get new certificates.',
  finish: 'End the trust in the former root? Provisioning tokens that pin it end with it.',
  abort: 'Give the next root up?',
};

async function agreed(deps: CliDeps, flags: RotateFlags, question: string): Promise<boolean> {
  if (flags.yes || deps.confirm === undefined || (await deps.confirm(question))) return true;
  deps.stderr.write('Nothing was changed.\n');
  deps.exitWith(1);
  return false;
}

async function rotate(deps: CliDeps, command: Command, flags: RotateFlags): Promise<void> {
  const chosen = ACTIONS.filter((action) => flags[action]);
  if (chosen.length + (flags.issuing ? 1 : 0) !== 1)
    command.error('error: give one of --start, --activate, --finish, --abort or --issuing', { exitCode: 2 });
  const client = await clientFor(deps, flags, 'all');
  const [action] = chosen;
  const ask =
    action === undefined
      ? 'Make a new issuing certificate? Its agents get new certificates.'
      : QUESTIONS[action];
  if (!(await agreed(deps, flags, ask))) return;
  const status =
    action === undefined
      ? await client.call({
          method: 'POST',
          path: '/ca/issuing',
          body: { organization: flags.orchestrator ? null : flags.org },
          answer: caStatusSchema,
        })
      : await client.call({
          method: 'POST',
          path: '/ca/rotation',
          body: { action, backup: flags.backup === true, force: flags.force === true },
          answer: caStatusSchema,
        });
  if (flags.json) return printJson(deps.stdout, status);
  await write(deps.stdout, statusText(status));
}

/** `ca show` and `ca rotate`. */
export function addRotation(ca: Command, deps: CliDeps): void {
  withClientFlags(
    ca.command('show').description('show roots, issuing certificates, and which agents trust and hold which'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags, 'all');
        const status = await client.call({ path: '/ca', answer: caStatusSchema });
        if (flags.json) return printJson(deps.stdout, status);
        await write(deps.stdout, statusText(status));
      }),
    );
  const command = withClientFlags(
    ca
      .command('rotate')
      .description('replace the root, step by step and without losing an agent, or an issuing certificate')
      .option('--start', 'make the next root; agents trust it from now on, beside the present one')
      .option('--activate', 'the next root signs from now on; agents get new certificates')
      .option('--finish', 'end the trust in the former root')
      .option('--abort', 'give the next root up, before it signs')
      .option('--issuing', 'make another issuing certificate, for the organization --org')
      .option('--orchestrator', 'with --issuing: for the orchestrator’s own certificates instead')
      .option(
        '--backup',
        'with --start: the backup root is the next one, for when the key of the root is lost',
      )
      .option('--force', 'with --finish: also when agents have not confirmed the new root')
      .option('--yes', 'do not ask'),
  );
  command
    .addHelpText(
      'after',
      `${CLIENT_HELP}

Example:
  vm-orchestrator ca rotate --start       # then wait: see \`ca show\`
  vm-orchestrator ca rotate --activate
  vm-orchestrator ca rotate --finish      # refused while an agent has not confirmed`,
    )
    .action((flags: RotateFlags) => reporting(deps, flags, () => rotate(deps, command, flags)));
}
