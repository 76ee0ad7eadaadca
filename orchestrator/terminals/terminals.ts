import { join } from 'node:path';
import { type Clock, every, isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { newId } from '../../base/random.ts';
import type { Actor, CommandResult } from '../../protocol/command.ts';
import { isFinal } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { type OrganizationId, type TerminalId, terminalIdSchema } from '../../protocol/ids.ts';
import type { LiveTerminalInfo } from '../../protocol/rest-terminals.ts';
import { TERMINAL_TOOL } from '../../protocol/terminal.ts';
import type { CommandKeys } from '../ca/command-keys.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import type { HubOptions } from '../hub/hub.ts';
import type { Cancel } from '../jobs/cancel.ts';
import { readCommand } from '../jobs/read.ts';
import type { Submit } from '../jobs/submit.ts';
import type { Locks } from '../locks/locks.ts';
import type { Store } from '../store/store.ts';
import type { Agents } from '../tenancy/agents.ts';
import { ended, endOf } from './end.ts';
import type { LiveTerminal, TerminalClient, TerminalEnd } from './live-terminal.ts';
import { createOpenTerminal, type Opener, type OpenRequest } from './open.ts';
import { createRecordingFiles } from './recording-files.ts';
import { createRecordings, type Recordings } from './recordings.ts';
import { actorOf, endTerminal } from './terminal-rows.ts';

/** How often it is looked whether terminals still have their agents and their people. */
const SWEEP_MS = 2000;
/** Nobody came back, or the agent was away, for this long. */
const ABANDONED_MS = 5 * 60_000;
const OFFLINE_MS = 2 * 60_000;
/** Commands of terminals that have ended, whose last output may still come. */
const MAX_REMEMBERED = 1000;
/** A terminal is open for this long at most (seconds). */
export const MAX_TERMINAL_S = 8 * 3600;

export interface TerminalsOptions {
  store: Store;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  agents: Pick<Agents, 'get'>;
  locks: Pick<Locks, 'refuse' | 'watch'>;
  jobs: { submit: Submit; cancel: Cancel; traffic: HubOptions['traffic'] };
  bus: Bus;
  clock: Clock;
  log: Logger;
  /** Folder of the data; recordings have one in it. */
  dataDir: string;
  sessionOf(agentId: string): AgentSession | undefined;
}

export interface Terminals {
  /** What the hub hands its frames to: a terminal's stay here, the rest goes to the jobs. */
  traffic: HubOptions['traffic'];
  recordings: Recordings;
  /** @throws AppError `not_found`, `unavailable`, `unsupported`, `conflict`. */
  open(who: Opener, request: OpenRequest, client: TerminalClient): Promise<LiveTerminal>;
  /** Sits down again at one's own. @throws AppError `not_found` */
  attach(who: Opener, id: TerminalId, client: TerminalClient, offset: number | undefined): LiveTerminal;
  list(organizationId: OrganizationId, actor: Actor): LiveTerminalInfo[];
  /** Ends one; one's own, or any for who `rules` the organization. @throws AppError `not_found` */
  close(who: { organizationId: OrganizationId; actor: Actor; rules: boolean }, id: TerminalId): Promise<void>;
  /** Ends what an earlier process left open: nothing of a terminal goes unrecorded. */
  recover(): Promise<void>;
  stop(): Promise<void>;
}

export function createTerminals(options: TerminalsOptions): Terminals {
  const { store, jobs, locks, bus, clock, log, sessionOf } = options;
  const files = createRecordingFiles({ folder: join(options.dataDir, 'recordings'), clock });
  const recordings = createRecordings({ store, files, clock, log });
  /** By command. */
  const live = new Map<string, LiveTerminal>();
  const gone = new Map<string, LiveTerminal>();
  const endings = new Set<Promise<void>>();
  /** Ends the watch over who sits at a terminal. */
  const watches = new Map<LiveTerminal, AbortController>();

  const newTerminalId = (): TerminalId => terminalIdSchema.parse(newId('trm', clock));
  const openTerminal = createOpenTerminal({
    ...options,
    files,
    live,
    newTerminalId,
    maxSeconds: MAX_TERMINAL_S,
    onFailure: (terminal, cause) => {
      log.error({ err: cause, terminal: terminal.facts.id }, 'a terminal cannot be recorded');
      stopIt(terminal, 'recording_failed');
    },
  });

  const ofAgent = (agentId: string) => [...live.values()].filter(({ facts }) => facts.agentId === agentId);
  const find = (organizationId: OrganizationId, id: string): LiveTerminal => {
    for (const terminal of live.values())
      if (terminal.facts.id === id && terminal.facts.organizationId === organizationId) return terminal;
    throw new AppError('not_found', { detail: `There is no open terminal ${id} here.` });
  };

  /** The end of a terminal as people see it; its command may need another moment. */
  function finish(terminal: LiveTerminal, end: TerminalEnd): void {
    const { facts, recorder } = terminal;
    if (terminal.ended) return;
    terminal.end(end);
    watches.get(terminal)?.abort();
    watches.delete(terminal);
    live.delete(facts.commandId);
    gone.set(facts.commandId, terminal);
    for (const id of gone.keys()) if (gone.size > MAX_REMEMBERED) gone.delete(id);
    const ending = recorder
      .close()
      .catch((cause: unknown) => log.error({ err: cause, terminal: facts.id }, 'a recording is not complete'))
      .then(() =>
        store.transaction((tx) =>
          endTerminal(
            tx,
            {
              organization_id: facts.organizationId,
              id: facts.id,
              agent_id: facts.agentId,
              vm_id: facts.vmId,
              opened_at: facts.openedAtMs,
            },
            {
              ...end,
              at: clock.now(),
              size: recorder.size,
              typedBytes: terminal.typedBytes,
              actor: facts.actor,
              address: facts.address,
            },
          ),
        ),
      )
      .catch((cause: unknown) =>
        log.error({ err: cause, terminal: facts.id }, 'the end of a terminal is not stored'),
      )
      .finally(() => endings.delete(ending));
    endings.add(ending);
  }

  /** Ends it from here: for its people at once, on the machine as soon as the agent hears of it. */
  function stopIt(terminal: LiveTerminal, reason: TerminalEnd['reason'], said?: string): void {
    const { organizationId, jobId, actor, address } = terminal.facts;
    const end = ended(reason);
    finish(terminal, said === undefined ? end : { ...end, message: `${end.message} ${said}` });
    const cancelled = jobs
      .cancel({ organizationId, jobId, actor, address })
      .then(
        () => undefined,
        (cause: unknown) => {
          if (!(cause instanceof AppError))
            log.error({ err: cause, job_id: jobId }, 'a terminal could not be ended');
        },
      )
      .finally(() => endings.delete(cancelled));
    endings.add(cancelled);
  }

  /**
   * From now on it ends with the rights of this person, and with a lock on what it is; each attachment brings its own
   * credentials.
   */
  function watchOver(terminal: LiveTerminal, who: Opener): void {
    watches.get(terminal)?.abort();
    if (terminal.ended) return;
    const { organizationId, agentId } = terminal.facts;
    const until = new AbortController();
    watches.set(terminal, until);
    const over = AbortSignal.any([
      who.watch(until.signal),
      locks.watch(organizationId, { tool: TERMINAL_TOOL, agentId }, until.signal),
    ]);
    over.addEventListener('abort', () => {
      if (until.signal.aborted) return;
      const { reason } = over;
      if (reason instanceof AppError && reason.code === 'locked') stopIt(terminal, 'locked', reason.message);
      else stopIt(terminal, 'access_ended');
    });
  }

  function finishBy(terminal: LiveTerminal, outcome: Parameters<typeof endOf>[0]): void {
    const limitReached = clock.now() - terminal.facts.openedAtMs >= (MAX_TERMINAL_S - 5) * 1000;
    finish(terminal, endOf(outcome, { limitReached, waited: terminal.awaitsApproval }));
  }

  /** Its command may have ended without a result of the agent's: refused, expired, lost, revoked. */
  async function lookAfter(terminal: LiveTerminal): Promise<void> {
    const { organizationId, commandId } = terminal.facts;
    const command = await readCommand(store.db, organizationId, commandId);
    if (isFinal(command.state)) {
      const { result, state, reason } = command;
      finishBy(terminal, { ...result, ...(reason === null ? {} : { reason }), state });
    }
  }

  const unsubscribe = bus.subscribe((hint) => {
    if (hint.topic === 'revoked')
      for (const terminal of ofAgent(hint.agent_id)) finish(terminal, ended('agent_revoked'));
    if (hint.topic !== 'job') return;
    for (const terminal of live.values())
      if (terminal.facts.jobId === hint.job_id)
        lookAfter(terminal).catch((cause: unknown) =>
          log.error({ err: cause }, 'a terminal cannot be looked after'),
        );
  });

  async function inspect(terminal: LiveTerminal): Promise<void> {
    const now = clock.monotonic();
    const { agentId, organizationId } = terminal.facts;
    terminal.link(sessionOf(agentId)?.isOnline === true, now);
    terminal.input.useSigner(await options.keys.prepareSigner(organizationId));
    const since = (at: number | undefined, ms: number) => at !== undefined && now - at >= ms;
    if (terminal.recorder.full) stopIt(terminal, 'recording_full');
    else if (since(terminal.offlineSince, OFFLINE_MS)) stopIt(terminal, 'agent_offline');
    else if (since(terminal.abandonedSince, ABANDONED_MS)) stopIt(terminal, 'abandoned');
  }
  const sweep = every(clock, SWEEP_MS, () => {
    for (const terminal of live.values())
      inspect(terminal).catch((cause: unknown) => {
        log.error({ err: cause, terminal: terminal.facts.id }, 'a terminal cannot be inspected');
      });
  });

  const known = (session: AgentSession, commandId: string): LiveTerminal | undefined => {
    const terminal = live.get(commandId) ?? gone.get(commandId);
    return terminal?.facts.agentId === session.agent.agentId ? terminal : undefined;
  };

  const traffic: HubOptions['traffic'] = {
    async opened(session, hello, resumed) {
      for (const terminal of ofAgent(session.agent.agentId)) {
        terminal.link(true, clock.monotonic());
        if (!resumed && hello.in_flight.some(({ id }) => id === terminal.facts.commandId))
          terminal.input.again();
      }
      await jobs.traffic.opened(session, hello, resumed);
    },
    freed(session, frames) {
      for (const terminal of ofAgent(session.agent.agentId)) terminal.input.freed(frames);
      jobs.traffic.freed(session, frames);
    },
    async state(session, message) {
      const terminal = known(session, message.command_id);
      if (message.state === 'running') terminal?.started();
      await jobs.traffic.state(session, message);
    },
    async output(session, frame) {
      const terminal = known(session, frame.command_id);
      if (terminal === undefined) return jobs.traffic.output(session, frame);
      terminal.output(session, frame);
      if (!terminal.ended && terminal.recorder.full) stopIt(terminal, 'recording_full');
    },
    async result(session, message) {
      const terminal = known(session, message.command_id);
      if (terminal === undefined) return jobs.traffic.result(session, message);
      // The recording has the output; the job has none of its own.
      const { stdout, stderr: _none, ...result } = message.result;
      await terminal.complete(stdout?.size ?? 0);
      finishBy(terminal, result satisfies CommandResult);
      await jobs.traffic.result(session, { ...message, result });
    },
  };

  return {
    traffic,
    recordings,
    async open(who, request, client) {
      const terminal = await openTerminal(who, request, client);
      watchOver(terminal, who);
      return terminal;
    },
    attach(who, id, client, offset) {
      const terminal = find(who.organizationId, id);
      // Another person's terminal does not exist for this one.
      if (terminal.facts.actor.id !== who.actor.id)
        throw new AppError('not_found', { detail: `There is no open terminal ${id} here.` });
      watchOver(terminal, who);
      terminal.attach(client, offset);
      return terminal;
    },
    list: (organizationId, actor) =>
      [...live.values()]
        .filter(({ facts }) => facts.organizationId === organizationId)
        .map(({ facts, attached }) => ({
          id: facts.id,
          agent_id: facts.agentId,
          vm_id: facts.vmId,
          actor: facts.actor,
          opened_at: isoTime(facts.openedAtMs),
          mine: facts.actor.id === actor.id,
          attached,
        })),
    async close({ organizationId, actor, rules }, id) {
      const terminal = find(organizationId, id);
      if (!rules && terminal.facts.actor.id !== actor.id)
        throw new AppError('forbidden', {
          detail: 'Only who opened a terminal, or an admin of the organization, can end it.',
        });
      stopIt(terminal, 'closed');
    },
    async recover() {
      const rows = await store.db.selectFrom('terminals').selectAll().where('ended_at', 'is', null).execute();
      for (const row of rows) {
        const size = await files.size(row.organization_id, row.id);
        const whose = { actor: actorOf(row), address: row.address };
        await store.transaction((tx) =>
          endTerminal(tx, row, {
            ...ended('orchestrator_stopped'),
            ...whose,
            at: clock.now(),
            size,
            typedBytes: null,
          }),
        );
        await jobs
          .cancel({
            organizationId: row.organization_id as OrganizationId,
            jobId: row.job_id as never,
            ...whose,
          })
          .catch((cause: unknown) => {
            if (!(cause instanceof AppError)) throw cause;
          });
      }
    },
    async stop() {
      unsubscribe();
      sweep.cancel();
      recordings.close();
      for (const terminal of [...live.values()]) stopIt(terminal, 'orchestrator_stopped');
      await Promise.all(endings);
    },
  };
}
