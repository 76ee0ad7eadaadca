import { systemClock } from '../../../base/clock.ts';
import type { Random } from '../../../base/random.ts';
import { jobWithCommandsSchema } from '../../../protocol/rest-jobs.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { between, oneOf, seeded, seedOf, weighted } from '../support/seeded.ts';
import type { Submission } from './history.ts';
import type { Answered, Caller } from './rest.ts';

/** How a command goes on after it has left its trace. */
const KINDS = {
  quick: { weight: 62, rest: '', timeout: 30 },
  slow: { weight: 12, rest: '; sleep 0.3', timeout: 30 },
  fails: { weight: 6, rest: '; exit 3', timeout: 30 },
  overruns: { weight: 5, rest: '; exec sleep 20', timeout: 1 },
  cancelled: { weight: 7, rest: '; sleep 1', timeout: 30 },
  expires: { weight: 8, rest: '', timeout: 30 },
} as const;
type Kind = keyof typeof KINDS;
const WEIGHTS = Object.fromEntries(
  Object.entries(KINDS).map(([kind, { weight }]) => [kind, weight]),
) as Record<Kind, number>;

/**
 * A command that appends a line to the file of executions in one write, prints the same, and goes on as its kind does.
 * `$PPID` is the agent, which tells whose machine it was.
 */
export const commandOf = (file: string, tag: string, rest: string): string =>
  `read -r stat < /proc/$PPID/stat; set -- $stat; printf '%s %s %s\\n' ${tag} "$VM_AGENT_COMMAND_ID" "$PPID:\${22}" >> ${file}; printf '%s %s\\n' ${tag} "$VM_AGENT_COMMAND_ID"${rest}`;

export interface LoadOptions {
  seed: number;
  caller: Caller;
  vmIds: readonly string[];
  /** Where commands leave their traces. */
  file: string;
  name: string;
  /** Commands, at least. */
  commands: number;
  /** In which they are to be spread (ms). */
  durationMs: number;
}

interface Drawn {
  kind: Kind;
  tag: string;
  vmIds: readonly string[];
  lane: string | undefined;
  keyed: boolean;
  hangsUp: number | undefined;
  repeats: boolean;
  expiresIn: number | undefined;
  cancelAfterMs: number;
}

function draw(random: Random, { name, vmIds }: LoadOptions, number: number): Drawn {
  const kind = weighted(random, WEIGHTS);
  const all = random() < 0.4;
  const keyed = random() < 0.7;
  return {
    kind,
    tag: `${name}-${number}`,
    vmIds: all ? vmIds : [oneOf(random, vmIds)],
    lane: random() < 0.4 ? `lane-${name}` : undefined,
    keyed,
    hangsUp: random() < 0.12 ? between(random, 0, 20) : undefined,
    repeats: keyed && random() < 0.15,
    expiresIn: kind === 'expires' ? between(random, 0.5, 4) : undefined,
    cancelAfterMs: between(random, 0, 500),
  };
}

/** One client: draws requests, sends them, repeats what was not answered if it has a key, cancels some. */
export async function runClient(options: LoadOptions): Promise<Submission[]> {
  const { caller, commands, durationMs, seed, name } = options;
  const random = seeded(seedOf(seed, name));
  const submissions: Submission[] = [];
  const began = systemClock.monotonic();
  const cancels: Promise<void>[] = [];
  for (let sent = 0, number = 0; sent < commands; number += 1) {
    const due = began + (sent / commands) * durationMs;
    const early = due - systemClock.monotonic();
    if (early > 0) await systemClock.sleep(early);
    const drawn = draw(random, options, number);
    const submission = await submit(drawn, options);
    submissions.push(submission);
    sent += drawn.vmIds.length;
    if (drawn.kind === 'cancelled') cancels.push(cancel(submission, drawn, caller));
  }
  await Promise.all(cancels);
  return submissions;
}

async function submit(drawn: Drawn, { caller, file }: LoadOptions): Promise<Submission> {
  const { kind, tag, vmIds, lane, keyed, expiresIn } = drawn;
  const { rest, timeout } = KINDS[kind];
  const submission = {
    tag,
    vmIds,
    lane,
    acknowledgedAt: undefined as number | undefined,
    jobIds: [] as string[],
    commandIds: [] as string[],
  };
  const asking = {
    path: `${ORG}/jobs`,
    key: keyed ? `key-${tag}` : undefined,
    body: {
      selector: `id=${vmIds.join('|')}`,
      arguments: { command: commandOf(file, tag, rest) },
      description: tag,
      timeout,
      ...(lane === undefined ? {} : { lane }),
      ...(expiresIn === undefined ? {} : { expires_in: expiresIn }),
    },
  };
  const take = (answer: Answered | undefined) => {
    if (answer === undefined || answer.status >= 500) return false;
    if (answer.status !== 202 && answer.status !== 200)
      throw new Error(`${tag}: ${answer.status} ${answer.text}`);
    submission.acknowledgedAt ??= systemClock.now();
    const job = jobWithCommandsSchema.parse(JSON.parse(answer.text));
    submission.jobIds.push(job.id);
    submission.commandIds.push(...job.commands.map(({ id }) => id));
    return true;
  };
  const answered = take(await caller.ask({ ...asking, hangUpAfterMs: drawn.hangsUp }));
  // Without a key a second try could be a second job: what was not answered stays so.
  if (keyed && !answered) take(await caller.insist(asking));
  if (drawn.repeats) take(await caller.insist(asking));
  return submission;
}

async function cancel({ jobIds: [jobId] }: Submission, drawn: Drawn, caller: Caller): Promise<void> {
  if (jobId === undefined) return;
  await systemClock.sleep(drawn.cancelAfterMs);
  const { status, text } = await caller.insist({
    method: 'POST',
    path: `${ORG}/jobs/${jobId}/cancel`,
    body: {},
  });
  // It had ended.
  if (status !== 200 && status !== 409) throw new Error(`${drawn.tag}: cancel ${status} ${text}`);
}
