// The executor as a witness of the orchestrator's audit log, and the orchestrator as one of the executor's.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Enrolled, enrolledMachine } from './support/enrolled.ts';

let at: Enrolled;
beforeAll(async () => {
  at = await enrolledMachine('audit-1');
});
afterAll(() => at?.dispose());

const NODE = '/opt/vm-agent/current/runtime/node';

it('[audit-6] [audit-7] keeps the orchestrator’s checkpoint as root’s, and has its head counter-signed', async () => {
  const { machine, orchestrator } = at;
  expect((await at.command('echo one; true')).code).toBe(0);
  await at.command('true');
  // Both are said as a connection begins.
  await machine.runOk('systemctl restart vm-agent.service');
  await machine.waitFor('the counter-signature', async () => {
    const { out } = await machine.runOk(['vm-agent', 'audit', '--verify', '--json']);
    return JSON.parse(out).cosigned !== null;
  });
  const { out: note } = await machine.runOk(['vm-agent', 'audit', '--checkpoint']);
  expect(note).toMatch(/\/audit\/org-\w+\n\d+\n/);
  const daemonsFile = await machine.run('ls /var/lib/vm-agent/audit_witness.json');
  expect(daemonsFile.code).not.toBe(0);
  const { out } = await orchestrator.cli(['audit', 'verify', '--json'], 60_000);
  const { ok, witnesses } = JSON.parse(out) as { ok: boolean; witnesses: { agrees: boolean }[] };
  expect(ok).toBe(true);
  expect(witnesses.length).toBeGreaterThan(0);
  expect(witnesses.every(({ agrees }) => agrees)).toBe(true);
  await machine.runOk([
    NODE,
    '-e',
    "const{DatabaseSync:D}=require('node:sqlite');new D('/var/lib/vm-agent-exec/executor.db').exec('DELETE FROM audit WHERE seq > 1')",
  ]);
  const cut = await machine.run(['vm-agent', 'audit', '--verify']);
  expect([cut.code, cut.out]).toEqual([1, expect.stringContaining('counter-signed')]);
  await machine.runOk('systemctl restart vm-agent.service');
  await machine.waitFor('the alarm', async () => {
    const listed = await orchestrator.cli(['audit', '--action', 'audit.agent_head_back'], 60_000);
    return listed.out.includes('audit.agent_head_back');
  });
});
