import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { type Actor, DEFAULT_COMMAND_LIFE_S } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { type AgentId, type JobId, jobIdSchema, type OrganizationId } from '../../protocol/ids.ts';
import type { JobRequest } from '../../protocol/rest-jobs.ts';
import { parseSelector } from '../../protocol/selector.ts';
import { type AuditEntry, recordAll, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { CommandKeys, CommandSigner } from '../ca/command-keys.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Tx } from '../store/store.ts';
import type { NewRow } from '../store/tables.ts';
import type { Trail } from '../store/tables-jobs.ts';
import type { Dispatch, Offer } from './dispatch.ts';
import type { Expiry } from './expiry.ts';
import type { Proposed, SubmitHooks } from './hooks.ts';
import { findEarlier, remember, requestHash } from './idempotency.ts';
import { epochOf, inChunks, type Order, signCommand, takeSeqs } from './issue.ts';
import { arrange, rolloutRow } from './rollout/arrange.ts';
import { newCommandRow, type Placed, submittedEvents } from './rows.ts';
import { resolveTargets } from './targets.ts';
import { type Work, workOf } from './work.ts';

/** Where a job comes from when nobody wrote it. */
export interface Origin {
  kind: 'retry' | 'check';
  jobId: JobId;
  /** Instead of those that the selector means. */
  agentIds: ReadonlySet<AgentId>;
}

export interface Scheduled {
  scheduleId: string;
  /** When it is due (ms since the epoch). */
  dueAt: number;
  /** It goes to the agents ahead of its time, and they start it themselves. */
  ahead: boolean;
  /** How long after its time it may still start (ms). */
  windowMs: number;
}

export interface SubmitRequest {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
  idempotencyKey: string | undefined;
  body: JobRequest;
  origin?: Origin;
  /** It is an occurrence of a schedule. */
  scheduled?: Scheduled;
  /** Done in the storing transaction, before anything leaves; what it throws undoes all. */
  along?: (tx: Tx, stored: { jobId: JobId; commands: readonly NewRow<'commands'>[] }) => Promise<void>;
  /** A call that somebody waits for, when it is no job. */
  call?: {
    agentId: string;
    trail: Trail;
    /** What is kept of the arguments, where they hold a file's bytes. */
    kept: Record<string, unknown>;
    /** What the audit event says beside the tool. */
    detail: Record<string, unknown>;
  };
}

export interface Submitted {
  jobId: JobId;
  /** False: the same request was accepted before. */
  created: boolean;
}

/** What needs no transaction. */
export interface Prepared {
  signer: CommandSigner;
  hash: string;
  work: Work;
}

export interface Stored extends Submitted {
  commands: readonly NewRow<'commands'>[];
  offers: ReadonlyMap<string, Offer>;
  inWaves: boolean;
}

export interface Submit {
  /** On disk when it resolves. @throws AppError as `resolveTargets`, `bad_request`, `idempotency_mismatch`. */
  (request: SubmitRequest): Promise<Submitted>;
  /** The same in parts, for who stores a job with other things. */
  prepare(request: SubmitRequest, signer: CommandSigner): Prepared;
  store(tx: Tx, request: SubmitRequest, prepared: Prepared): Promise<Stored>;
  committed(stored: Stored, organizationId: OrganizationId): void;
}

export function createSubmit(options: {
  commits: GroupCommit;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  dispatch: Dispatch;
  expiry: Pick<Expiry, 'watch'>;
  bus: Bus;
  clock: Clock;
  /** Hard cap of each command's output (bytes). */
  outputCap: number;
  hooks: SubmitHooks;
  /** A job in waves was stored: its first wave can begin. */
  onRollout: (organizationId: OrganizationId, jobId: JobId) => void;
}): Submit {
  const { commits, keys, dispatch, expiry, bus, clock, outputCap, hooks } = options;

  /** Signs the commands that need not wait, and says which of them can leave with the commit. */
  async function issueNow(
    tx: Tx,
    order: Omit<Order, 'epoch'>,
    placed: readonly Placed[],
    signer: CommandSigner,
  ) {
    const { organizationId } = order;
    const epoch = await epochOf(tx, organizationId);
    const now = clock.now();
    const seqs = await takeSeqs(
      tx,
      organizationId,
      placed.map(({ target }) => target.agentId),
    );
    const offers = new Map<string, Offer>();
    for (const one of placed) {
      const { commandId, target } = one;
      const seq = seqs.get(target.agentId) ?? 0;
      const turn = { commandId, agentId: target.agentId, seq, issuedAt: now, expiresAt: one.expiresAt };
      const signed = signCommand(signer, { ...order, epoch }, turn);
      // Stored as sent in the same commit when it can leave right after it: one sync of the disk less.
      const sent = dispatch.takesNow(target.agentId);
      if (sent) offers.set(target.agentId, { id: commandId, ...signed });
      one.state = sent ? 'sent' : 'queued';
      one.issued = { seq, ...signed };
    }
    return offers;
  }

  /** What cannot be sent later is told now. @throws AppError `payload_too_large` */
  function trySigning(order: Omit<Order, 'epoch'>, [first]: readonly Placed[], signer: CommandSigner): void {
    if (first === undefined) return;
    const { commandId, target, expiresAt } = first;
    const turn = { commandId, agentId: target.agentId, seq: 1, issuedAt: clock.now(), expiresAt };
    signCommand(signer, { ...order, epoch: 1 }, turn);
  }

  async function store(tx: Tx, request: SubmitRequest, { signer, hash, work }: Prepared): Promise<Stored> {
    const { organizationId, body, actor, origin } = request;
    const earlier = await findEarlier(tx, request, hash);
    if (earlier !== undefined)
      return { jobId: earlier.jobId, created: false, commands: [], offers: new Map(), inWaves: false };
    const targets = await resolveTargets(tx, {
      organizationId,
      selector: body.selector,
      tool: work.tool,
      ...(origin === undefined ? {} : { agentIds: origin.agentIds }),
    });
    const now = clock.now();
    const jobId = jobIdSchema.parse(newId('job', clock));
    const { address } = request;
    const proposed: Proposed = {
      organizationId,
      jobId,
      actor,
      address,
      selector: body.selector,
      work,
      targets,
      now,
    };
    const held = origin?.kind !== 'check' && (await hooks.hold?.(tx, proposed)) === true;
    if (held && request.call !== undefined)
      throw new AppError('forbidden', {
        detail: 'This needs an approval, and nobody can wait for one here.',
        hint: 'Ask for it as a job, which waits until it is approved: vm-orchestrator run, or New job on the dashboard.',
      });
    const { scheduled } = request;
    const lifeMs =
      scheduled === undefined
        ? (body.expires_in ?? DEFAULT_COMMAND_LIFE_S) * 1000
        : scheduled.dueAt + scheduled.windowMs - now;
    const { rollout: plan } = body;
    const placed = arrange(targets, { plan, held, now, lifeMs, clock });
    // Occurrences of one schedule never overlap on a machine that runs them itself.
    const lane = body.lane ?? (scheduled?.ahead ? scheduled.scheduleId : jobId);
    const notBefore = scheduled?.ahead ? scheduled.dueAt : undefined;
    const order = { organizationId, jobId, ...work, lane, outputCap, actor, approvals: [], notBefore };
    const waits = held || plan !== undefined;
    const offers = waits ? new Map<string, Offer>() : await issueNow(tx, order, placed, signer);
    if (waits) trySigning(order, placed, signer);
    const commands = placed.map((one) =>
      newCommandRow(one, {
        organizationId,
        jobId,
        timeoutS: work.timeoutS,
        now,
        trail: request.call?.trail ?? 'full',
      }),
    );
    const events = submittedEvents(commands, now);
    await tx
      .insertInto('jobs')
      .values({
        organization_id: organizationId,
        id: jobId,
        selector: body.selector,
        tool: work.tool,
        arguments: JSON.stringify(request.call?.kept ?? work.arguments),
        description: body.description,
        timeout_s: work.timeoutS,
        created_at: now,
        created_by: JSON.stringify(actor),
        origin: request.call === undefined ? 'job' : 'call',
        open_commands: commands.filter((row) => row.ended_at === null).length + (plan === undefined ? 0 : 1),
        next_event: events.length + 1,
        kind: work.kind,
        script: work.script === null ? null : JSON.stringify(work.script),
        lane: body.lane ?? null,
        expires_in_s: body.expires_in ?? null,
        retry_of: origin?.kind === 'retry' ? origin.jobId : null,
        check_of: origin?.kind === 'check' ? origin.jobId : null,
        schedule_id: scheduled?.scheduleId ?? null,
        due_at: scheduled?.dueAt ?? null,
      })
      .execute();
    if (plan !== undefined)
      await tx
        .insertInto('rollouts')
        .values(rolloutRow({ organizationId, jobId, plan, placed, held, now }))
        .execute();
    await inChunks(commands, (rows) => tx.insertInto('commands').values(rows).execute());
    await inChunks(events, (rows) => tx.insertInto('job_events').values(rows).execute());
    await remember(tx, request, { hash, jobId, now });
    await recordAll(tx, auditOf(request, work, jobId, commands, now));
    if (held) await hooks.held?.(tx, proposed);
    await request.along?.(tx, { jobId, commands });
    return { jobId, created: true, commands, offers, inWaves: plan !== undefined && !held };
  }

  function committed({ jobId, commands, offers, inWaves }: Stored, organizationId: OrganizationId): void {
    for (const [agentId, offer] of offers) dispatch.offer(agentId, offer);
    for (const command of commands) {
      if (command.state === 'queued') bus.publish({ topic: 'agent', agent_id: command.agent_id });
    }
    const first = commands.find((command) => command.ended_at === null);
    if (first !== undefined) expiry.watch({ ...first, started_at: null });
    bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
    if (inWaves) options.onRollout(organizationId, jobId);
  }

  function prepare(request: SubmitRequest, signer: CommandSigner): Prepared {
    parseSelector(request.body.selector);
    const { origin, body } = request;
    // Only a key asks for it.
    const hash =
      request.idempotencyKey === undefined
        ? ''
        : requestHash(origin === undefined ? body : { ...body, [origin.kind]: origin.jobId });
    return { signer, hash, work: workOf(body, { attended: request.along !== undefined }) };
  }

  const submit = async (request: SubmitRequest): Promise<Submitted> => {
    const prepared = prepare(request, await keys.prepareSigner(request.organizationId));
    const { jobId, created } = await commits.run(
      (tx) => store(tx, request, prepared),
      (stored) => committed(stored, request.organizationId),
    );
    return { jobId, created };
  };
  return Object.assign(submit, { prepare, store, committed });
}

/** A call is one event, told of the agent; a job one of its own and one for each command. */
function auditOf(
  { organizationId, actor, address, body, origin, call }: SubmitRequest,
  work: Work,
  jobId: JobId,
  commands: readonly NewRow<'commands'>[],
  now: number,
): AuditEntry[] {
  if (call?.trail === 'none') return [];
  const common = { at: now, organizationId, address };
  const arguments_sha256 = createHash('sha256').update(JSON.stringify(work.arguments)).digest('hex');
  const states = commands.map((command) => ({
    ...common,
    action: 'command.state',
    actor: command.state === 'sent' ? SYSTEM_ACTOR : actor,
    target: command.id,
    detail: { job_id: jobId, agent_id: command.agent_id, from: null, to: command.state },
  }));
  if (call !== undefined) {
    const detail = { tool: work.tool, command_id: commands[0]?.id, ...call.detail, arguments_sha256 };
    const event = { ...common, actor, action: 'tool.call', target: call.agentId, detail };
    return call.trail === 'ends' ? [event] : [event, ...states];
  }
  const detail = {
    selector: body.selector,
    tool: work.tool,
    arguments_sha256,
    commands: commands.length,
    ...(body.rollout === undefined ? {} : { rollout: body.rollout }),
    ...(origin === undefined ? {} : { [`${origin.kind}_of`]: origin.jobId }),
  };
  return [{ ...common, action: 'job.submit', actor, target: jobId, detail }, ...states];
}
