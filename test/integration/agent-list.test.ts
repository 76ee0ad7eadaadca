import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORG } from './support/fleet.ts';
import { type Machine, startMachine } from './support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let machine: Machine;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  machine = await startMachine(orchestrator);
});
afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

const base = () => `${ORG}/agents/${machine.vmId}`;

describe('labels and search', () => {
  const agents = async (query: string) =>
    (
      await orchestrator.call<{ items: { vm_id: string }[] }>({ path: `${ORG}/agents?${query}` })
    ).body.items.map(({ vm_id }) => vm_id);
  const patch = (body: unknown) =>
    orchestrator.call<{ labels: Record<string, string>; state: string }>({
      method: 'PATCH',
      path: base(),
      body,
    });

  it('sets and removes granted labels, and finds by them', async () => {
    const set = await patch({ labels: { role: 'web', env: 'prod' } });
    expect(set.body.labels).toEqual({ role: 'web', env: 'prod' });
    expect(await agents('selector=role%3Dweb')).toEqual([machine.vmId]);
    expect(await agents('q=PROD%20browser-test')).toEqual([machine.vmId]);
    expect(await agents('q=100%25')).toEqual([]);
    expect(await agents('state=offline')).toEqual([]);
    for (const sort of ['enrolled', '-enrolled', 'vm_id', '-last_heartbeat', 'certificate'])
      expect(await agents(`sort=${sort}`)).toEqual([machine.vmId]);
    expect((await patch({ labels: { env: null } })).body.labels).toEqual({ role: 'web' });
    expect((await patch({ labels: { 'no key': 'x' } })).status).toBe(400);
  });

  it('pages through any order', async () => {
    const list = await orchestrator.call<{ next_cursor: string | null }>({
      path: `${ORG}/agents?limit=1&sort=-vm_id`,
    });
    expect(list.body.next_cursor).toBeNull();
  });
});

describe('load and certificates', () => {
  it('keeps what heartbeats tell', async () => {
    const { body } = await orchestrator.call<{
      step: number;
      times: number[];
      series: Record<string, { mean: (number | null)[] }>;
    }>({ path: `${base()}/metrics` });
    expect(body.step).toBe(30);
    expect(
      body.series['memory_used']?.mean.at(-1) ?? body.series['memory_used']?.mean.at(-2),
    ).toBeGreaterThan(0);
    expect(body.times.length).toBe(body.series['load1']?.mean.length);
  });

  it('shows the certificates', async () => {
    const { body } = await orchestrator.call<{ items: { fingerprint: string; names: string[] }[] }>({
      path: `${base()}/certificates`,
    });
    expect(body.items.length).toBe(1);
    expect(body.items[0]?.names.join()).toContain(machine.agentId);
  });
});
