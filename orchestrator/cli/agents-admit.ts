import type { Command } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import { QUARANTINE_REASONS } from '../../protocol/quarantine.ts';
import { agentSchema } from '../../protocol/rest-fleet.ts';
import { setState } from './agent-show.ts';
import { listAgents } from './agents-list.ts';
import { agentArgument, selectorArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, write } from './print.ts';

type AdmitFlags = ClientFlags & { selector?: string; reason?: string; yes?: true };

/** Those that are quarantined for one reason, so that nothing else is let in with them. */
async function admitMany(deps: CliDeps, flags: AdmitFlags): Promise<void> {
  const { reason } = flags;
  if (reason === undefined)
    throw new AppError('config_invalid', {
      detail: '--selector needs --reason.',
      hint: `Say for what they were put into quarantine: ${Object.keys(QUARANTINE_REASONS).join(', ')}.`,
    });
  const client = await clientFor(deps, flags);
  const agents = (await listAgents(client, flags.selector ?? 'all')).filter(
    ({ state, quarantine }) => state === 'quarantined' && quarantine?.reason === reason,
  );
  if (agents.length > 0 && !flags.yes && deps.confirm !== undefined) {
    const names = agents.slice(0, 5).map(({ vm_id }) => vm_id);
    const more = agents.length > names.length ? `, and ${agents.length - names.length} more` : '';
    if (!(await deps.confirm(`Admit ${names.join(', ')}${more}?`))) {
      deps.stderr.write('Nobody was admitted.\n');
      return deps.exitWith(1);
    }
  }
  const items: { vm_id: string; state: string }[] = [];
  for (const { agent_id } of agents) {
    const path = `/agents/${encodeURIComponent(agent_id)}`;
    const body = { state: 'active' };
    const { vm_id, state } = await client.call({ method: 'PATCH', path, body, answer: agentSchema });
    items.push({ vm_id, state });
    if (!flags.json) await write(deps.stdout, `${vm_id} is admitted\n`);
  }
  // A newer orchestrator may know other reasons.
  if (items.length === 0 && !Object.hasOwn(QUARANTINE_REASONS, reason))
    throw new AppError('config_invalid', {
      detail: `Nobody is in quarantine for ${JSON.stringify(reason)}, which is none of the known reasons.`,
      hint: `They are: ${Object.keys(QUARANTINE_REASONS).join(', ')}.`,
    });
  if (flags.json) return printJson(deps.stdout, { items });
  if (items.length === 0) await write(deps.stdout, 'No agent is in quarantine for that.\n');
}

async function admit(deps: CliDeps, id: string | undefined, flags: AdmitFlags): Promise<void> {
  if ((id === undefined) === (flags.selector === undefined))
    throw new AppError('config_invalid', {
      detail: 'Give an agent, or --selector with --reason.',
      hint: 'Which wait: vm-orchestrator overview',
    });
  if (id === undefined) return admitMany(deps, flags);
  const { selector: _none, reason: _why, ...rest } = flags;
  return setState(deps, id, 'active', rest);
}

export function registerAdmit(agents: Command, deps: CliDeps): void {
  withClientFlags(
    agents
      .command('admit')
      .description('let an agent work that is pending or in quarantine, or all that are there for one reason')
      .argument('[agent]', 'its vm_id or agent_id', agentArgument)
      .option('--selector <selector>', 'instead of one agent: which', selectorArgument)
      .option('--reason <code>', 'with --selector: those that are in quarantine for this')
      .option('--yes', 'with --selector: do not ask'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample, after a restore:\n  vm-orchestrator agents admit --selector all --reason certificate_unknown`,
    )
    .action((id: string | undefined, flags: AdmitFlags) =>
      reporting(deps, flags, () => admit(deps, id, flags)),
    );
}
