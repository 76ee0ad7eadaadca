// The two privilege levels on a machine with a real systemd: what the daemon cannot do, what commands can, and what a
// hijacked daemon gets out of the executor.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { runProgramOk } from './harness/command.ts';
import { type Enrolled, enrolledMachine, signedCommand } from './support/enrolled.ts';

let at: Enrolled;
beforeAll(async () => {
  at = await enrolledMachine('exec-1');
});
afterAll(() => at?.dispose());

const NODE = '/opt/vm-agent/current/runtime/node';
const support = (name: string) => readFileSync(join(ROOT, 'test/host/support', name));
const score = async (unit: string) => {
  const { out } = await at.machine.run(['systemd-analyze', 'security', '--no-pager', unit]);
  return Number(/exposure level for .*: ([\d.]+)/.exec(out)?.[1]);
};
const audit = async (): Promise<{ action: string; detail: Record<string, unknown> }[]> =>
  (await at.machine.runOk(['vm-agent', 'audit', '--json'])).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the daemon', () => {
  it('[sandbox-1] is confined as tightly as systemd can measure', async () => {
    expect(await score('vm-agent.service')).toBeLessThanOrEqual(1.2);
    expect(await score('vm-agent-exec@probe.service')).toBeLessThanOrEqual(1.0);
    const { err } = await at.machine.run(
      'systemd-analyze verify --man=no /etc/systemd/system/vm-agent.service /etc/systemd/system/vm-agent-exec.socket',
    );
    expect(err).toBe('');
  });

  it('[sandbox-2] cannot do what its unit denies, tried from inside', async () => {
    const { machine } = at;
    await machine.writeFile('/opt/vm-agent/versions/probe.mjs', support('sandbox-probe.mjs'));
    const unit = (await machine.readFile('/etc/systemd/system/vm-agent.service')).toString();
    const probe = unit
      .replace(/^ExecStart=.*$/m, `ExecStart=${NODE} /opt/vm-agent/versions/probe.mjs`)
      .replace(/^Restart=.*$/m, 'Restart=no\nStandardOutput=file:/run/probe.json')
      .replace(/^Type=exec$/m, 'Type=oneshot');
    await machine.writeFile('/run/systemd/system/vm-agent-probe.service', probe);
    await machine.runOk('systemctl daemon-reload && systemctl start vm-agent-probe.service');
    expect(JSON.parse((await machine.readFile('/run/probe.json')).toString())).toEqual({
      shadow: 'EACCES',
      executorKey: 'EACCES',
      ledger: 'EACCES',
      rootHome: 'EACCES',
      writeEtc: 'EROFS',
      writeTrust: 'EROFS',
      writePolicy: 'EROFS',
      writeProgram: 'EACCES',
      shell: 'EACCES',
      shellByLoader: 'ended with 127',
      systemdRun: 'EACCES',
      others: 0,
      port443: 'EACCES',
      ownState: 'done',
      port8081: 'done',
      ownRuntime: 'ended with 0',
      policy: 'done',
    });
    await machine.runOk(
      'rm /opt/vm-agent/versions/probe.mjs /run/systemd/system/vm-agent-probe.service; systemctl daemon-reload',
    );
  });
});

