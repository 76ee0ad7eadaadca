import type { z } from 'zod';
import type { CommandState, Stream } from '../../protocol/command.ts';
import { isFinal } from '../../protocol/command.ts';
import {
  agentIdSchema,
  commandIdSchema,
  encodeUlid,
  jobIdSchema,
  organizationIdSchema,
  vmIdSchema,
} from '../../protocol/ids.ts';
import {
  type Agent,
  agentSchema,
  type CreateTokenResponse,
  type createTokenRequestSchema,
  type ProvisioningTokenInfo,
} from '../../protocol/rest-fleet.ts';
import {
  type Command,
  type createJobRequestSchema,
  type JobEvent,
  type JobWithCommands,
  jobEventSchema,
} from '../../protocol/rest-jobs.ts';
import { type FleetEvent, type Machine, machineSchema, type Overview } from '../../protocol/rest-overview.ts';
import type { SavedCommand, Schedule } from '../../protocol/rest-schedules.ts';
import { parseSelector, selectorMatches } from '../../protocol/selector.ts';
import { fakeFacts } from './facts.ts';

export const ORG = organizationIdSchema.parse('org-01jd0000000000000000000000');

/** Machines, tokens and jobs of one organization, in memory; a test says what happens to them. */
export interface FakeFleet {
  readonly agents: Map<string, Agent>;
  readonly tokens: readonly ProvisioningTokenInfo[];
  readonly jobs: ReadonlyMap<string, JobWithCommands>;
  readonly schedules: Schedule[];
  readonly saved: SavedCommand[];
  addAgent(agent: Partial<Agent> & { vm_id: string }): Agent;
  createToken(request: z.output<typeof createTokenRequestSchema>): CreateTokenResponse;
  revokeToken(id: string): void;
  /** Ends a machine, as revoking does. */
  removeAgent(id: string): void;
  machines(): Machine[];
  overview(): Overview;
  /** Calls `listener` with what changes in the fleet. Returns what stops it. */
  followFleet(listener: (event: FleetEvent) => void): () => void;
  /** Undefined when no machine matches the selector. */
  createJob(request: z.output<typeof createJobRequestSchema>): JobWithCommands | undefined;
  listJobs(): JobWithCommands[];
  job(id: string): JobWithCommands;
  cancel(jobId: string): number;
  /** Resolves with the next job that is submitted. */
  nextJob(): Promise<JobWithCommands>;
  setState(command: Command, state: CommandState, result?: Partial<NonNullable<Command['result']>>): void;
  write(command: Command, stream: Stream, data: Buffer | string): void;
  output(commandId: string, stream: Stream): Buffer;
  /** Calls `listener` with the events after `from`, past and coming. Returns what stops it. */
  follow(jobId: string, from: number, listener: (number: number, event: JobEvent) => void): () => void;
}

function machineOf(agent: Agent): Machine {
  const { facts, load } = agent;
  return machineSchema.parse({
    ...agent,
    os: facts?.os_name ?? '',
    arch: facts?.arch ?? '',
    cpus: facts?.cpus ?? 0,
    load: load === null ? null : { ...load, disk_used: load.disk_used ?? null },
    lock: null,
  });
}

