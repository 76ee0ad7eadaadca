import { systemClock } from '../../../base/clock.ts';
import { jobWithCommandsSchema } from '../../../protocol/rest-jobs.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { watchMachine } from '../support/busy.ts';
import type { Fleet } from '../support/fleet.ts';
import { commandOf } from './clients.ts';
import { historyOf, untilSettled } from './collect.ts';
import type { History, Submission } from './history.ts';
import { createCaller } from './rest.ts';

interface Wish {
  lane?: string | undefined;
  /** Seconds. */
  expiresIn?: number | undefined;
}

/** Work for machines, as much as a test asks for, and what became of it. */
export interface Load {
  /** A job for these machines; resolves when it was accepted, whatever that takes. */
  submit(vmIds: readonly string[], wish?: Wish): Promise<void>;
  /** Until every job has ended. */
  settle(): Promise<void>;
  finish(): Promise<History>;
}

export function createLoad(fleet: Fleet): Load {
  const caller = createCaller(() => fleet.orchestrator);
  const machine = watchMachine();
  const file = fleet.temp.join('executions');
  const submissions: Submission[] = [];
  let number = 0;
  return {
    async submit(vmIds, { lane, expiresIn } = {}) {
      number += 1;
      const tag = `t${number}`;
      const { status, text } = await caller.insist({
        path: `${ORG}/jobs`,
        key: tag,
        body: {
          selector: `id=${vmIds.join('|')}`,
          arguments: { command: commandOf(file, tag, '') },
          description: tag,
          timeout: 30,
          ...(lane === undefined ? {} : { lane }),
          ...(expiresIn === undefined ? {} : { expires_in: expiresIn }),
        },
      });
      if (status !== 202 && status !== 200) throw new Error(`${tag}: ${status} ${text}`);
      const job = jobWithCommandsSchema.parse(JSON.parse(text));
      submissions.push({
        tag,
        vmIds,
        lane,
        acknowledgedAt: systemClock.now(),
        jobIds: [job.id],
        commandIds: job.commands.map(({ id }) => id),
      });
    },
    settle: () => untilSettled(caller),
    async finish() {
      await untilSettled(caller);
      const { busy } = machine;
      const history = await historyOf({ fleet, caller, file, submissions, faults: {}, busy });
      machine.stop();
      caller.close();
      return history;
    },
  };
}