describe('commands that the orchestrator signed', () => {
  it('have all of root’s rights, outside of the sandbox', async () => {
    const { machine } = at;
    const folder = '/tmp/vm-agent-test-deb';
    await runProgramOk([
      'sh',
      '-c',
      `rm -rf ${folder} && mkdir -p ${folder}/p/DEBIAN ${folder}/p/usr/share/tried && echo x >${folder}/p/usr/share/tried/x &&
       printf 'Package: tried\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nDescription: x\\n' >${folder}/p/DEBIAN/control &&
       dpkg-deb -b ${folder}/p ${folder}/tried.deb`,
    ]);
    await machine.writeFile('/root/tried.deb', readFileSync(`${folder}/tried.deb`));
    const { code, out, err } = await at.command(
      [
        'set -e',
        'apt-get install -y /root/tried.deb >/dev/null 2>&1; dpkg -s tried | grep Status',
        'systemctl restart cron; systemctl is-active cron',
        'echo "# tried" >>/etc/hosts; tail -n 1 /etc/hosts',
        'unshare --mount --pid --fork echo unshared',
        'mkdir -p /mnt/tried; mount -t tmpfs none /mnt/tried; findmnt -n -o FSTYPE /mnt/tried; umount /mnt/tried',
        'iptables -L >/dev/null && echo iptables',
        'id -u; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status',
      ].join('\n'),
    );
    expect(err).toBe('');
    expect(out.split('\n')).toEqual([
      'Status: install ok installed',
      'active',
      '# tried',
      'unshared',
      'tmpfs',
      'iptables',
      '0',
      expect.stringMatching(/^CapEff:\t0*[1-9a-f]/),
      'NoNewPrivs:\t0',
      '',
    ]);
    expect(code).toBe(0);
  });

  it('come back with the executor’s signature on their ends', async () => {
    expect((await at.command('echo signed; exit 4')).code).toBe(4);
    const { items } = await at.orchestrator.api<{ items: { action: string; detail: object }[] }>(
      'GET',
      'audit?limit=50',
    );
    const ends = items.map(({ detail }) => detail).filter((detail) => 'attested' in detail);
    expect(ends.length).toBeGreaterThan(1);
    for (const detail of ends) expect(detail).toMatchObject({ attested: true });
  });

  it('[process-1] end with everything that they started, when they are cancelled or out of time', async () => {
    const started = 'setsid sleep 4712 & (setsid setsid sleep 4712 &); trap "" TERM; sleep 4712';
    const { code } = await at.command(started, '--timeout', '2');
    expect(code).not.toBe(0);
    expect((await at.machine.run(['pgrep', '-f', '^sleep 4712'])).out).toBe('');
    const { out } = await at.command('nohup sleep 4712 >/dev/null 2>&1 & echo over');
    expect(out).toBe('over\n');
    expect((await at.machine.run(['pgrep', '-f', '^sleep 4712'])).out).toBe('');
  });

  it('say why they did not start', async () => {
    const { machine, orchestrator } = at;
    const cwd = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: { command: 'pwd', cwd: '/no/such/folder' },
    });
    expect(await orchestrator.ended(cwd.id)).toMatchObject({ state: 'failed', reason: 'not_started' });
    const policy = '/opt/vm-agent/config/policy.yaml';
    await machine.runOk(
      `cp ${policy} /root/policy && sed -i 's/^  orchestrator:/&\\n    run_as: nosuch/' ${policy}`,
    );
    const user = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: { command: 'id' },
    });
    expect(await orchestrator.ended(user.id)).toMatchObject({
      state: 'failed',
      reason: 'not_started',
      result: { error: { message: expect.stringContaining('nosuch') } },
    });
    await machine.runOk(`cat /root/policy >${policy}`);
  });

  it('read files as root too, through a worker', async () => {
    const { orchestrator } = at;
    const job = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      tool: 'read_file',
      arguments: { file_path: '/etc/shadow' },
    });
    expect(await orchestrator.ended(job.id)).toMatchObject({ state: 'succeeded' });
    const own = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      tool: 'read_file',
      arguments: { file_path: '/opt/vm-agent/security/api_key' },
    });
    expect(await orchestrator.ended(own.id)).toMatchObject({ state: 'refused', reason: 'policy' });
  });

  it('[delivery-2] go on while the daemon is restarted and killed, and bring output and exit code', async () => {
    const { machine } = at;
    const run = at.command('for i in $(seq 1 7); do echo $i; echo e$i >&2; sleep 1; done; exit 9');
    const pid = async () =>
      (await machine.runOk(['systemctl', 'show', '-p', 'MainPID', '--value', 'vm-agent'])).out;
    await machine.waitFor(
      'the command',
      async () => (await machine.run(['pgrep', '-f', 'sleep 1'])).code === 0,
    );
    const before = await pid();
    // A reload makes systemd read the unit of the command again.
    await machine.runOk('systemctl daemon-reload; systemctl restart vm-agent');
    await machine.waitFor('the agent', async () => (await pid()) !== before);
    // Now the executor alone, then the daemon.
    await machine.waitFor(
      'the executor',
      async () => (await machine.run('pkill -KILL -f vm-agent-exec[.]mjs')).code === 0,
    );
    await machine.runOk(['systemctl', 'kill', '-s', 'KILL', 'vm-agent']);
    const { code, out, err } = await run;
    expect({ code, out }).toEqual({ code: 9, out: '1\n2\n3\n4\n5\n6\n7\n' });
    expect(err).toContain('e7');
  });
});

