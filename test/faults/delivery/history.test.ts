import { expect, it } from 'vitest';
import { startFleet } from '../support/fleet.ts';
import { memoryOf } from '../support/memory.ts';
import { size } from '../support/size.ts';
import { runClient } from './clients.ts';
import { historyOf, untilSettled } from './collect.ts';
import { tally, violationsOf } from './history.ts';
import { createCaller } from './rest.ts';
import { drawSchedule, runSchedule } from './schedule.ts';

const COMMANDS = size({ short: 1000, full: 10_000 });
const DURATION_MS = size({ short: 28_000, full: 420_000 });
const CLIENTS = 4;
/** Of a run that failed, to see it again: the same requests and the same faults, at the same times. */
const SEED = Number(process.env['VM_AGENT_TEST_SEED'] ?? size({ short: 9, full: 20_261_128 }));

it('[fault-1] loses no accepted command, runs none twice and ends each in time while programs die and links break', async () => {
  await using fleet = await startFleet({ agents: size({ short: 4, full: 6 }) });
  const file = fleet.temp.join('executions');
  const vmIds = fleet.members.map(({ vmId }) => vmId);
  const schedule = drawSchedule({
    seed: SEED,
    members: vmIds.length,
    durationMs: DURATION_MS,
    everyMs: size({ short: 700, full: 1000 }),
  });
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
  const [{ faults, counts }, ...submitted] = await Promise.all([runSchedule(fleet, schedule), ...clients]);
  const [caller] = callers;
  if (caller === undefined) throw new Error('there is no client');
  await untilSettled(caller);
  const history = await historyOf({ fleet, caller, file, submissions: submitted.flat(), faults });
  const violations = violationsOf(history);
  console.log(
    JSON.stringify({
      seed: SEED,
      faults: counts,
      ...tally(history),
      memory: memoryOf(fleet),
      violations: violations.length,
    }),
  );
  for (const one of callers) one.close();
  expect(violations).toEqual([]);
  expect(history.reported.length).toBeGreaterThanOrEqual(COMMANDS * 0.9);
});
