import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { startFleet } from '../support/fleet.ts';
import { residentBytes } from '../support/memory.ts';
import { size } from '../support/size.ts';
import { tally, violationsOf } from './history.ts';
import { createLoad } from './load.ts';

const QUEUED = size({ short: 150, full: 1000 });
const EXPIRES_S = 1;
const MIB = 1024 ** 2;

it('[fire-6] gives a machine that was away what did not expire, in order, and nothing that did', async () => {
  await using fleet = await startFleet({ agents: 1 });
  const [member] = fleet.members;
  if (member === undefined) throw new Error('there is no machine');
  const load = createLoad(fleet);
  const before = residentBytes(fleet.orchestrator.pid);
  await member.kill();
  const isShort = (number: number) => number % 10 === 9;
  for (let number = 0; number < QUEUED; number += 1)
    await load.submit([member.vmId], { lane: 'lane', ...(isShort(number) ? { expiresIn: EXPIRES_S } : {}) });
  const grown = residentBytes(fleet.orchestrator.pid) - before;
  // The last of those that expire has done so.
  await systemClock.sleep(EXPIRES_S * 1000);
  member.restart();
  const history = await load.finish();
  const agentBytes = residentBytes(member.agent.pid);
  console.log(
    JSON.stringify({ ...tally(history), orchestratorGrewMiB: grown / MIB, agentMiB: agentBytes / MIB }),
  );
  expect(violationsOf(history)).toEqual([]);
  const { expired, succeeded } = tally(history);
  expect({ expired, succeeded }).toEqual({ expired: QUEUED / 10, succeeded: QUEUED - QUEUED / 10 });
  expect(grown).toBeLessThan(100 * MIB);
});
