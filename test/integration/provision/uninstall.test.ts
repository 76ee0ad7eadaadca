// The uninstaller against a real orchestrator, in user mode: the agent ends there, and its folder is gone.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCredentials } from '../../../agent/identity/credentials.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { exists } from '../../../provision/files.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken, enroll } from '../support/enroll.ts';
import { agentsOf, CLI, ended, runProgram, setupWords, startProgram } from '../support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  await orchestrator?.stop();
});

async function installed(home: string): Promise<string> {
  const { token } = await createToken(orchestrator);
  const words = setupWords({ url: orchestrator.url, home });
  expect(await runProgram(words, { input: token })).toMatchObject({ code: 0, err: '' });
  return (await readCredentials(diskLayout(home))).vmId;
}

/** The installed agent, connected. */
async function startAgent(home: string) {
  const child = startProgram([join(home, 'current/bin/vm-agent'), 'server', '--home', home]);
  const stopped = ended(child);
  if (child.stdout === null) throw new Error('no stdout');
  for await (const line of createInterface({ input: child.stdout }))
    if (/websocket: connected|"websocket","ok":true/.test(line)) break;
  return { child, stopped };
}

const uninstall = (home: string, ...more: string[]) =>
  runProgram([process.execPath, CLI, 'uninstall', '--home', home, ...more]);

const vmIds = async () => (await agentsOf(orchestrator)).map(({ vm_id }) => vm_id);

it('stops the agent, ends it at the orchestrator, and leaves nothing, run from what it removes', async () => {
  await using home = await createTempHome();
  const root = home.join('agent');
  const vmId = await installed(root);
  const agent = await startAgent(root);
  const { code, out, err } = await runProgram([join(root, 'current/bin/vm-agent'), 'uninstall', '--yes']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`${vmId} ended at the orchestrator`);
  expect((await agent.stopped).code).toBe(0);
  expect(await exists(root)).toBe(false);
  expect(await vmIds()).not.toContain(vmId);
  const { body } = await orchestrator.call<{
    items: { action: string; actor: { type: string; name: string } }[];
  }>({ path: '/api/v1/organizations/default/audit' });
  expect(body.items.find(({ action }) => action === 'agent.deregister')).toMatchObject({
    actor: { type: 'agent', name: vmId },
  });

  const again = await uninstall(root, '--yes', '--json');
  expect(again.code).toBe(0);
  expect(JSON.parse(again.out)).toMatchObject({ removed: false, steps: 0 });
});

it('shows its plan and changes nothing with --dry-run, and needs --yes where it cannot ask', async () => {
  await using home = await createTempHome();
  const vmId = await installed(home.path);
  const before = await readdir(home.path, { recursive: true });
  const { code, out } = await uninstall(home.path, '--dry-run');
  expect(code).toBe(0);
  expect(out).toMatch(/Deregistration: would be done/);
  const refused = await uninstall(home.path);
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
  expect(await readdir(home.path, { recursive: true })).toEqual(before);
  expect(await vmIds()).toContain(vmId);
});

it('[remove-2] is finished by a second run after a kill -9 at each of its steps', async () => {
  await using home = await createTempHome();
  const root = home.join('agent');
  const vmId = await installed(root);
  const killedAt: string[] = [];
  for (let step = 1; step <= 4; step++) {
    const child = startProgram([process.execPath, CLI, 'uninstall', '--yes', '--home', root]);
    const exit = ended(child);
    if (child.stdout === null) throw new Error('no stdout');
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith(`[${step}/4]`) || !line.endsWith(' ...')) continue;
      killedAt.push(line);
      child.kill('SIGKILL');
    }
    expect((await exit).code).toBeNull();
  }
  expect(killedAt).toHaveLength(4);
  expect((await uninstall(root, '--yes')).code).toBe(0);
  expect(await exists(root)).toBe(false);
  expect(await vmIds()).not.toContain(vmId);
});

it('goes on without its orchestrator and says how to revoke it there; leaves what is not its own', async () => {
  await using home = await createTempHome();
  const other = await startOrchestrator();
  const { token } = await createToken(other);
  const words = setupWords({ url: other.url, home: home.path });
  expect((await runProgram(words, { input: token })).code).toBe(0);
  const { vmId } = await readCredentials(diskLayout(home.path));
  await other.stop();
  await writeFile(home.join('mine.txt'), 'mine');
  const { code, out } = await uninstall(home.path, '--yes');
  expect(code).toBe(0);
  expect(out).toContain(`vm-orchestrator agents revoke ${vmId}`);
  expect(await readdir(home.path)).toEqual(['mine.txt']);
});

it('lets an agent end itself and no other', async () => {
  const one = await enroll(orchestrator);
  const two = await enroll(orchestrator);
  const end = (of: typeof one, by?: typeof one) =>
    orchestrator.call<{ code?: string }>({
      method: 'DELETE',
      path: `/api/v1/agents/${of.response.vm_id}`,
      token: null,
      ...(by === undefined ? {} : by.tls),
    });
  expect((await end(two, one)).body.code).toBe('wrong_agent');
  expect((await end(two)).body.code).toBe('client_certificate_required');
  expect((await end(one, one)).status).toBe(204);
  expect((await end(one, one)).body.code).toBe('certificate_revoked');
  expect(await vmIds()).toContain(two.response.vm_id);
});
