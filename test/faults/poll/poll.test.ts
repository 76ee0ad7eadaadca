import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORG, outputPath, readJob, submitJob } from '../../integration/support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { type BoxedAgent, enrollBehindBox } from '../support/behind-middlebox.ts';

let orchestrator: OrchestratorProcess;
let machine: BoxedAgent;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  machine = await enrollBehindBox(() => orchestrator);
  machine.box.webSockets = 'refuse';
  machine.start({ VM_AGENT_ORCHESTRATOR__WEBSOCKET_RETRY_INTERVAL: '2' });
  await machine.connected('poll');
});
afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

async function ended(jobId: Parameters<typeof readJob>[1]) {
  for (;;) {
    const job = await readJob(orchestrator, jobId);
    const [command] = job.commands;
    if (command?.ended_at) return command;
  }
}

describe('an agent behind a box that refuses WebSockets', () => {
  it('runs a job and brings 5 MB exactly', async () => {
    const job = await submitJob(orchestrator, { selector: `id=${machine.vmId}`, arguments: { command: 'head -c 5000000 /dev/urandom | tee '+machine.join('x')+'; echo done >&2' } });
    const t = performance.now();
    const command = await ended(job.id);
    console.log('ms', performance.now() - t, machine.box.seen.length);
    expect(command.state).toBe('succeeded');
    const whole = await orchestrator.call({ path: outputPath(command.id, '?stream=stdout&limit=10000000') });
    expect(whole.headers['x-output-size']).toBe('5000000');
  });
});
