// New versions on a machine with a real systemd: good ones stay, broken ones go back by themselves, and whatever is killed
// in between leaves one version that works.
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE } from '../../scripts/lib/root.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';
import { BROKEN, Releases } from './support/releases.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;
let releases: Releases;

beforeAll(async () => {
  releases = new Releases();
  machine = await bootMachine({ hostname: 'up-1' });
  orchestrator = await serve({ address: machine.hostAddress, program: releases.program });
  const { one_liner } = await orchestrator.createToken('--label', 'env=test');
  const { code, out, err } = await machine.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`not enrolled: ${out}${err}`);
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
  releases?.dispose();
});

const upgrade = async (...words: string[]) => {
  const { code, out, err } = await machine.run(['vm-agent', 'upgrade', '--json', '--grace', '10', ...words], {
    timeoutMs: 120_000,
  });
  return {
    code,
    err,
    report: out.trim() === '' ? undefined : JSON.parse(out.trim().split('\n').at(-1) ?? ''),
  };
};
const record = async () =>
  JSON.parse((await machine.readFile('/opt/vm-agent/versions/upgrade.json')).toString()) as {
    state: string;
    to_version: string;
    reason?: string;
  };
const onlineAs = (version: string) =>
  machine.waitFor(
    `version ${version} online`,
    async () => (await orchestrator.agents()).find((agent) => agent.online && agent.version === version),
    90_000,
  );
const works = async () =>
  (await orchestrator.cli(['run', '--selector', 'env=test', '--', 'echo works'])).out === 'works\n';
const rollbackUnitIsGone = () =>
  machine.waitFor(
    'the end of the watch',
    async () => !(await machine.exists('/etc/systemd/system/vm-agent-rollback.service')),
    60_000,
  );

describe('an upgrade', () => {
  it('[upgrade-1] brings a signed release while a command runs, and the command does not notice', async () => {
    await releases.offer('0.2.0');
    expect((await upgrade('--check')).report).toMatchObject({
      state: 'available',
      from: PACKAGE.version,
      to: '0.2.0',
    });
    const run = orchestrator.cli(
      ['run', '--selector', 'env=test', '--', 'for i in $(seq 1 12); do echo $i; sleep 1; done; exit 6'],
      120_000,
    );
    await machine.waitFor(
      'the command',
      async () => (await machine.run(['pgrep', '-f', 'sleep 1'])).code === 0,
    );
    const { code, err, report } = await upgrade();
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    expect(report).toMatchObject({ state: 'committed', from: PACKAGE.version, to: '0.2.0' });
    expect(await run).toMatchObject({
      code: 6,
      out: `${Array.from({ length: 12 }, (_, i) => i + 1).join('\n')}\n`,
    });
    await onlineAs('0.2.0');
    await rollbackUnitIsGone();
    expect((await upgrade()).report).toMatchObject({ state: 'up_to_date' });
  });

  it('comes from the orchestrator as well, for a selection of agents', async () => {
    await releases.offer('0.2.1');
    const { code, out, err } = await orchestrator.cli(
      ['upgrade', '--selector', 'env=test', '--json'],
      180_000,
    );
    expect({ code, err: code === 0 ? '' : out + err }).toEqual({ code: 0, err: '' });
    await onlineAs('0.2.1');
    expect(await works()).toBe(true);
  });

  it('refuses what is older, another version than the one that is asked for, and what nobody signed', async () => {
    await releases.offer('0.1.9');
    expect(await upgrade()).toMatchObject({
      code: expect.not.stringMatching(/^0$/),
      err: expect.stringContaining('downgrade'),
    });
    expect((await upgrade('--version', '9.9.9')).code).not.toBe(0);
    // Somebody else's key under the name of the one that signs.
    const keys = JSON.parse((await machine.readFile('/opt/vm-agent/trust/release_keys.json')).toString());
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
    keys.keys[0].key = other.toString('base64');
    await machine.writeFile('/opt/vm-agent/trust/release_keys.json', JSON.stringify(keys));
    await releases.offer('0.3.0');
    expect((await upgrade()).err).toMatch(/sign|release key/i);
    await onlineAs('0.2.1');
  });
});

