import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { type Member, startFleet } from '../support/fleet.ts';
import { memoryOf } from '../support/memory.ts';
import { seeded } from '../support/seeded.ts';
import { scale, size } from '../support/size.ts';
import { CRASH_AT } from './crash-point.ts';
import { type History, tally, violationsOf } from './history.ts';
import { createLoad, type Load } from './load.ts';

const KILLS = size({ short: 1, full: 100 * scale });
const AGENT = fileURLToPath(new URL('./crash-agent.ts', import.meta.url));
const ORCHESTRATOR = fileURLToPath(new URL('./crash-orchestrator.ts', import.meta.url));

const AGENT_POINTS = [
  'before the journal',
  'after the journal, before the acknowledgement',
  'before the start',
  'after the start',
  'before a waiting command is marked as started',
  'after a waiting command was marked as started',
  'after the exit, before the result',
  'after the result, before it is sent',
  'after the result was sent',
  'when the result is acknowledged',
];
const ORCHESTRATOR_POINTS = [
  'before the commit: submit',
  'after the commit: submit',
  'before the answer',
  'before the commit: sent',
  'after the commit: sent',
  'after a command was sent',
  'when a result comes',
  'before the commit: result',
  'after the commit: result',
  'before the acknowledgement',
];

/** Lets an agent die at a point, again and again, while it is given work. */
async function crashAgent(member: Member, point: string, load: Load): Promise<void> {
  const random = seeded(point.length);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await member.kill();
    member.restart({ script: AGENT, env: { [CRASH_AT]: `${point}#${1 + Math.floor(random() * 3)}` } });
    const { exited } = member.agent;
    let dead = false;
    const death = exited.then(() => {
      dead = true;
    });
    const lane = member.vmId;
    await Promise.all([load.submit([member.vmId]), load.submit([member.vmId], { lane })]);
    while (!dead) {
      // Of one lane, so that the second of them waits.
      await Promise.all([load.submit([member.vmId], { lane }), load.submit([member.vmId], { lane })]);
      await Promise.race([death, systemClock.sleep(150)]);
    }
    expect((await exited).signal).toBe('SIGKILL');
    member.kills.push(systemClock.now());
  }
}

const statesOf = ({ reported }: History) => [...new Set(reported.map(({ state }) => state))];

describe('an agent that is killed', () => {
  it('[fire-2] at any point between taking a command and the acknowledgement of its result runs it once at most, and says so', async () => {
    await using fleet = await startFleet({ agents: 4 });
    const load = createLoad(fleet);
    const left = [...AGENT_POINTS];
    await Promise.all(
      fleet.members.map(async (member) => {
        for (let point = left.shift(); point !== undefined; point = left.shift())
          await crashAgent(member, point, load);
        member.restart();
      }),
    );
    const history = await load.finish();
    console.log(
      JSON.stringify({ kills: KILLS * AGENT_POINTS.length, ...tally(history), memory: memoryOf(fleet) }),
    );
    expect(violationsOf(history)).toEqual([]);
    expect(statesOf(history).filter((state) => state !== 'succeeded' && state !== 'unknown')).toEqual([]);
    // Each may have taken with it what ran just then, and no more.
    expect(tally(history)['unknown'] ?? 0).toBeLessThanOrEqual(KILLS * AGENT_POINTS.length * 4);
  });
});

describe('an orchestrator that is killed', () => {
  it('[fire-3] at any point between a request and the acknowledgement of a result loses nothing and repeats nothing', async () => {
    await using fleet = await startFleet({ agents: 3, entry: { script: AGENT } });
    const load = createLoad(fleet);
    const vmIds = fleet.members.map(({ vmId }) => vmId);
    const random = seeded(3);
    const pending: Promise<unknown>[] = [];
    for (const point of ORCHESTRATOR_POINTS) {
      for (let kill = 0; kill < KILLS; kill += 1) {
        await fleet.killOrchestrator();
        const env = { [CRASH_AT]: `${point}#${1 + Math.floor(random() * 2)}` };
        let dead = false;
        await fleet.restartOrchestrator({ script: ORCHESTRATOR, env }).catch((cause: Error) => {
          // What waits for its agents can take it to its point before it has said where it listens.
          if (!cause.message.includes('ended before it listened')) throw cause;
          dead = true;
        });
        const death = fleet.orchestrator.exited.then(() => {
          dead = true;
        });
        while (!dead) {
          const accepted = Promise.all([load.submit(vmIds), load.submit(vmIds, { lane: 'lane' })]);
          pending.push(accepted);
          await Promise.race([death, accepted.then(() => systemClock.sleep(100))]);
        }
      }
    }
    await fleet.killOrchestrator();
    await fleet.restartOrchestrator();
    await Promise.all(pending);
    const history = await load.finish();
    console.log(
      JSON.stringify({
        kills: KILLS * ORCHESTRATOR_POINTS.length,
        ...tally(history),
        memory: memoryOf(fleet),
      }),
    );
    expect(violationsOf(history)).toEqual([]);
    // No agent died, so each ran and was seen to end.
    expect(statesOf(history)).toEqual(['succeeded']);
  });
});
