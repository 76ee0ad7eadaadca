import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { newId } from '../../../base/random.ts';
import { createCommandKeys, createCommandRoot } from '../../../orchestrator/ca/command-keys.ts';
import { memoryBus } from '../../../orchestrator/hub/bus-memory.ts';
import { createHub, type Hub } from '../../../orchestrator/hub/hub.ts';
import { createPresence } from '../../../orchestrator/hub/presence.ts';
import { attachUpgrade } from '../../../orchestrator/hub/upgrade.ts';
import type { NumberedEvent } from '../../../orchestrator/jobs/events.ts';
import type { SubmitHooks } from '../../../orchestrator/jobs/hooks.ts';
import { createJobs } from '../../../orchestrator/jobs/jobs.ts';
import { createGroupCommit } from '../../../orchestrator/store/group-commit.ts';
import { createSealer } from '../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../orchestrator/store/store.ts';
import { AppError } from '../../../protocol/errors.ts';
import {
  type AgentId,
  agentIdSchema,
  type JobId,
  type OrganizationId,
  organizationIdSchema,
  vmIdSchema,
} from '../../../protocol/ids.ts';
import { type CreateJobRequest, createJobRequestSchema } from '../../../protocol/rest-jobs.ts';
import { FakeAgent, type FakeAgentOptions } from '../../fakes/fake-agent.ts';
import { insertAgent, insertOrganization } from '../../fakes/store-rows.ts';

/** Who asks, in every test of this rig. */
const ACTOR = { type: 'user', id: 'usr-1', name: 'alice' } as const;

/**
 * Hub and jobs on a real store and a real WebSocket server, in this process; agents are let in by name alone. The
 * door with certificates and the REST routes are tried against the whole orchestrator.
 */
export async function startJobsRig(
  options: {
    clock?: Clock;
    outputCap?: number;
    directory?: string;
    certificateMs?: number;
    hooks?: SubmitHooks;
  } = {},
) {
  const clock = options.clock ?? systemClock;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'jobs-rig-')));
  const store = await openStore(join(directory, 'store.db'));
  const sealer = createSealer(randomBytes(32));
  const commits = createGroupCommit(store);
  const keys = createCommandKeys({ store, sealer, clock });
  const bus = memoryBus();
  const organizationId = organizationIdSchema.parse(newId('org', clock));
  await store.transaction(async (tx) => {
    await insertOrganization(tx, organizationId);
    await createCommandRoot(tx, { organizationId, sealer, now: clock.now() });
  });
  let hub: Hub | undefined;
  const jobs = createJobs({
    store,
    commits,
    keys,
    bus,
    clock,
    log: silentLogger,
    outputDirectory: join(directory, 'output'),
    outputCap: options.outputCap ?? 1024 ** 3,
    sessionOf: (agentId) => hub?.session(agentId),
    ...(options.hooks === undefined ? {} : { hooks: options.hooks }),
  });
  const presence = createPresence({ store, commits, clock, bus });
  hub = createHub({ clock, log: silentLogger, presence, bus, traffic: jobs.traffic, heartbeatInterval: 30 });
  const server = createServer();
  const agents = new Map<string, { organizationId: OrganizationId; agentId: AgentId }>();
  const upgrade = attachUpgrade({
    server,
    hub,
    clock,
    log: silentLogger,
    async authenticate(_request, vmId) {
      const known = agents.get(vmId);
      if (known === undefined) throw new AppError('client_certificate_required');
      return {
        ...known,
        vmId: vmIdSchema.parse(vmId),
        fingerprint: known.agentId,
        certificateEndsMs: clock.now() + (options.certificateMs ?? 3_600_000),
        state: 'active',
      };
    },
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await jobs.recover();
  const fakes: FakeAgent[] = [];

  /** Enrolls a machine: its row, and the fake that speaks for it. */
  async function addAgent(
    over: Partial<FakeAgentOptions> & { vmId?: string; labels?: Record<string, string> } = {},
  ) {
    const { vmId = `vm-web-${randomBytes(3).toString('hex')}`, labels = {}, ...rest } = over;
    const agentId = agentIdSchema.parse(newId('agt', clock));
    agents.set(vmId, { organizationId, agentId });
    await insertAgent(store.db, {
      organization_id: organizationId,
      id: agentId,
      vm_id: vmId,
      hostname: 'web-1',
      labels: JSON.stringify(labels),
    });
    const agent = new FakeAgent({ url: `ws://127.0.0.1:${port}/api/v1/agents/${vmId}/ws`, ...rest });
    fakes.push(agent);
    return { agent, agentId, vmId };
  }

  function submit(body: Partial<CreateJobRequest> = {}, idempotencyKey?: string) {
    return jobs.submit({
      organizationId,
      actor: ACTOR,
      address: null,
      idempotencyKey,
      body: createJobRequestSchema.parse({ selector: 'all', arguments: { command: 'true' }, ...body }),
    });
  }

  /** A job's events until its end. */
  async function eventsOf(jobId: JobId, after = 0): Promise<NumberedEvent[]> {
    const found: NumberedEvent[] = [];
    const signal = new AbortController().signal;
    for await (const step of await jobs.events.follow({ organizationId, jobId, after, signal }))
      if (step !== 'quiet') found.push(step);
    return found;
  }

  /** Follows a job until one of its commands is in this state. */
  async function untilState(jobId: JobId, state: string): Promise<void> {
    const signal = new AbortController().signal;
    for await (const step of await jobs.events.follow({ organizationId, jobId, after: 0, signal }))
      if (step !== 'quiet' && step.event.type === 'state' && step.event.state === state) return;
    throw new Error(`the job ended without ${state}`);
  }

  return {
    store,
    bus,
    jobs,
    hub,
    commits,
    clock,
    directory,
    organizationId,
    actor: ACTOR,
    addAgent,
    submit,
    eventsOf,
    untilState,
    cancel: (jobId: JobId) => jobs.cancel({ organizationId, jobId, actor: ACTOR, address: null }),
    async commands(jobId: JobId) {
      return store.db.selectFrom('commands').selectAll().where('job_id', '=', jobId).orderBy('seq').execute();
    },
    async close() {
      for (const fake of fakes) await fake.drop();
      upgrade.close();
      await hub.close();
      await jobs.close();
      await commits.idle();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type JobsRig = Awaited<ReturnType<typeof startJobsRig>>;