describe('a version that does not work', () => {
  beforeAll(async () => {
    // The keys that the test before had spoilt.
    const keys = await orchestrator.raw('/artifacts/release-keys.json');
    await machine.writeFile('/opt/vm-agent/trust/release_keys.json', keys);
  });

  it.each(Object.keys(BROKEN) as (keyof typeof BROKEN)[])(
    '[upgrade-2] goes back by itself and says why: it %s',
    async (fault) => {
      await releases.offer('0.4.0', fault);
      const { code, err, report } = await upgrade();
      expect(code).not.toBe(0);
      expect(report ?? { state: err }).toMatchObject({
        state: 'rolled_back',
        reason: expect.stringMatching(/not run|not answer|not connect/),
      });
      await onlineAs('0.2.1');
      await rollbackUnitIsGone();
      expect(await works()).toBe(true);
      expect((await machine.run(['journalctl', '--no-pager', '-u', 'vm-agent-rollback'])).out).toContain(
        'rolling back',
      );
    },
  );

  it('[upgrade-2] goes back after a power cut in the middle, too', async () => {
    await releases.offer('0.4.1', 'hangs');
    machine.start(['vm-agent', 'upgrade', '--grace', '20']);
    await machine.waitFor('the switch', async () => {
      const now = await record().catch(() => undefined);
      return now?.state === 'switched' && now.to_version === '0.4.1';
    });
    await machine.cutPower();
    await machine.boot();
    await machine.waitFor('the way back', async () => (await record()).state === 'rolled_back', 90_000);
    await onlineAs('0.2.1');
    expect(await works()).toBe(true);
  });
});

describe('an upgrade whose record is lost', () => {
  it('[upgrade-2] goes back to the version that watches, once', async () => {
    await releases.offer('0.4.2', 'hangs');
    machine.start(['vm-agent', 'upgrade', '--grace', '60']);
    await machine.waitFor('the switch', async () => {
      const now = await record().catch(() => undefined);
      return now?.state === 'switched' && now.to_version === '0.4.2';
    });
    await machine.runOk(
      "echo '{' >/opt/vm-agent/versions/upgrade.json && systemctl kill --signal=KILL vm-agent-rollback",
    );
    await rollbackUnitIsGone();
    await onlineAs('0.2.1');
    expect(await works()).toBe(true);
    expect(await machine.exists('/opt/vm-agent/versions/upgrade.json.unreadable')).toBe(true);
    const { out } = await machine.run(['journalctl', '--no-pager', '-u', 'vm-agent-rollback']);
    expect(out.match(/upgrade\.json cannot be understood/g)).toHaveLength(1);
  });
});

describe('an upgrade that is killed', () => {
  const moments: [string, () => Promise<boolean>][] = [
    [
      'while it downloads',
      async () => (await machine.run('ls -A /opt/vm-agent/versions/.download/*')).code === 0,
    ],
    [
      'while it unpacks',
      async () => (await machine.run('ls -d /opt/vm-agent/versions/.staging-*')).code === 0,
    ],
    [
      'when the watch was prepared',
      async () => machine.exists('/etc/systemd/system/vm-agent-rollback.service'),
    ],
    ['after the switch', async () => (await record().catch(() => undefined))?.state === 'switched'],
  ];
  it.each(moments)(
    '[upgrade-3] %s leaves one version that works, and the next run completes it',
    async (_when, reached) => {
      const version = `0.5.${moments.findIndex(([, test]) => test === reached)}`;
      await releases.offer(version);
      machine.start(['vm-agent', 'upgrade', '--grace', '20']);
      await machine.waitFor('the moment', reached);
      await machine.run('pkill -KILL -f "vm-agent.mjs upgrade"');
      expect(
        await machine.waitFor(
          'a version that works',
          async () => ((await works().catch(() => false)) ? true : undefined),
          60_000,
        ),
      ).toBe(true);
      const { code, err } = await upgrade();
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      await onlineAs(version);
      await rollbackUnitIsGone();
    },
  );
});
