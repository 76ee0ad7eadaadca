// What others on the machine can see while an installation runs: files by their modes, processes by /proc, systemd.
import { type FSWatcher, lstatSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bootMachine, type Machine } from './harness/machine.ts';
import { folderOf } from './harness/remains.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'open-1' });
  orchestrator = await serve({ address: machine.hostAddress });
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

/** The machine's files, seen from the host. */
const rootOf = () => join(folderOf(machine.id), 'root');
const SECRET = /^(vm_agent\.key|api_key)(\.|$)/;

/**
 * Watches a tree of the machine from the host. The kernel tells of each file that is made, written, renamed or given
 * another mode; its mode is looked at there and then.
 */
function watchModes(top: string) {
  const bad = new Set<string>();
  const looked = new Map<string, number>();
  const watchers = new Map<string, FSWatcher>();
  const look = (path: string) => {
    let stat: ReturnType<typeof lstatSync>;
    try {
      stat = lstatSync(path);
    } catch {
      return; // Gone already, as temporary files are.
    }
    const name = path.split('/').at(-1) ?? '';
    const mode = stat.mode & 0o7777;
    const relative = path.slice(top.length);
    looked.set(relative, (looked.get(relative) ?? 0) + 1);
    if (!stat.isSymbolicLink() && (mode & 0o022) !== 0) bad.add(`${relative} ${mode.toString(8)}`);
    if (SECRET.test(name) && (mode & 0o077) !== 0) bad.add(`${relative} ${mode.toString(8)} (secret)`);
    if (stat.isDirectory()) follow(path);
  };
  const follow = (folder: string) => {
    if (watchers.has(folder)) return;
    watchers.set(
      folder,
      watch(folder, (_event, name) => {
        if (name !== null) look(join(folder, name));
      }),
    );
    // What was made before the watch stood.
    for (const name of readdirSync(folder)) look(join(folder, name));
  };
  follow(top);
  return {
    bad,
    looked,
    stop: () => {
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

it('[secret-1] never has a key that others may read, nor a file that others may write, under umask 000', async () => {
  const root = rootOf();
  // As an earlier run may have left it, so that the watch stands before the first key is made.
  mkdirSync(join(root, 'opt/vm-agent/security'), { recursive: true, mode: 0o700 });
  const modes = watchModes(join(root, 'opt/vm-agent'));
  const units = watchModes(join(root, 'etc/systemd/system'));
  const { one_liner } = await orchestrator.createToken();
  try {
    await machine.runOk(['bash'], { input: `umask 000\n${one_liner}\n`, timeoutMs: 120_000 });
  } finally {
    modes.stop();
    units.stop();
  }
  expect([...modes.bad, ...units.bad]).toEqual([]);
  for (const name of ['vm_agent.key', 'api_key'])
    expect(modes.looked.get(`/security/${name}`), name).toBeGreaterThan(0);
  // Also before it had its name.
  expect([...modes.looked.keys()].some((path) => /vm_agent\.key\.[0-9a-f]+\.tmp$/.test(path))).toBe(true);
  const open = await machine.runOk(
    'find /opt/vm-agent /var/lib/vm-agent /var/log/vm-agent /run/vm-agent /usr/local/bin/vm-agent /etc/systemd/system -perm /022 ! -type l ! -type s',
  );
  expect(open.out).toBe('');
});

/** Every process of the machine, as root on the host sees it: command line and environment. */
function processes(): { pid: string; argv: string; environ: string }[] {
  const inMachine = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid));
  return inMachine.flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(machine.id)) return [];
      const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').replaceAll('\0', ' ');
      return [{ pid, argv: read('cmdline'), environ: read('environ') }];
    } catch {
      return []; // It has ended.
    }
  });
}

it('[secret-2] shows token and API key to no process, unit, log or message, from start to end', async () => {
  await machine.runOk(['vm-agent', 'uninstall', '--yes', '--purge']);
  const { token, one_liner } = await orchestrator.createToken();
  const secrets: string[] = [token, token.split('_')[2] ?? token];
  const { child } = machine.start(['bash']);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  let over = false;
  const ended = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      over = true;
      resolve(code);
    }),
  );
  child.stdin?.end(`${one_liner}\n`);
  const found = new Set<string>();
  const seen = new Set<string>();
  const apiKeyFile = join(rootOf(), 'opt/vm-agent/security/api_key');
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
  let rounds = 0;
  while (!over) {
    rounds++;
    if (secrets.length === 2) {
      try {
        secrets.push(readFileSync(apiKeyFile, 'utf8').trim());
      } catch {
        // Not made yet.
      }
    }
    for (const { pid, argv, environ } of processes()) {
      seen.add(pid);
      for (const secret of secrets.filter((one) => one !== '')) {
        if (argv.includes(secret)) found.add(`argv of ${argv.slice(0, 40)}`);
        if (environ.includes(secret)) found.add(`environment of ${argv.slice(0, 40)}`);
      }
    }
    await nextTurn();
  }
  expect(await ended).toBe(0);
  expect([...found]).toEqual([]);
  expect(rounds).toBeGreaterThan(20);
  expect(seen.size).toBeGreaterThan(5);
  expect(secrets).toHaveLength(3);

  const { out } = await machine.runOk(
    `systemctl show '*'; systemctl list-units --all --full; journalctl --no-pager --output=export
     cat /etc/systemd/system/vm-agent* /var/log/vm-agent/*
     find /opt/vm-agent /var/lib/vm-agent -type f -not -name api_key -not -path '*/versions/*' -exec cat {} +`,
  );
  for (const secret of secrets) {
    expect(text).not.toContain(secret);
    expect(out.includes(secret)).toBe(false);
  }
});

it('repeats a token in no message when it is refused', async () => {
  const { token } = await orchestrator.createToken();
  const wrong = token.replace(/_[a-z0-9]{40}_/, `_${'q'.repeat(40)}_`);
  const { code, out, err } = await machine.run(
    ['vm-agent', 'install', '--force-reinstall', '--debug', '--token-stdin'],
    { input: `${wrong}\n`, timeoutMs: 120_000 },
  );
  expect(code).toBe(14);
  expect(out + err).not.toContain('q'.repeat(40));
});
