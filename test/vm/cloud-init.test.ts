// A virtual machine that enrolls itself at its first boot, by nothing but its user-data; what is left of the token
// there; and a copy of its disk, which must be neither a second agent nor the first one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderUserData } from '../../cloud-init/render.ts';
import { freePort } from '../fakes/free-port.ts';
import { type HostOrchestrator, serve } from '../host/support/orchestrator.ts';
import { hostAddress } from './harness/image-recipe.ts';
import { bootVm, type Vm } from './harness/vm.ts';

const ONLINE_TIMEOUT_MS = 240_000;
const END_TIMEOUT_MS = 180_000;
const ENROLL = 'vm-agent-enroll.service';

let orchestrator: HostOrchestrator;
let url: string;
let token: string;
let vm: Vm;

beforeAll(async () => {
  const port = await freePort();
  url = `https://${hostAddress}:${port}`;
  orchestrator = await serve({ address: '127.0.0.1', port, publicUrl: url });
  const made = await orchestrator.cli(['cloud-init', '--label', 'env=cloud']);
  expect(made.code).toBe(0);
  token = /prov_[a-z0-9]{12}_[a-z0-9]{40}_[0-9a-f]{32}/.exec(made.out)?.[0] ?? '';
  vm = await bootVm({
    hostname: 'cloud-1',
    image: 'cloud-init',
    instance: { id: 'i-original', userData: made.out },
  });
});
afterAll(async () => {
  await vm?.dispose();
  await orchestrator?.dispose();
});

const secret = () => token.split('_')[2] ?? '';
const agents = () => orchestrator.agents();
const online = (since?: string | null) =>
  vm.waitFor(
    'the agent online',
    async () => {
      const [agent] = await agents();
      return agent?.online === true && agent.connected_at !== since ? agent : undefined;
    },
    ONLINE_TIMEOUT_MS,
  );

/**
 * Files and programs of a machine that show the secret to a user. Devices are not searched: the drive that the user-data
 * came on is root's to read, as a platform's metadata would be.
 */
async function whoShows(user: string): Promise<string> {
  // What is searched for comes by stdin and goes through pipes, so that no process's arguments hold it.
  const search = `
    read -r secret
    has() { grep -aqF -f <(printf '%s\\n' "$secret"); }
    for show in 'journalctl --no-pager -o export' 'cloud-init query userdata' 'cloud-init query --all' 'ps axeww'; do
      if $show 2>/dev/null | has; then echo "$show"; fi
    done
    for file in $(find / -xdev -name '*.gz' -newer /etc/machine-id -readable 2>/dev/null); do
      if zcat "$file" 2>/dev/null | has; then echo "$file"; fi
    done
    grep -rlaF -f <(printf '%s\\n' "$secret") / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev 2>/dev/null
    grep -rlaF -f <(printf '%s\\n' "$secret") /dev/shm 2>/dev/null
    true`;
  const options = { user, input: `${secret()}\n`, timeoutMs: 240_000 };
  // One that must be found shows that the search can.
  const control = '/var/tmp/control';
  await vm.runOk(`umask 022; cat >${control}`, { input: secret() });
  const { out } = await vm.runOk(['bash', '-c', search], options);
  await vm.runOk(['rm', control]);
  expect(out).toContain(`${control}\n`);
  return out.replace(`${control}\n`, '');
}

/** The cloud-configs of an archive, without their headers. */
const configsIn = (archive: string) =>
  archive
    .split(/^--vm-agent-user-data(?:--)?\n/m)
    .map((section) => section.slice(section.indexOf('\n\n') + 2))
    .filter((content) => content.startsWith('#cloud-config'));

