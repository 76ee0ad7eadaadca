// A terminal on a machine with a real systemd: a unit of its own that sits at it, as the user whom the policy names, and
// an executor that takes only what was signed.
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTerminal, type TerminalAtHand } from '../integration/support/terminal-client.ts';
import { type Enrolled, enrolledMachine } from './support/enrolled.ts';

let at: Enrolled;
let agentId: string;
beforeAll(async () => {
  at = await enrolledMachine('terminal-1');
  const { items } = await at.orchestrator.api<{ items: { agent_id: string }[] }>('GET', 'agents');
  agentId = items[0]?.agent_id ?? '';
});
afterAll(() => at?.dispose());

async function sit(command?: string): Promise<TerminalAtHand> {
  const { access } = at.orchestrator;
  const found = await connectTerminal(access, {
    agent: agentId,
    headers: { authorization: `Bearer ${access.token}` },
    first: { type: 'open', rows: 31, cols: 97, ...(command === undefined ? {} : { command }) },
  });
  if ('status' in found) throw new Error(`refused: ${found.status} ${found.code}`);
  return found;
}

describe('a terminal through the executor', () => {
  it('is a login shell of root at a terminal of its own, with job control', async () => {
    const terminal = await sit();
    await terminal.until(/[#$] /);
    terminal.type('tty; stty size; id -un; ps -o tty= -p $$; echo $0 $TERM; echo do""ne\n');
    await terminal.until('done\r\n');
    expect(terminal.screen()).toMatch(
      /\/dev\/pts\/\d+\r\n31 97\r\nroot\r\npts\/\d+ *\r\n\S*bash xterm-256color\r\n/,
    );
    expect(terminal.screen()).not.toContain('no job control');
    terminal.send({ type: 'resize', rows: 40, cols: 120 });
    terminal.type('stty size\n');
    await terminal.until('40 120\r\n');
    terminal.type('sleep 1000\n');
    await terminal.until('sleep 1000\r\n');
    await pause(300);
    terminal.type('\u0003');
    await terminal.until('^C');
    terminal.type('exit 9\n');
    expect(await terminal.ended()).toMatchObject({ reason: 'exit', exit_code: 9 });
  });

  it('[terminal-1] ends with everything that it started, also what left its session', async () => {
    const terminal = await sit();
    await terminal.until(/[#$] /);
    terminal.type('setsid -f nohup sleep 4242 >/dev/null 2>&1; echo star""ted\n');
    await terminal.until('started\r\n');
    expect((await at.machine.run(['pgrep', '-f', 'sleep 4242'])).code).toBe(0);
    terminal.send({ type: 'close' });
    await terminal.ended();
    await expect
      .poll(async () => (await at.machine.run(['pgrep', '-f', 'sleep 4242'])).code, { timeout: 20_000 })
      .toBe(1);
  });

  it('loses nothing of its last words', async () => {
    for (let round = 0; round < 5; round++) {
      const terminal = await sit('seq 1 5000; echo last');
      await terminal.ended();
      expect(terminal.screen().endsWith('5000\r\nlast\r\n')).toBe(true);
    }
  });

  it('ends with the daemon that carries its input', async () => {
    const terminal = await sit('echo up; exec sleep 4343');
    await terminal.until('up');
    await at.machine.runOk('systemctl restart vm-agent');
    await expect
      .poll(async () => (await at.machine.run(['pgrep', '-f', 'sleep 4343'])).code, { timeout: 30_000 })
      .toBe(1);
    await terminal.ended();
    const online = async () =>
      (await at.orchestrator.api<{ items: { online: boolean }[] }>('GET', 'agents')).items[0]?.online;
    await expect.poll(online, { timeout: 60_000 }).toBe(true);
  });

  it('[policy-1] is refused where the policy does not allow it', async () => {
    const policy = '/opt/vm-agent/config/policy.yaml';
    const before = (await at.machine.readFile(policy)).toString();
    await at.machine.runOk(
      `printf 'version: 1\\ngrants:\\n  orchestrator:\\n    tools:\\n      allow: ["*"]\\n      deny: [open_terminal]\\n' >${policy}`,
    );
    const terminal = await sit();
    expect(await terminal.ended()).toMatchObject({ reason: 'refused' });
    await at.machine.writeFile(policy, before);
  });

  it('is that of the user whom the policy names', async () => {
    const policy = '/opt/vm-agent/config/policy.yaml';
    await at.machine.runOk(
      `useradd -m -s /bin/bash guest; printf 'version: 1\\ngrants:\\n  orchestrator:\\n    run_as: guest\\n    tools:\\n      allow: ["*"]\\n' >${policy}`,
    );
    const terminal = await sit('id -un; pwd; stat -c %U $(tty)');
    await terminal.ended();
    expect(terminal.screen()).toBe('guest\r\n/home/guest\r\nguest\r\n');
  });
});
