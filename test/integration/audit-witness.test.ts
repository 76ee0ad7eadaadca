import { execFile } from 'node:child_process';
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditReport } from '../../protocol/audit-log.ts';
import { diskLayout, witnessFile } from '../../protocol/disk-layout.ts';
import { auditListSchema } from '../../protocol/rest-audit.ts';
import { enrollHome } from '../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

/** A real agent that keeps checkpoints of a real orchestrator, which is then put back to an old copy of its data. */
let temp: TempHome;
let orchestrator: OrchestratorProcess;
let agent: AgentProcess;
let vmId: string;

beforeAll(async () => {
  temp = await createTempHome();
  orchestrator = await startOrchestrator();
  const { body } = await orchestrator.call<{ token: string }>({
    path: `${ORG}/provisioning-tokens`,
    body: { description: 'the witness' },
  });
  vmId = await enrollHome({ home: temp.join('agent'), url: orchestrator.url, token: body.token });
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await orchestrator?.kill();
  await temp?.remove();
});

async function restart(): Promise<void> {
  const { dataDir, credentials, url } = orchestrator;
  orchestrator = await startOrchestrator({ dataDir, credentials, listen: new URL(url).host });
}
const verify = async () =>
  (await orchestrator.call<AuditReport>({ path: `${ORG}/audit/verify`, body: {} })).body;
async function until<T>(read: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (good(value)) return value;
  }
}
const vmAgent = async (...args: string[]) => {
  const main = join(import.meta.dirname, '../../cli/main.ts');
  const words = [main, 'audit', '--home', temp.join('agent'), ...args];
  return (await promisify(execFile)(process.execPath, words)).stdout;
};
const kept = async (): Promise<{ size: number } | undefined> =>
  JSON.parse(await readFile(witnessFile(diskLayout(temp.join('agent'))), 'utf8').catch(() => 'null')) ??
  undefined;

describe('[audit-6] a real agent', () => {
  it('keeps the newest checkpoint on its disk, and verify counts it as a witness', async () => {
    await orchestrator.kill();
    await cp(orchestrator.dataDir, temp.join('old'), { recursive: true });
    await restart();
    for (let count = 0; count < 3; count++)
      await orchestrator.call({ path: `${ORG}/provisioning-tokens`, body: { description: 'later' } });
    agent = startAgent({ home: temp.join('agent') });
    const report = await until(verify, ({ witnesses }) => witnesses?.length === 1);
    expect(report).toMatchObject({ ok: true, witnesses: [{ who: vmId, agrees: true }] });
    expect((await kept())?.size).toBe(report.witnesses[0]?.size);
    const note = await vmAgent('--checkpoint');
    expect(note).toMatch(new RegExp(`/audit/org-\\w+\\n${report.witnesses[0]?.size}\\n`));
  });

  it('shows that the orchestrator was put back to an old copy: an alarm, and verify says what is missing', async () => {
    const size = (await kept())?.size ?? 0;
    await orchestrator.kill();
    await rm(orchestrator.dataDir, { recursive: true });
    await cp(temp.join('old'), orchestrator.dataDir, { recursive: true });
    await restart();
    const alarms = await until(
      async () =>
        auditListSchema.parse(
          (await orchestrator.call({ path: `${ORG}/audit?action=audit.witness_differs` })).body,
        ).items,
      ({ length }) => length > 0,
    );
    expect(alarms[0]).toMatchObject({ actor: { name: vmId }, detail: { kept_size: size, genuine: true } });
    const { ok, problem } = await verify();
    expect([ok, problem?.kind]).toEqual([false, expect.stringMatching(/truncated|rewritten/)]);
    // It does not give up what it has seen.
    expect((await kept())?.size).toBe(size);
  });

  it('forgets what it has seen when its owner says that it was a backup, and keeps what comes', async () => {
    expect(await vmAgent('--forget-checkpoint')).toContain('forgotten');
    await agent[Symbol.asyncDispose]();
    agent = startAgent({ home: temp.join('agent') });
    const report = await until(verify, ({ ok, witnesses }) => ok && witnesses.length === 1);
    expect(report.witnesses).toMatchObject([{ who: vmId, agrees: true }]);
  });
});