describe('user-data from the command line', () => {
  it('enrolls the machine at its first boot', async () => {
    expect(await online()).toMatchObject({ hostname: 'cloud-1', labels: { env: 'cloud' }, state: 'active' });
    expect((await vm.run(['cloud-init', 'status'])).out).toBe('status: done\n');
    const run = ['run', '--selector', 'env=cloud', '--timeout', '60', '--', 'uname -n; exit 4'];
    expect(await orchestrator.cli(run, END_TIMEOUT_MS)).toMatchObject({ code: 4, out: 'cloud-1\n' });
  });

  it('is good for cloud-init’s own schema, with a command for the token, and as part of an archive', async () => {
    const base = { url, labels: { env: 'cloud' }, setupSha256: 'a'.repeat(64), port: 0 };
    const valid = async (input: string) => {
      const check = 'cat >/run/u; cloud-init schema --config-file /run/u';
      return (await vm.run(check, { input: input.replace(secret(), '0'.repeat(40)) })).code === 0;
    };
    const [inArchive = '', ...more] = configsIn(renderUserData({ ...base, token, format: 'mime' }));
    expect(more).toEqual([]);
    for (const text of [renderUserData({ ...base, tokenFrom: "get --it 'x'" }), inArchive])
      expect(await valid(text)).toBe(true);
    expect(await valid('#cloud-config\nruncmd: 7\n')).toBe(false);
    await vm.runOk(['rm', '/run/u']);
  });

  it('leaves its token nowhere on the machine [cloud-1]', async () => {
    expect(await whoShows('root')).toBe('');
    expect(await whoShows('nobody')).toBe('');
    // The copies are there as they were, but for the secret.
    expect((await vm.runOk(['cloud-init', 'query', 'userdata'])).out).toContain('redacted-after-enrolment');
  });
});

describe('a copy of its disk with another instance id', () => {
  let copy: Vm;
  beforeAll(async () => {
    await vm.runOk(['sync']);
    await vm.cutPower();
    const mine = `#cloud-config\nwrite_files: [{path: /root/mine, content: mine}]\nruncmd: [[touch, /root/ran]]\n`;
    copy = await bootVm({
      hostname: 'cloud-2',
      cloneOf: vm,
      instance: {
        id: 'i-copy',
        userData: renderUserData({ url, token, format: 'mime', parts: [{ content: mine }] }),
      },
      state: 'degraded',
    });
  });
  afterAll(() => copy?.dispose());
  const status = async (unit: string) =>
    (await copy.run(['systemctl', 'status', '--no-pager', '--full', unit])).out;

  it('does not run as the original, and says so [cloud-2]', async () => {
    const text = await status('vm-agent.service');
    expect(text).toContain('failed');
    expect(text).toMatch(/This disk is a copy: .* on the instance i-original, and this is i-copy/);
    expect(await agents()).toMatchObject([{ hostname: 'cloud-1', online: false }]);
  });

  it('does not enroll with the token that the original used, and says so [cloud-2]', async () => {
    const text = await status(ENROLL);
    expect(text).toContain('failed');
    expect(text).toMatch(/The token that was given is the one that the original used/);
    expect(await agents()).toHaveLength(1);
    // Nothing was even sent with it: the orchestrator saw no token a second time.
    const { items } = await orchestrator.api<{ items: { action: string }[] }>('GET', 'audit?limit=100');
    expect(items.map(({ action }) => action)).not.toContain('token.reuse_refused');
    const { out } = await copy.run(['cat', '/var/lib/cloud/instance/user-data.txt']);
    expect(out).toContain('redacted-after-enrolment');
    expect(out).not.toContain(secret());
  });

  it('has what other parts of its user-data asked for', async () => {
    expect((await copy.runOk(['cat', '/root/mine'])).out).toBe('mine');
    expect((await copy.run(['test', '-e', '/root/ran'])).code).toBe(0);
  });

  it('leaves the original alone, which comes back after its boot with nothing of the token', async () => {
    await vm.boot();
    const agent = await online();
    expect((await vm.run(['systemctl', 'is-failed', ENROLL])).code).not.toBe(0);
    expect(await whoShows('root')).toBe('');
    expect(await whoShows('nobody')).toBe('');
    expect(await agents()).toMatchObject([{ agent_id: agent.agent_id, connected_at: agent.connected_at }]);
  });

  it('becomes an agent of its own by a token made for it', async () => {
    const [original] = await agents();
    const fresh = (await orchestrator.createToken('--label', 'env=copy')).token;
    const { code, err } = await copy.run(['vm-agent', 'install', '--token-stdin'], {
      input: `${fresh}\n`,
      timeoutMs: 300_000,
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const all = await agents();
    expect(all).toHaveLength(2);
    expect(all.find(({ agent_id }) => agent_id === original?.agent_id)).toMatchObject({
      online: true,
      connected_at: original?.connected_at,
    });
    expect(all.find(({ agent_id }) => agent_id !== original?.agent_id)).toMatchObject({
      online: true,
      labels: { env: 'copy' },
    });
  });
});
