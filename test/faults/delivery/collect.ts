import { readFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../../base/clock.ts';
import { type CommandState, isFinal } from '../../../protocol/command.ts';
import { type Job, jobListSchema, jobWithCommandsSchema } from '../../../protocol/rest-jobs.ts';
import { ORG } from '../../integration/support/fleet.ts';
import type { Fleet, Member } from '../support/fleet.ts';
import type { Execution, History, Interval, Reported, Submission } from './history.ts';
import type { Caller } from './rest.ts';

/** When nothing is broken any more: how long nothing may end before what is open counts as stuck (ms). */
const SETTLE_MS = 100_000;
/** A link that was healed catches up. */
const AFTERMATH_MS = 3000;

async function get(caller: Caller, path: string): Promise<string> {
  const { status, text } = await caller.insist({ path: `${ORG}${path}` });
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return text;
}

/** Waits until no job is open, or nothing ends any more. */
export async function untilSettled(caller: Caller): Promise<void> {
  let until = systemClock.monotonic() + SETTLE_MS;
  for (let before = -1; ; ) {
    const list = jobListSchema.parse(JSON.parse(await get(caller, '/jobs?state=active&limit=500')));
    const open = list.items.length;
    if (open === 0 || systemClock.monotonic() > until) return;
    if (open !== before) until = systemClock.monotonic() + SETTLE_MS;
    before = open;
    await systemClock.sleep(200);
  }
}

async function jobsOf(caller: Caller): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let cursor = ''; ; ) {
    const page = jobListSchema.parse(JSON.parse(await get(caller, `/jobs?limit=500${cursor}`)));
    jobs.push(...page.items);
    if (page.next_cursor === null) return jobs;
    cursor = `&cursor=${page.next_cursor}`;
  }
}

/** Final states as events showed them: whoever follows a job reads these rows. */
function endsShown(dataDir: string): Map<string, CommandState[]> {
  const database = new DatabaseSync(`${dataDir}/orchestrator.db`, { readOnly: true });
  try {
    const shown = new Map<string, CommandState[]>();
    const rows = database
      .prepare("SELECT command_id, state FROM job_events WHERE type = 'state' ORDER BY job_id, id")
      .all() as { command_id: string; state: CommandState }[];
    for (const { command_id: id, state } of rows)
      if (isFinal(state)) shown.set(id, [...(shown.get(id) ?? []), state]);
    return shown;
  } finally {
    database.close();
  }
}

const ms = (time: string | null | undefined): number | undefined => (time ? Date.parse(time) : undefined);

export async function reportedBy(caller: Caller, dataDir: string): Promise<Reported[]> {
  const reported: Omit<Reported, 'ends'>[] = [];
  for (const { id } of await jobsOf(caller)) {
    const job = jobWithCommandsSchema.parse(JSON.parse(await get(caller, `/jobs/${id}`)));
    for (const command of job.commands) {
      const ran = command.output.stdout > 0;
      const startedAt = ms(command.started_at);
      reported.push({
        commandId: command.id,
        jobId: job.id,
        tag: job.description,
        vmId: command.vm_id,
        seq: command.seq,
        state: command.state,
        reason: command.reason,
        startedAt,
        beganAt: ms(command.result?.started_at) ?? startedAt,
        endedAt: ms(command.ended_at),
        expiresAt: Date.parse(command.expires_at),
        timeoutS: job.timeout,
        lastedMs: command.result?.duration_ms,
        stdout: ran ? await get(caller, `/commands/${command.id}/output`) : '',
      });
    }
  }
  const shown = endsShown(dataDir);
  return reported.map((command) => ({ ...command, ends: shown.get(command.commandId) ?? [] }));
}

export async function executionsOf(file: string, members: readonly Member[]): Promise<Execution[]> {
  const byProcess = new Map(
    members.flatMap(({ vmId, processes }) => processes.map((name) => [name, vmId] as const)),
  );
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [tag = '', commandId = '', process = ''] = line.split(' ');
      return { tag, commandId, vmId: byProcess.get(process) };
    });
}

/** When a machine had no connection, as its own log tells, and while its link was tampered with. */
export function disturbancesOf(member: Member, faults: readonly Interval[]): Interval[] {
  const links = member.links();
  const away: Interval[] = [];
  let since: number | undefined;
  for (const { at, up } of links) {
    if (!up) since ??= at;
    else if (since !== undefined) {
      away.push({ from: since, to: at + AFTERMATH_MS });
      since = undefined;
    }
  }
  if (since !== undefined) away.push({ from: since, to: Number.POSITIVE_INFINITY });
  return [...away, ...faults];
}

/** What became of everything, brought together when all is quiet. */
export async function historyOf(options: {
  fleet: Fleet;
  caller: Caller;
  file: string;
  submissions: readonly Submission[];
  faults: Readonly<Record<string, readonly Interval[]>>;
  /** When the machine could not keep up. */
  busy: readonly Interval[];
}): Promise<History> {
  const { fleet, caller, file, submissions, faults, busy } = options;
  const { members } = fleet;
  const reported = await reportedBy(caller, fleet.orchestrator.dataDir);
  return {
    submissions,
    // Read last: whatever was reported as done has left its trace by now.
    executions: await executionsOf(file, members),
    reported,
    busy,
    down: fleet.down,
    disturbed: Object.fromEntries(
      members.map((one) => [one.vmId, disturbancesOf(one, [...(faults[one.vmId] ?? []), ...busy])]),
    ),
    kills: Object.fromEntries(members.map(({ vmId, kills }) => [vmId, kills])),
  };
}
