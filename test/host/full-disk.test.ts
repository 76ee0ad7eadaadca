// The disk on which the executor keeps its audit log is full: nothing runs with its rights unrecorded.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Enrolled, enrolledMachine } from './support/enrolled.ts';

const STATE = '/var/lib/vm-agent-exec';

let at: Enrolled;
beforeAll(async () => {
  at = await enrolledMachine('full-1');
  const { machine } = at;
  // The state moves to a small disk, as if it always had been on one.
  await machine.runOk('systemctl stop vm-agent vm-agent-exec.socket "vm-agent-exec@*"');
  await machine.runOk(`cp -a ${STATE} /root/state`);
  await machine.tmpfs(STATE, '8m');
  await machine.runOk(`chmod 0700 ${STATE}; cp -a /root/state/. ${STATE}/`);
  await machine.runOk('systemctl start vm-agent-exec.socket vm-agent');
  await machine.waitFor('the agent online', async () => (await at.orchestrator.agents())[0]?.online);
});
afterAll(() => at?.dispose());

const send = (command: string) =>
  at.orchestrator.api('POST', 'jobs', { selector: 'env=test', arguments: { command } });
const executors = async () =>
  (
    await at.machine.runOk(
      'systemctl list-units --plain --no-legend "vm-agent-exec@*.service" | cut -d" " -f1',
    )
  ).out;
const exists = async (path: string) => (await at.machine.run(['test', '-e', path])).code === 0;

it('[fault-19] refuses commands while its audit log cannot be written, stays, and goes on when it can', async () => {
  const { machine, orchestrator } = at;
  expect((await at.command('echo before')).out).toBe('before\n');
  const long = await send('touch /run/began; while [ ! -e /run/go ]; do sleep 0.1; done; echo kept; exit 6');
  await machine.waitFor('the long one', () => exists('/run/began'));
  const before = await executors();
  await machine.run(`head -c 100M /dev/zero >${STATE}/fill`);
  expect((await machine.run(`echo x >${STATE}/more`)).code).not.toBe(0);
  const refused = await send('touch /root/ran');
  expect(await orchestrator.ended(refused.id)).toMatchObject({
    state: 'failed',
    result: { error: { code: 'disk_full', message: expect.stringContaining(STATE) } },
  });
  // As root on the machine itself: no way around the record either.
  const local = await machine.run(['vm-agent', 'exec', '--', 'touch /root/ran']);
  expect(local.code).not.toBe(0);
  const denied = await machine.run(['runuser', '-u', 'vm-agent-run', '--', 'vm-agent', 'exec', '--', 'id']);
  expect(denied.code).not.toBe(0);
  expect(await exists('/root/ran')).toBe(false);
  // It ends meanwhile; nothing is told that is not in the log.
  await machine.runOk(['touch', '/run/go']);
  await machine.waitFor(
    'its unit to end',
    async () => (await machine.run('systemctl list-units --plain --no-legend "vm-agent-cmd-*"')).out === '',
  );
  expect(await executors()).toBe(before);
  await machine.runOk(['rm', `${STATE}/fill`]);
  const ended = await orchestrator.ended(long.id);
  // systemd may not have had the room to write how it ended; never is it said to have succeeded.
  expect(['failed', 'unknown']).toContain(ended.state);
  expect((await at.command('echo after')).out).toBe('after\n');
  expect((await machine.runOk(['vm-agent', 'audit', '--verify'])).out).toMatch(/^\d+ entries, whole/);
  const { out } = await machine.runOk(['vm-agent', 'audit', '--json']);
  const actions = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { action: string });
  expect(actions.filter(({ action }) => action === 'command.taken').length).toBe(
    actions.filter(({ action }) => action === 'command.ended').length,
  );
  expect(await executors()).toBe(before);
});
