import { expect } from 'vitest';
import type { JobWithCommands } from '../../../../protocol/rest-jobs.ts';
import { readJob, submitJob } from '../../../integration/support/fleet.ts';
import { type Machine, startMachine } from '../../../integration/support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../../integration/support/orchestrator.ts';
import { rssMib } from './memory.ts';
import type { RawTarget } from './raw.ts';

/** Both programs as processes of their own, connected: what is attacked, and what must work afterwards. */
export interface Stage extends AsyncDisposable {
  orchestrator: OrchestratorProcess;
  machine: Machine;
  /** The orchestrator's port, below HTTP. */
  target: RawTarget;
  /** A command on the machine succeeds: both programs work, and so does what is between them. */
  expectHealthy(): Promise<void>;
  /** Does it, and tells by how much the memory of both grew (MiB). Both must work afterwards, without help. */
  attack(what: string, work: () => Promise<unknown>): Promise<Growth>;
}

export interface Growth {
  orchestrator: number;
  agent: number;
}

export async function startStage(options: Parameters<typeof startOrchestrator>[0] = {}): Promise<Stage> {
  const orchestrator = await startOrchestrator(options);
  const machine = await startMachine(orchestrator);
  const rss = (): Growth => ({ orchestrator: rssMib(orchestrator.pid), agent: rssMib(machine.agent.pid) });

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
    target: { port: Number(new URL(orchestrator.url).port), ca: orchestrator.ca },
    expectHealthy,
    async attack(what, work) {
      await expectHealthy();
      const before = rss();
      await work();
      await expectHealthy();
      const now = rss();
      const growth = {
        orchestrator: now.orchestrator - before.orchestrator,
        agent: now.agent - before.agent,
      };
      process.stdout.write(
        `${what}: orchestrator ${before.orchestrator} MiB ${growth.orchestrator >= 0 ? '+' : ''}${growth.orchestrator}, agent ${before.agent} MiB ${growth.agent >= 0 ? '+' : ''}${growth.agent}\n`,
      );
      return growth;
    },
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      await orchestrator.stop();
    },
  };
}
