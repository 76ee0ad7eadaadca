import type { Generated } from 'kysely';

/**
 * `full`: every state of a command is an audit event. `ends`: its end alone, for calls of the page, which come by the
 * minute. `none`: it is a piece of a transfer that has events of its own, and its bytes are not kept.
 */
export type Trail = 'full' | 'ends' | 'none';

/** What is done on machines, by whom and when. See tables.ts for how columns are written. */
export interface JobTables {
  jobs: {
    organization_id: string;
    id: string;
    selector: string;
    tool: string;
    arguments: string;
    description: string;
    timeout_s: number;
    created_at: number;
    created_by: string;
    /** `call`: somebody waited for the result of one tool; lists of jobs leave it out. */
    origin: Generated<'job' | 'call'>;
    /** Commands that are not final yet. */
    open_commands: number;
    next_event: number;
    /** Null: of before there were kinds; a command or a tool. */
    kind: string | null;
    /** Interpreter and arguments of a script, JSON; its text is `arguments.stdin`. */
    script: string | null;
    lane: string | null;
    expires_in_s: number | null;
    /** Who approved it, as the signed commands name them, JSON. */
    approvals: string | null;
    retry_of: string | null;
    /** The job whose wave this one checks. */
    check_of: string | null;
    schedule_id: string | null;
    due_at: number | null;
  };
  /** A job that goes in waves; as long as it is not over it counts as one of the job's open commands. */
  rollouts: {
    organization_id: string;
    job_id: string;
    /** JSON, as asked for. */
    plan: string;
    state: string;
    /** The wave that has its turn, from 1. */
    wave: number;
    phase: string;
    phase_until: number | null;
    /** Of each wave its size, times and gate, JSON. */
    waves: string;
    total: number;
    stop_reason: string | null;
    stop_detail: string | null;
    deadline_at: number;
    created_at: number;
    ended_at: number | null;
  };
  /** What an ended command's output comes to when it is compared. */
  command_digests: { organization_id: string; command_id: string; job_id: string; digest: string };
  idempotency_keys: {
    organization_id: string;
    /** Of the actor, so that two users may choose the same key. */
    actor: string;
    key: string;
    request_hash: string;
    job_id: string;
    created_at: number;
    /** Answer of a request that made no job, JSON. */
    response: string | null;
  };
  commands: {
    organization_id: string;
    id: string;
    job_id: string;
    agent_id: string;
    vm_id: string;
    /** Null until its turn has come, as are envelope and delegation. */
    seq: number | null;
    state: string;
    reason: string | null;
    cancel_requested: number;
    /** Signed envelope and its delegation, JSON: what goes on the wire, made once. */
    envelope: string | null;
    delegation: string | null;
    timeout_s: number;
    created_at: number;
    sent_at: number | null;
    started_at: number | null;
    ended_at: number | null;
    expires_at: number;
    result: string | null;
    stdout_size: number;
    stderr_size: number;
    /** 1 when an `unknown` was replaced by a late result. */
    result_late: number;
    wave: number | null;
    /** Its place in its wave. */
    position: Generated<number>;
    /** Which of its states are audit events; see {@link Trail}. */
    trail: Generated<Trail>;
  };
  job_events: {
    organization_id: string;
    job_id: string;
    id: number;
    command_id: string | null;
    type: 'state' | 'output' | 'rollout' | 'end';
    at: number;
    state: string | null;
    reason: string | null;
    stream: string | null;
    /** Of output its place; of a rollout's event the wave. */
    offset: number | null;
    length: number | null;
    detail: string | null;
  };
  schedules: {
    organization_id: string;
    id: string;
    name: string;
    cron: string;
    time_zone: string;
    runs_on: 'orchestrator' | 'agents';
    overlap: 'allow' | 'skip';
    start_within_s: number;
    /** Request of a job, JSON. */
    job: string;
    enabled: number;
    created_at: number;
    created_by: string;
    changed_at: number;
    /** The next occurrence that no job stands for yet; null: there is none. */
    next_at: number | null;
  };
  saved_commands: {
    organization_id: string;
    id: string;
    name: string;
    definition: string;
    created_at: number;
    created_by: string;
    changed_at: number;
  };
  terminals: {
    organization_id: string;
    id: string;
    command_id: string;
    job_id: string;
    agent_id: string;
    vm_id: string;
    actor_type: string;
    actor_id: string;
    actor_name: string;
    address: string | null;
    /** Null: the login shell. */
    command: string | null;
    opened_at: number;
    ended_at: number | null;
    end_reason: string | null;
    exit_code: number | null;
    /** Bytes of the recording; of one that goes on the file knows it. */
    size: Generated<number>;
  };
}
