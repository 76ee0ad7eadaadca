// The power goes, somebody closes the terminal: the installer is killed at each of its steps, and run again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'cut-1' });
  orchestrator = await serve({ address: machine.hostAddress });
  await machine.writeFile('/root/ca.pem', orchestrator.caPem);
  await machine.runOk([
    'curl',
    '-fsS',
    '--cacert',
    '/root/ca.pem',
    '-o',
    '/root/setup.sh',
    `${orchestrator.url}/setup.sh`,
  ]);
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

const STEPS = 10;
const words = () => [
  'sh',
  '/root/setup.sh',
  '--token-stdin',
  '--server-url',
  orchestrator.url,
  '--ca-file',
  '/root/ca.pem',
];

/** Runs the installer and kills it with all its children when a line of its progress appears; answers that line. */
async function killAt(token: string, line: RegExp): Promise<string | undefined> {
  const { child, stop } = machine.start(words());
  child.stdin?.end(`${token}\n`);
  const ended = new Promise((resolve) => child.once('close', resolve));
  let out = '';
  let seen: string | undefined;
  child.stderr?.resume();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    seen ??= line.exec(out)?.[0];
    if (seen !== undefined) stop();
  });
  await ended;
  // A process that was killed counts as alive until its parent has taken note of its end.
  await machine.waitFor('the end of its processes', async () => {
    const { out } = await machine.run("grep -ls '^State:.Z' /proc/[0-9]*/status; pgrep -f '[/]setup'");
    return out === '';
  });
  return seen;
}

const complete = async (token: string) => {
  const { code, out, err } = await machine.run(words(), { input: `${token}\n`, timeoutMs: 120_000 });
  expect({ code, text: code === 0 ? '' : out + err }).toEqual({ code: 0, text: '' });
};

/** Enrolled, online, one agent for the whole story, nothing half made. */
async function expectWhole(vmIds: readonly string[]): Promise<void> {
  const vmId = (await machine.readFile('/opt/vm-agent/security/vm_id')).toString().trim();
  const agents = await orchestrator.agents();
  expect(agents.map(({ vm_id }) => vm_id).toSorted()).toEqual([...vmIds, vmId].toSorted());
  expect(agents.find(({ vm_id }) => vm_id === vmId)?.online).toBe(true);
  const half = await machine.runOk(
    'find /opt/vm-agent /var/lib/vm-agent /etc/systemd/system /usr/local/bin -name "*.tmp" -o -name ".staging*" -o -name ".old*" -o -name "*.new" -o -name "identity.*"; find /tmp -name "vm-agent-setup.*"',
  );
  expect(half.out).toBe('');
}

describe.each([
  { when: 'in the middle of', ending: ' \\.\\.\\.$' },
  { when: 'right after', ending: ': (done|already done).*$' },
])('[enroll-4] an installer that is killed $when', ({ ending }) => {
  it('each of its ten steps leaves a machine that the next run completes', async () => {
    const { token } = await orchestrator.createToken();
    const killed: (string | undefined)[] = [];
    for (let step = 1; step <= STEPS; step++)
      killed.push(await killAt(token, new RegExp(`^\\[${step}/${STEPS}\\] .*?${ending}`, 'm')));
    expect(killed).not.toContain(undefined);
    await complete(token);
    await expectWhole([]);
    expect((await machine.run(['vm-agent', 'uninstall', '--yes', '--purge'])).code).toBe(0);
  });
});

it('[enroll-4] a machine whose power goes in the middle of the registration is completed after its boot', async () => {
  const { token } = await orchestrator.createToken();
  const { child } = machine.start(words());
  child.stdin?.end(`${token}\n`);
  let out = '';
  await new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.stderr?.resume();
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (/Registration \.\.\./.test(out)) resolve();
    });
  });
  await machine.cutPower();
  await machine.boot();
  await complete(token);
  await expectWhole([]);
  expect((await machine.run(['vm-agent', 'uninstall', '--yes', '--purge'])).code).toBe(0);
});

it('[enroll-4] a machine whose power went between a user and its group is completed', async () => {
  const { token } = await orchestrator.createToken();
  await machine.runOk(
    "useradd --system --user-group --no-create-home vm-agent; sed -i '/^vm-agent:/d' /etc/group /etc/gshadow",
  );
  await complete(token);
  await expectWhole([]);
});