describe('a hijacked daemon', () => {
  const attack = async (messages: unknown[], user = 'vm-agent', socket = 'exec') => {
    const { machine } = at;
    await machine.writeFile('/tmp/attacker.mjs', support('attacker.mjs'));
    await machine.writeFile('/tmp/messages.json', JSON.stringify(messages));
    const { out, err } = await machine.run([
      'runuser',
      '-u',
      user,
      '--',
      NODE,
      '/tmp/attacker.mjs',
      '/tmp/messages.json',
      `/run/vm-agent/${socket}.sock`,
    ]);
    if (out === '') throw new Error(`no answer: ${err}`);
    return JSON.parse(out);
  };

  it('[executor-1] gets nothing executed by commands that are unsigned, altered, expired, replayed or another’s', async () => {
    const { machine, orchestrator } = at;
    const touch = (name: string) => `touch /root/attacked-${name}`;
    expect((await at.command(touch('replayed'))).code).toBe(0);
    await machine.runOk(['rm', '/root/attacked-replayed']);
    // Another agent of the same organization, and commands that never reached this one.
    const { token } = await orchestrator.createToken('--label', 'env=second');
    await machine.runOk(
      [
        'vm-agent',
        'install',
        '--home',
        '/root/second',
        '--port',
        '0',
        '--server-url',
        orchestrator.url,
        '--token-stdin',
      ],
      { input: `${token}\n`, timeoutMs: 120_000 },
    );
    await orchestrator.api('POST', 'jobs', {
      selector: 'env=second',
      arguments: { command: touch('foreign') },
    });
    await machine.runOk(['systemctl', 'stop', 'vm-agent']);
    await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: { command: touch('altered') },
    });
    await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: { command: touch('expired') },
      expires_in: 1,
    });
    const altered = signedCommand(orchestrator, touch('altered'));
    const payload = Buffer.from(altered.envelope.payload, 'base64').toString();
    const forged = Buffer.from(payload.replace('attacked-altered', 'attacked-forged!')).toString('base64');
    const expired = signedCommand(orchestrator, touch('expired'));
    const until = Date.parse(
      JSON.parse(Buffer.from(expired.envelope.payload, 'base64').toString()).expires_at,
    );
    await machine.waitFor('its expiry', () => Date.now() > until);
    const replayed = signedCommand(orchestrator, touch('replayed'));
    const foreign = signedCommand(orchestrator, touch('foreign'));
    const start = ({ id, envelope, delegation }: typeof altered) => ({
      type: 'start',
      id,
      signed: { envelope, delegation },
    });
    const before = (await audit()).length;
    expect(
      await attack([
        { type: 'start', id: 'unsigned' },
        start({ ...altered, envelope: { ...altered.envelope, payload: forged } }),
        start(expired),
        start(replayed),
        start(foreign),
        // Genuine, under another name.
        { ...start(altered), id: 'renamed' },
      ]),
    ).toEqual({
      unsigned: 'bad_request',
      [altered.id]: 'signature_invalid',
      [expired.id]: 'command_expired',
      [replayed.id]: 'command_replayed',
      [foreign.id]: 'wrong_agent',
      renamed: 'bad_request',
    });
    expect((await machine.run('ls /root/attacked-*')).out).toBe('');
    const refused = (await audit()).slice(before);
    expect(refused.map(({ action, detail }) => [action, detail['code']])).toEqual([
      ['command.refused', 'bad_request'],
      ['command.refused', 'signature_invalid'],
      ['command.refused', 'command_expired'],
      ['command.refused', 'command_replayed'],
      ['command.refused', 'wrong_agent'],
      ['command.refused', 'bad_request'],
    ]);
    // The genuine one was not used up by the forgeries: it runs when the daemon is back.
    await machine.runOk(['systemctl', 'start', 'vm-agent']);
    await machine.waitFor(
      'the genuine one',
      async () => (await machine.run('ls /root/attacked-altered')).code === 0,
    );
  });

  it.each(['exec', 'admin'])(
    '[executor-2] has what the policy grants to local-api, as its user, and no more: %s.sock',
    async (name) => {
      const { machine } = at;
      const local = (id: string, tool: string, args: unknown) => ({
        type: 'start',
        id,
        local: { tool, arguments: args },
      });
      expect(
        await attack(
          [
            local('shell', 'execute_shell_command', { command: 'id -un >/tmp/who; cat /etc/shadow' }),
            local('read', 'read_file', { file_path: '/etc/shadow' }),
            local('write', 'write_file', { file_path: '/opt/vm-agent/config/policy.yaml', content: 'x' }),
          ],
          'vm-agent',
          name,
        ),
      ).toMatchObject({
        shell: { kind: 'exited', exit_code: 1 },
        read: { kind: 'thrown', code: expect.stringMatching(/forbidden|path_refused|not_found/) },
        write: { kind: 'thrown' },
      });
      expect((await machine.readFile('/tmp/who')).toString()).toBe('vm-agent-run\n');
      const policy = '/opt/vm-agent/config/policy.yaml';
      await machine.runOk(
        `cp ${policy} /root/policy && printf 'version: 1\\ngrants:\\n  orchestrator:\\n    tools: {allow: ["*"]}\\n' >${policy}`,
      );
      const denied = await attack(
        [local('denied', 'execute_shell_command', { command: 'id' })],
        'vm-agent',
        name,
      );
      expect(denied).toEqual({ denied: 'policy_refused' });
      await machine.runOk(`cat /root/policy >${policy}`);
    },
  );

  it('is alone in being let in: other users are not', async () => {
    expect(await attack([{ type: 'start', id: 'x' }], 'nobody')).toEqual({ error: 'EACCES' });
  });
});