export function createFakeFleet(options: { now: () => number }): FakeFleet {
  const agents = new Map<string, Agent>();
  const tokens: ProvisioningTokenInfo[] = [];
  const jobs = new Map<string, JobWithCommands>();
  const events = new Map<string, JobEvent[]>();
  const listeners = new Map<string, Set<(number: number, event: JobEvent) => void>>();
  const outputs = new Map<string, Buffer[]>();
  const fleetListeners = new Set<(event: FleetEvent) => void>();
  const tellFleet = (event: FleetEvent) => {
    for (const listener of fleetListeners) listener(event);
  };
  const waiting: ((job: JobWithCommands) => void)[] = [];
  let counter = 0;

  const iso = (offset = 0) => new Date(options.now() + offset).toISOString();
  const newId = (prefix: string) => {
    const random = Buffer.alloc(10);
    random.writeUInt32BE(++counter, 6);
    return `${prefix}-${encodeUlid(options.now(), random)}`;
  };
  const ref = ({ id, agent_id, vm_id }: Command) => ({ command_id: id, agent_id, vm_id });

  function emit(jobId: string, event: JobEvent): void {
    const log = events.get(jobId) ?? [];
    events.set(jobId, log);
    log.push(jobEventSchema.parse(event));
    for (const listener of listeners.get(jobId) ?? []) listener(log.length, event);
  }

  function job(id: string): JobWithCommands {
    const found = jobs.get(id);
    if (found === undefined) throw new Error(`no job ${id}`);
    found.counts = {};
    for (const { state } of found.commands) found.counts[state] = (found.counts[state] ?? 0) + 1;
    return found;
  }

  const fleet: FakeFleet = {
    agents,
    tokens,
    jobs,
    schedules: [],
    saved: [],
    addAgent(given) {
      const agent = agentSchema.parse({
        agent_id: agentIdSchema.parse(newId('agt')),
        organization_id: ORG,
        hostname: given.vm_id.replace(/^vm-|-[0-9a-f]{6}$/g, ''),
        state: 'active',
        online: true,
        version: '0.1.0',
        labels: {},
        reported_labels: {},
        facts: fakeFacts({
          hostname: 'host',
          os_name: 'Debian GNU/Linux 12 (bookworm)',
          cpus: 4,
          memory_bytes: 8 * 1024 ** 3,
        }),
        load: { uptime_s: 86_400, load1: 0.42, memory_used: 0.37, disk_used: 0.61, agent_rss_bytes: 5e7 },
        tools: ['execute_shell_command'],
        enrolled_at: iso(),
        connected_at: iso(),
        last_heartbeat_at: iso(),
        certificate_expires_at: iso(30 * 86_400_000),
        address: '192.0.2.10',
        ...given,
      });
      agents.set(agent.agent_id, agent);
      tellFleet({ type: 'agents', items: [machineOf(agent)] });
      return agent;
    },
    removeAgent(id) {
      const agent = agents.get(id);
      if (agent === undefined) return;
      agents.delete(id);
      tellFleet({ type: 'gone', agent_ids: [agent.agent_id] });
    },
    machines: () => [...agents.values()].map(machineOf),
    overview() {
      const all = fleet.machines();
      const offline = all.filter(({ online }) => !online);
      return {
        machines: {
          total: all.length,
          online: all.length - offline.length,
          offline: offline.length,
          quarantined: 0,
          pending: 0,
          locked: 0,
        },
        held: [],
        approvals: { pending: 0 },
        rollouts: [],
        offline: offline.map(({ agent_id, vm_id, hostname }) => ({
          agent_id,
          vm_id,
          hostname,
          last_seen_at: iso(-3_600_000),
        })),
        jobs: {
          active: fleet.listJobs().filter(({ state }) => state === 'active').length,
          failed_commands: 0,
        },
        failed: [],
        expiring: [],
      };
    },
    followFleet(listener) {
      fleetListeners.add(listener);
      return () => fleetListeners.delete(listener);
    },
    createToken({ uses, ttl_s, labels, description }) {
      const id = `tok${String(++counter).padStart(9, '0')}`;
      const token = `prov_${id}_${'s'.repeat(40)}_${'0123456789abcdef'.repeat(2)}`;
      tokens.push({
        id,
        description,
        created_at: iso(),
        expires_at: iso(ttl_s * 1000),
        revoked_at: null,
        uses,
        used: 0,
        labels,
        vm_id_pattern: null,
        cidr: null,
        created_by: 'admin',
      });
      const oneLiner = `sh -c 'ca=$(mktemp); cat >"$ca" <<EOF\n-----BEGIN CERTIFICATE-----\n${'MIIBszCCAVmgAwIBAgIUQ'.repeat(20)}\n-----END CERTIFICATE-----\nEOF\nprintf %s ${token} | curl -fsS --cacert "$ca" https://orchestrator.example:8443/setup.sh | sudo sh -s -- --token-stdin'`;
      return {
        id,
        token,
        expires_at: iso(ttl_s * 1000),
        one_liner: oneLiner,
        setup_command:
          'npx zx provision/setup.mts --server-url https://orchestrator.example:8443 --token-stdin',
      };
    },
    revokeToken(id) {
      const token = tokens.find((each) => each.id === id);
      if (token !== undefined) token.revoked_at = iso();
    },
    createJob(request) {
      const selector = parseSelector(request.selector);
      const targets = [...agents.values()].filter((agent) => selectorMatches(selector, agent));
      if (targets.length === 0) return undefined;
      const id = jobIdSchema.parse(newId('job'));
      const commands = targets.map(
        (agent, index): Command => ({
          id: commandIdSchema.parse(newId('cmd')),
          job_id: id,
          agent_id: agent.agent_id,
          vm_id: vmIdSchema.parse(agent.vm_id),
          seq: index + 1,
          wave: null,
          why: null,
          state: 'queued',
          reason: null,
          cancel_requested: false,
          created_at: iso(),
          started_at: null,
          ended_at: null,
          expires_at: iso(86_400_000),
          result: null,
          output: { stdout: 0, stderr: 0 },
        }),
      );
      jobs.set(id, {
        id,
        selector: request.selector,
        tool: request.tool,
        arguments: request.arguments,
        description: request.description,
        timeout: request.timeout,
        created_at: iso(),
        created_by: { type: 'user', id: 'usr-01jd0000000000000000000000', name: 'admin' },
        state: 'active',
        counts: {},
        kind: request.script === undefined ? 'command' : 'script',
        script: request.script ?? null,
        rollout: null,
        retry_of: null,
        check_of: null,
        schedule_id: null,
        due_at: null,
        commands,
      });
      const created = job(id);
      for (const resolve of waiting.splice(0)) resolve(created);
      return created;
    },
    listJobs: () => [...jobs.keys()].reverse().map(job),
    job,
    cancel(jobId) {
      const open = job(jobId).commands.filter(({ state }) => !isFinal(state));
      for (const command of open) {
        command.cancel_requested = true;
        fleet.setState(command, 'cancelled', { signal: 'SIGTERM' });
      }
      return open.length;
    },
    nextJob: () => new Promise((resolve) => waiting.push(resolve)),
    setState(command, state, result = {}) {
      command.state = state;
      if (state === 'running') command.started_at = iso();
      if (isFinal(state)) {
        command.ended_at = iso();
        command.result = { state, ended_at: iso(), duration_ms: 1234, ...result };
        command.reason = result.reason ?? null;
      }
      const { reason, result: full } = command;
      emit(command.job_id, { type: 'state', ...ref(command), state, reason, at: iso(), result: full });
      const owner = job(command.job_id);
      if (!owner.commands.every((each) => isFinal(each.state))) return;
      owner.state = 'ended';
      emit(owner.id, { type: 'end', job_id: owner.id });
    },
    write(command, stream, data) {
      const bytes = Buffer.from(data);
      const offset = command.output[stream];
      command.output[stream] += bytes.length;
      const key = `${command.id} ${stream}`;
      outputs.set(key, [...(outputs.get(key) ?? []), bytes]);
      const event = { stream, offset, at: iso(), data: bytes.toString('base64') };
      emit(command.job_id, { type: 'output', ...ref(command), ...event });
    },
    output: (commandId, stream) => Buffer.concat(outputs.get(`${commandId} ${stream}`) ?? []),
    follow(jobId, from, listener) {
      for (const [index, event] of (events.get(jobId) ?? []).entries()) {
        if (index + 1 > from) listener(index + 1, event);
      }
      const set = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, set);
      set.add(listener);
      return () => set.delete(listener);
    },
  };
  return fleet;
}
