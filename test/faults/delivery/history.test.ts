import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { watchMachine } from '../support/busy.ts';
import { type Fleet, type Member, startFleet } from '../support/fleet.ts';
import { memoryOf } from '../support/memory.ts';
import { scale, size } from '../support/size.ts';
import { runClient } from './clients.ts';
import { historyOf, untilSettled } from './collect.ts';
import { tally, violationsOf } from './history.ts';
import { createCaller } from './rest.ts';
import { drawSchedule, runSchedule } from './schedule.ts';

const COMMANDS = size({ short: 1000, full: 10_000 * scale });
const DURATION_MS = size({ short: 28_000, full: 420_000 * scale });
const CLIENTS = 4;
/** Of a run that failed, to see it again: the same requests and the same faults, at the same times. */
const SEED = Number(process.env['VM_AGENT_TEST_SEED'] ?? size({ short: 9, full: 20_261_128 }));

/** A busy machine looks at its clock a little late. */
const LOOK_MS = 2000;
/** Longer than it takes until both ends know, and until an orchestrator that was killed meanwhile is back. */
const WATCH_MS = 36_000;

/** A machine without work whose link swallows everything: how often it tries, and when each end knows. */
async function watchBlackhole(fleet: Fleet, { proxy, vmId, links }: Member) {
  const began = systemClock.now();
  const before = proxy.attempts;
  proxy.blackhole(true);
  const knew = Promise.withResolvers<number>();
  let attempts = 0;
  for (let passed = 0; passed < WATCH_MS; passed = systemClock.now() - began) {
    await systemClock.sleep(250);
    if (passed < 30_000) attempts = proxy.attempts - before;
    const isKnown = await fleet.orchestrator
      .call<{ online: boolean }>({ path: `${ORG}/agents/${vmId}` })
      .then(({ body }) => body.online === false)
      .catch(() => false);
    if (isKnown) knew.resolve(systemClock.now() - began);
  }
  knew.resolve(Number.POSITIVE_INFINITY);
  proxy.heal();
  const lost = links().find(({ at, up }) => !up && at >= began);
  return {
    attempts,
    agentKnewMs: (lost?.at ?? Number.POSITIVE_INFINITY) - began,
    orchestratorKnewMs: await knew.promise,
  };
}

it('[fire-1] [fire-5] loses no accepted command, runs none twice and ends each in time while programs die and links break', async () => {
  await using fleet = await startFleet({ agents: size({ short: 5, full: 7 }) });
  const file = fleet.temp.join('executions');
  const [bystander, ...members] = fleet.members;
  if (bystander === undefined) throw new Error('there are no machines');
  const vmIds = members.map(({ vmId }) => vmId);
  const schedule = drawSchedule({
    seed: SEED,
    members: vmIds.length + 1,
    spared: 0,
    durationMs: DURATION_MS,
    everyMs: size({ short: 700, full: 1000 }),
  });
  const machine = watchMachine();
  const callers = Array.from({ length: CLIENTS }, () => createCaller(() => fleet.orchestrator));
  const clients = callers.map((caller, index) =>
    runClient({
      seed: SEED,
      caller,
      vmIds,
      file,
      name: `c${index}`,
      commands: COMMANDS / CLIENTS,
      durationMs: DURATION_MS,
    }),
  );
  const [{ faults, counts }, swallowed, ...submitted] = await Promise.all([
    runSchedule(fleet, schedule),
    watchBlackhole(fleet, bystander),
    ...clients,
  ]);
  const [caller] = callers;
  if (caller === undefined) throw new Error('there is no client');
  await untilSettled(caller);
  const history = await historyOf({
    fleet,
    caller,
    file,
    submissions: submitted.flat(),
    faults,
    busy: machine.busy,
  });
  machine.stop();
  const violations = violationsOf(history);
  console.log(
    JSON.stringify({
      seed: SEED,
      faults: counts,
      swallowed,
      ...tally(history),
      'machine busy': machine.busy.length,
      memory: memoryOf(fleet),
      violations: violations.length,
    }),
  );
  for (const one of callers) one.close();
  expect(violations).toEqual([]);
  // Both ends knew within 30 s, and the one that calls called no more than five times.
  expect(swallowed.attempts).toBeLessThanOrEqual(5);
  expect(swallowed.agentKnewMs).toBeLessThan(30_000 + LOOK_MS);
  expect(swallowed.orchestratorKnewMs).toBeLessThan(30_000 + LOOK_MS);
  expect(history.reported.length).toBeGreaterThanOrEqual(COMMANDS * 0.9);
});