describe('secrets', () => {
  it('[secret-3] of commands appear in nothing that another user, or the journal, can read', async () => {
    const { machine, orchestrator } = at;
    const [text, value, input] = ['canary-text-7d1f', 'canary-env-93ab', 'canary-stdin-55c0'];
    const job = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: {
        command: `: ${text}; read line; [ "$line" = ${input} ] && [ "$SECRET" = ${value} ] && touch /root/told; while [ ! -e /root/go ]; do sleep 0.2; done`,
        env: { SECRET: value },
        stdin: `${input}\n`,
      },
    });
    await machine.waitFor('the command', async () => (await machine.run('ls /root/told')).code === 0);
    const seen = await machine.runOk(
      [
        'systemctl show "*" 2>/dev/null',
        'systemctl list-units --all --no-pager --full',
        'systemctl cat "vm-agent-cmd-*" 2>/dev/null',
        'journalctl --no-pager -o export | strings 2>/dev/null || journalctl --no-pager',
        'cat /proc/[0-9]*/cmdline | tr "\\0" " "',
        'runuser -u nobody -- sh -c "cat /proc/[0-9]*/environ" 2>/dev/null | tr "\\0" " "',
        'cat /var/log/vm-agent/*',
        'vm-agent audit --json',
        'find /run /tmp /var/lib /var/log /etc -type f -perm -o=r -newer /root/policy -exec cat {} + 2>/dev/null',
      ].join('; '),
    );
    await machine.runOk(['touch', '/root/go']);
    for (const secret of [text, value, input]) expect(seen.out.includes(secret), secret).toBe(false);
    expect(await orchestrator.ended(job.id)).toMatchObject({ state: 'succeeded' });
    // Nothing of it stays behind either.
    const { out } = await machine.run(
      `grep -rlE "${text}|${value}|${input}" /run/vm-agent-exec /var/lib/vm-agent-exec; true`,
    );
    expect(out).toBe('');
  });
});

describe('a reboot', () => {
  it('[delivery-3] ends a running command as lost with its host, and nothing else as unknown', async () => {
    const { machine, orchestrator } = at;
    const job = await orchestrator.api('POST', 'jobs', {
      selector: 'env=test',
      arguments: { command: 'touch /run/began; sleep 600' },
    });
    await machine.waitFor('the command', async () => (await machine.run('ls /run/began')).code === 0);
    await machine.cutPower();
    await machine.boot();
    expect(await orchestrator.ended(job.id)).toMatchObject({ state: 'unknown', reason: 'host_rebooted' });
    expect((await at.command('echo again')).out).toBe('again\n');
    expect((await machine.runOk(['vm-agent', 'audit', '--verify'])).out).toMatch(/^\d+ entries, whole/);
  });
});
