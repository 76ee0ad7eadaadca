import type { Clock } from '../../base/clock.ts';
import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { commandIdSchema, type OrganizationId, type TerminalId } from '../../protocol/ids.ts';
import type { Agent } from '../../protocol/rest-fleet.ts';
import {
  TERMINAL_FEATURE,
  TERMINAL_TOOL,
  type TerminalArguments,
  type TerminalSize,
  terminalArgumentsSchema,
} from '../../protocol/terminal.ts';
import type { CommandKeys, CommandSigner } from '../ca/command-keys.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Submit, SubmitRequest } from '../jobs/submit.ts';
import type { Locks } from '../locks/locks.ts';
import type { Store } from '../store/store.ts';
import type { Agents } from '../tenancy/agents.ts';
import { InputLine } from './input-line.ts';
import { LiveTerminal, type TerminalClient, type TerminalFacts } from './live-terminal.ts';
import type { Recorder, RecordingFiles } from './recording-files.ts';
import { insertTerminal } from './terminal-rows.ts';

/** Terminals that one person, and all together, may have open. */
const MAX_OPEN_EACH = 8;
const MAX_OPEN = 200;
/** An agent that is connected starts it at once, or not at all (seconds). */
const MUST_START_S = 60;

/** Who sits down. */
export interface Opener {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
  /** Aborted when these credentials allow it no more, and when `until` is. */
  watch(until: AbortSignal): AbortSignal;
}

export interface OpenRequest extends TerminalSize {
  /** agent_id or vm_id */
  agent: string;
  term?: string | undefined;
  command?: string | undefined;
}

export function createOpenTerminal(options: {
  store: Store;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  agents: Pick<Agents, 'get'>;
  locks: Pick<Locks, 'refuse'>;
  jobs: { submit: Submit };
  clock: Clock;
  files: RecordingFiles;
  live: Map<string, LiveTerminal>;
  newTerminalId(): TerminalId;
  maxSeconds: number;
  sessionOf(agentId: string): AgentSession | undefined;
  onFailure(terminal: LiveTerminal, cause: unknown): void;
}): (who: Opener, request: OpenRequest, client: TerminalClient) => Promise<LiveTerminal> {
  const { store, keys, agents, locks, jobs, clock, files, live, sessionOf } = options;

  /** @throws AppError when this agent can open no terminal now. */
  async function reachable(who: Opener, id: string): Promise<Agent> {
    const agent = await agents.get(who.organizationId, id);
    if (agent.state !== 'active')
      throw new AppError('conflict', {
        detail: `${agent.vm_id} is ${agent.state}: no terminal can be opened.`,
      });
    if (sessionOf(agent.agent_id)?.isOnline !== true)
      throw new AppError('unavailable', {
        detail: `${agent.vm_id} is not connected.`,
        hint: 'A terminal needs its agent; try again when it is online.',
      });
    const row = await store.db
      .selectFrom('agents')
      .select('features')
      .where('organization_id', '=', who.organizationId)
      .where('id', '=', agent.agent_id)
      .executeTakeFirstOrThrow();
    if (!(JSON.parse(row.features) as string[]).includes(TERMINAL_FEATURE))
      throw new AppError('unsupported', {
        detail: `The agent of ${agent.vm_id} (version ${agent.version ?? 'unknown'}) knows no terminals.`,
        hint: 'Bring it to this orchestrator’s version: vm-orchestrator upgrade.',
      });
    if (!agent.tools.includes(TERMINAL_TOOL))
      throw new AppError('tool_disabled', {
        detail: `Terminals are switched off on ${agent.vm_id}.`,
        hint: 'Its owner decides: tools.shell_executor.enabled in agent_config.yaml.',
      });
    // A command could wait for the end of a lock; nobody sits and waits.
    await locks.refuse(who.organizationId, {
      actor: who.actor,
      tool: TERMINAL_TOOL,
      agentId: agent.agent_id,
    });
    return agent;
  }

  function limit(who: Opener): void {
    const own = [...live.values()].filter(({ facts }) => facts.actor.id === who.actor.id).length;
    if (own < MAX_OPEN_EACH && live.size < MAX_OPEN) return;
    throw new AppError('conflict', {
      detail:
        own >= MAX_OPEN_EACH
          ? `You have ${own} terminals open, which is as many as one may.`
          : 'As many terminals are open as this orchestrator serves.',
      hint: 'Close one that is not needed.',
    });
  }

  return async (who, request, client) => {
    limit(who);
    const agent = await reachable(who, request.agent);
    const id = options.newTerminalId();
    const { organizationId, actor, address } = who;
    const args = terminalArgumentsSchema.parse({
      rows: request.rows,
      cols: request.cols,
      ...(request.term === undefined ? {} : { term: request.term }),
      ...(request.command === undefined ? {} : { command: request.command }),
    });
    const signer = await keys.prepareSigner(organizationId);
    const title = `${agent.vm_id} (${actor.name})`;
    const recorder = await files
      .record({ organizationId, id }, { rows: args.rows, cols: args.cols, title, term: args.term })
      .catch((cause: unknown) => {
        throw new AppError('unavailable', {
          detail: 'The terminal cannot be recorded, so it is not opened.',
          hint: 'The orchestrator’s log says why; its disk may be full.',
          cause,
        });
      });
    let terminal: LiveTerminal | undefined;
    try {
      await jobs.submit({
        organizationId,
        actor,
        address,
        idempotencyKey: undefined,
        body: bodyOf(agent, args, options.maxSeconds),
        async along(tx, { jobId, commands }) {
          const [command] = commands;
          if (command === undefined) throw new Error('the terminal has no command');
          const facts: TerminalFacts = {
            organizationId,
            id,
            commandId: commandIdSchema.parse(command.id),
            jobId,
            agentId: agent.agent_id,
            vmId: agent.vm_id,
            actor,
            address,
            command: args.command ?? null,
            openedAtMs: clock.now(),
          };
          await insertTerminal(tx, facts);
          terminal = make(facts, args, recorder, signer);
          if (command.state === 'awaiting_approval') terminal.awaitsApproval = true;
          // Before its command leaves: what the agent says of it finds it here.
          live.set(facts.commandId, terminal);
        },
      });
      if (terminal === undefined) throw new Error('the terminal was not made');
    } catch (cause) {
      if (terminal !== undefined) live.delete(terminal.facts.commandId);
      await recorder.close();
      await files.remove(organizationId, id);
      throw cause;
    }
    if (!terminal.ended) terminal.attach(client, 0);
    return terminal;
  };

  function make(
    facts: TerminalFacts,
    size: TerminalSize,
    recorder: Recorder,
    signer: CommandSigner,
  ): LiveTerminal {
    const { organizationId, agentId, commandId } = facts;
    const terminal: LiveTerminal = new LiveTerminal({
      facts,
      size: { rows: size.rows, cols: size.cols },
      recorder,
      input: new InputLine({
        organizationId,
        agentId,
        commandId,
        now: () => clock.now(),
        session: () => sessionOf(agentId),
        signer,
      }),
      onFailure: (cause) => options.onFailure(terminal, cause),
    });
    return terminal;
  }
}

const bodyOf = (agent: Agent, args: TerminalArguments, seconds: number): SubmitRequest['body'] => ({
  selector: `id=${agent.agent_id}`,
  tool: TERMINAL_TOOL,
  arguments: args,
  timeout: seconds,
  expires_in: MUST_START_S,
  description: 'Terminal',
});
