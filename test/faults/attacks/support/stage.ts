import { expect } from 'vitest';
import type { JobWithCommands } from '../../../../protocol/rest-jobs.ts';
import { readJob, submitJob } from '../../../integration/support/fleet.ts';
import { type Machine, startMachine } from '../../../integration/support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../../integration/support/orchestrator.ts';
import { forgetPeak, peakMib, rssMib } from './memory.ts';
import type { RawTarget } from './raw.ts';

/** Both programs as processes of their own, connected: what is attacked, and what must work afterwards. */
export interface Stage extends AsyncDisposable {
  orchestrator: OrchestratorProcess;
  machine: Machine;
  /** The orchestrator's port, below HTTP. */
  target: RawTarget;
  /** A command on the machine succeeds: both programs work, and so does what is between them. */
  expectHealthy(): Promise<void>;
  /** Does it, and tells by how much the memory of both grew at its peak (MiB). Both must work afterwards, without help. */
  attack(what: string, work: () => Promise<unknown>): Promise<Growth>;
}

export interface Growth {
  orchestrator: number;
  agent: number;
}

export async function startStage(
  options: Parameters<typeof startOrchestrator>[0] & { port?: number } = {},
): Promise<Stage> {
  const orchestrator = await startOrchestrator({
    ...options,
    ...(options.port === undefined ? {} : { listen: `127.0.0.1:${options.port}` }),
  });
  const machine = await startMachine(orchestrator);
  const processes = { orchestrator: orchestrator.pid, agent: machine.agent.pid } as const;
  const both = (measure: (pid: number) => number): Growth => ({
    orchestrator: measure(processes.orchestrator),
    agent: measure(processes.agent),
  });

  async function expectHealthy(): Promise<void> {
    const { id } = await submitJob(orchestrator, {
      selector: `id=${machine.vmId}`,
      arguments: { command: 'echo alive' },
    });
    const answer = await orchestrator.call({ path: `/api/v1/organizations/default/jobs/${id}/events` });
    expect(answer.status).toBe(200);
    const done: JobWithCommands = await readJob(orchestrator, id);
    expect(done.commands.map(({ state }) => state)).toEqual(['succeeded']);
  }

  return {
    orchestrator,
    machine,
    target: { port: options.port ?? Number(new URL(orchestrator.url).port), ca: orchestrator.ca },
    expectHealthy,
    async attack(what, work) {
      await expectHealthy();
      for (const pid of Object.values(processes)) forgetPeak(pid);
      const before = both(rssMib);
      await work();
      await expectHealthy();
      const peak = both(peakMib);
      const growth = {
        orchestrator: peak.orchestrator - before.orchestrator,
        agent: peak.agent - before.agent,
      };
      process.stdout.write(
        `${what}: orchestrator ${before.orchestrator} MiB +${growth.orchestrator}, agent ${before.agent} MiB +${growth.agent}\n`,
      );
      return growth;
    },
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      await orchestrator.stop();
    },
  };
}
