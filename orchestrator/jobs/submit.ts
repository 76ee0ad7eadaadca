import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type Clock, isoTime } from '../../base/clock.ts';
import { InvalidInput } from '../../base/http-problem.ts';
import { newId } from '../../base/random.ts';
import { type Actor, type CommandPayload, DEFAULT_COMMAND_LIFE_S } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { commandIdSchema, type JobId, jobIdSchema, type OrganizationId } from '../../protocol/ids.ts';
import type { createJobRequestSchema } from '../../protocol/rest-jobs.ts';
import { parseSelector } from '../../protocol/selector.ts';
import { SHELL_TOOL, shellArgumentsSchema } from '../../protocol/tool-manifest.ts';
import { recordAll, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { CommandKeys, CommandSigner } from '../ca/command-keys.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Tx } from '../store/store.ts';
import type { NewRow } from '../store/tables.ts';
import type { Dispatch, Offer } from './dispatch.ts';
import type { Expiry } from './expiry.ts';
import { stateEvent } from './record-change.ts';
import { resolveTargets, type Target } from './targets.ts';

export interface SubmitRequest {
  organizationId: OrganizationId;
  actor: Actor;
  address: string | null;
  idempotencyKey: string | undefined;
  body: z.output<typeof createJobRequestSchema>;
  /** Done in the storing transaction, before anything leaves; what it throws undoes all. */
  along?: (tx: Tx, stored: { jobId: JobId; commands: readonly NewRow<'commands'>[] }) => Promise<void>;
}

export interface Submitted {
  jobId: JobId;
  /** False: the same request was accepted before. */
  created: boolean;
}

/** On disk when it resolves. @throws AppError as `resolveTargets`, `bad_request`, `idempotency_mismatch`. */
export type Submit = (request: SubmitRequest) => Promise<Submitted>;

/** What needs no transaction. */
interface Prepared {
  signer: CommandSigner;
  hash: string;
  timeoutS: number;
}

interface Stored extends Submitted {
  commands: readonly NewRow<'commands'>[];
  offers: ReadonlyMap<string, Offer>;
}

/** Rows in one INSERT: far below the number of values that a statement may hold. */
const CHUNK = 200;

async function insertChunked<R>(rows: readonly R[], insert: (chunk: R[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += CHUNK) await insert(rows.slice(at, at + CHUNK));
}

/** Seconds that the command may run. Arguments of the shell are known here: a mistake is told at once, not by every agent. */
function timeoutOf(body: SubmitRequest['body']): number {
  if (body.tool !== SHELL_TOOL) return body.timeout;
  const parsed = shellArgumentsSchema.safeParse(body.arguments);
  if (!parsed.success) throw new InvalidInput(parsed.error, { what: `The arguments of ${SHELL_TOOL}` });
  return parsed.data.timeout ?? body.timeout;
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
}): Submit {
  const { commits, keys, dispatch, expiry, bus, clock, outputCap } = options;

  async function findEarlier(tx: Tx, request: SubmitRequest, hash: string): Promise<JobId | undefined> {
    if (request.idempotencyKey === undefined) return undefined;
    const earlier = await tx
      .selectFrom('idempotency_keys')
      .select(['request_hash', 'job_id'])
      .where('organization_id', '=', request.organizationId)
      .where('actor', '=', request.actor.id)
      .where('key', '=', request.idempotencyKey)
      .executeTakeFirst();
    if (earlier !== undefined && earlier.request_hash !== hash) {
      throw new AppError('idempotency_mismatch', {
        hint: 'Use a new Idempotency-Key for a new request, or send the same body again.',
      });
    }
    return earlier === undefined ? undefined : jobIdSchema.parse(earlier.job_id);
  }

  /** The next seq of each target's agent; nobody else gets one before the commit. */
  async function takeSeqs(tx: Tx, organizationId: string, targets: readonly Target[]) {
    const seqs = new Map<string, number>();
    await insertChunked(targets, async (chunk) => {
      const rows = await tx
        .updateTable('agents')
        .set((e) => ({ command_seq: e('command_seq', '+', 1) }))
        .where('organization_id', '=', organizationId)
        .where(
          'id',
          'in',
          chunk.map(({ agentId }) => agentId),
        )
        .returning(['id', 'command_seq'])
        .execute();
      for (const row of rows) seqs.set(row.id, row.command_seq);
    });
    return seqs;
  }

  async function store(
    tx: Tx,
    request: SubmitRequest,
    { signer, hash, timeoutS }: Prepared,
  ): Promise<Stored> {
    const { organizationId, body, actor } = request;
    const earlier = await findEarlier(tx, request, hash);
    if (earlier !== undefined) return { jobId: earlier, created: false, commands: [], offers: new Map() };
    const targets = await resolveTargets(tx, { organizationId, selector: body.selector, tool: body.tool });
    const organization = await tx
      .selectFrom('organizations')
      .select('command_epoch')
      .where('id', '=', organizationId)
      .executeTakeFirstOrThrow();
    const seqs = await takeSeqs(tx, organizationId, targets);
    const now = clock.now();
    const expiresAt = now + (body.expires_in ?? DEFAULT_COMMAND_LIFE_S) * 1000;
    const jobId = jobIdSchema.parse(newId('job', clock));
    const offers = new Map<string, Offer>();
    const commands: NewRow<'commands'>[] = [];
    const events: NewRow<'job_events'>[] = [];
    for (const { agentId, vmId } of targets) {
      const commandId = commandIdSchema.parse(newId('cmd', clock));
      const seq = seqs.get(agentId) ?? 0;
      const payload: CommandPayload = {
        org_id: organizationId,
        agent_id: agentId,
        command_id: commandId,
        job_id: jobId,
        epoch: organization.command_epoch,
        seq,
        tool: body.tool,
        arguments: body.arguments,
        run_as: null,
        lane: body.lane ?? jobId,
        limits: { timeout_s: timeoutS, output_bytes: outputCap },
        issued_at: isoTime(now),
        expires_at: isoTime(expiresAt),
        actor,
        approvals: [],
        critical: [],
      };
      const { envelope, delegation } = signer.sign(payload);
      // Stored as sent in the same commit when it can leave right after it: one sync of the disk less.
      const sent = dispatch.takesNow(agentId);
      if (sent) offers.set(agentId, { id: commandId, envelope, delegation });
      const row: NewRow<'commands'> = {
        organization_id: organizationId,
        id: commandId,
        job_id: jobId,
        agent_id: agentId,
        vm_id: vmId,
        seq,
        state: sent ? 'sent' : 'queued',
        reason: null,
        cancel_requested: 0,
        envelope: JSON.stringify(envelope),
        delegation: JSON.stringify(delegation),
        timeout_s: timeoutS,
        created_at: now,
        sent_at: sent ? now : null,
        started_at: null,
        ended_at: null,
        expires_at: expiresAt,
        result: null,
        stdout_size: 0,
        stderr_size: 0,
        result_late: 0,
      };
      commands.push(row);
      for (const state of sent ? ['queued', 'sent'] : ['queued'])
        events.push(stateEvent(row, { id: events.length + 1, at: now, state, reason: null }));
    }
    await tx
      .insertInto('jobs')
      .values({
        organization_id: organizationId,
        id: jobId,
        selector: body.selector,
        tool: body.tool,
        arguments: JSON.stringify(body.arguments),
        description: body.description,
        timeout_s: timeoutS,
        created_at: now,
        created_by: JSON.stringify(actor),
        open_commands: commands.length,
        next_event: events.length + 1,
      })
      .execute();
    await insertChunked(commands, (rows) => tx.insertInto('commands').values(rows).execute());
    await insertChunked(events, (rows) => tx.insertInto('job_events').values(rows).execute());
    if (request.idempotencyKey !== undefined) {
      await tx
        .insertInto('idempotency_keys')
        .values({
          organization_id: organizationId,
          actor: actor.id,
          key: request.idempotencyKey,
          request_hash: hash,
          job_id: jobId,
          created_at: now,
        })
        .execute();
    }
    await recordAll(tx, [
      {
        at: now,
        organizationId,
        action: 'job.submit',
        actor,
        address: request.address,
        target: jobId,
        detail: {
          selector: body.selector,
          tool: body.tool,
          arguments_sha256: createHash('sha256').update(JSON.stringify(body.arguments)).digest('hex'),
          commands: commands.length,
        },
      },
      ...commands.map((command) => ({
        at: now,
        organizationId,
        action: 'command.state',
        actor: command.state === 'sent' ? SYSTEM_ACTOR : actor,
        address: request.address,
        target: command.id,
        detail: { job_id: jobId, agent_id: command.agent_id, from: null, to: command.state },
      })),
    ]);
    await request.along?.(tx, { jobId, commands });
    return { jobId, created: true, commands, offers };
  }

  function afterCommit({ jobId, commands, offers }: Stored, organizationId: string): void {
    for (const [agentId, offer] of offers) dispatch.offer(agentId, offer);
    for (const command of commands) {
      if (command.state === 'queued') bus.publish({ topic: 'agent', agent_id: command.agent_id });
    }
    const [first] = commands;
    if (first !== undefined) expiry.watch({ ...first, started_at: null });
    bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
  }

  return async (request) => {
    const timeoutS = timeoutOf(request.body);
    parseSelector(request.body.selector);
    const hash = createHash('sha256').update(JSON.stringify(request.body)).digest('hex');
    const signer = await keys.prepareSigner(request.organizationId);
    const { jobId, created } = await commits.run(
      (tx) => store(tx, request, { signer, hash, timeoutS }),
      (stored) => afterCommit(stored, request.organizationId),
    );
    return { jobId, created };
  };
}
