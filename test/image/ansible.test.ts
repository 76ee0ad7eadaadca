// infra/ansible, run by a real ansible-playbook: this machine, as a host with an agent of its own folder.
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { freePort } from '../fakes/free-port.ts';
import { killGroup, type Outcome, startProgram } from '../host/harness/command.ts';
import { type HostOrchestrator, serve } from '../host/support/orchestrator.ts';
import { eventually } from './support/fleet.ts';
import { type PythonTool, providePython } from './support/python.ts';

const PLAYBOOK = join(ROOT, 'infra/ansible/playbook.yml');

/** Or why this machine has none. */
let ansible: PythonTool | string;
let orchestrator: HostOrchestrator;
let work: string;

beforeAll(async () => {
  ansible = await providePython('ansible-core');
  work = mkdtempSync(join(tmpdir(), 'vm-agent-ansible-'));
  orchestrator = await serve({ address: '127.0.0.1', port: await freePort() });
});

afterAll(async () => {
  await orchestrator?.dispose();
  rmSync(work, { recursive: true, force: true });
  rmSync(join(ROOT, 'infra/ansible/.vm-agent-setup.sh'), { force: true });
});

beforeEach((context) => {
  if (typeof ansible === 'string') context.skip(ansible);
});

function play(words: readonly string[]): Promise<Outcome> {
  if (typeof ansible === 'string') throw new Error(ansible);
  return ansible.run(['ansible', 'playbook', ...words, PLAYBOOK], {
    timeoutMs: 200_000,
    env: {
      PATH: [join(ROOT, 'bin'), process.env['PATH']].join(':'),
      HOME: work,
      LC_ALL: 'C.UTF-8',
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_LOCALHOST_WARNING: 'false',
      VM_ORCHESTRATOR_URL: orchestrator.url,
      VM_ORCHESTRATOR_API_TOKEN: orchestrator.apiToken,
      VM_ORCHESTRATOR_CA_FILE: join(orchestrator.data, 'client-ca.pem'),
    },
  });
}

/** An inventory of one host: this machine, with an agent below `home`. */
function inventory(home: string, port: number, more: Record<string, unknown> = {}): string {
  const file = join(work, 'inventory.json');
  const vars = {
    ansible_connection: 'local',
    ansible_become: false,
    ansible_python_interpreter: '{{ ansible_playbook_python }}',
    vm_agent_port: port,
    vm_agent_script_path: join(work, 'setup.sh'),
    vm_agent_options: ['--user', '--home', home, '--port', String(port), '--label', 'by=ansible'],
    ...more,
  };
  writeFileSync(file, JSON.stringify({ vm_agents: { hosts: { node: vars } } }));
  return file;
}

describe('the playbook', () => {
  it('passes the syntax check', async () => {
    const { code, out, err } = await play(['--syntax-check', '-i', inventory(work, 1)]);
    expect({ code, said: code === 0 ? '' : out + err }).toEqual({ code: 0, said: '' });
  });

  it('enrolls a host, changes nothing the second time, asks a healthy agent alone, and shows its token at no verbosity', async () => {
    const home = join(work, 'home');
    const port = await freePort();
    const hosts = inventory(home, port);
    const first = await play(['-vvv', '-i', hosts]);
    expect({ code: first.code, said: first.code === 0 ? '' : first.out + first.err }).toEqual({
      code: 0,
      said: '',
    });
    expect(first.out).toMatch(/node +: ok=\d+ +changed=2 /);
    expect(first.out + first.err).not.toMatch(/prov_[0-9a-z]+_/);
    expect(existsSync(join(home, 'security/vm_agent.crt'))).toBe(true);
    const agents = await orchestrator.agents();
    expect(agents).toHaveLength(1);

    const second = await play(['-i', hosts]);
    expect(second.out).toMatch(/node +: ok=\d+ +changed=0 /);
    expect((await orchestrator.agents()).map(({ agent_id }) => agent_id)).toEqual([agents[0]?.agent_id]);

    const agent = startProgram([join(home, 'current/bin/vm-agent'), 'server', '--home', home]);
    try {
      const health = () => fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      await eventually(
        'health',
        async () => (await health())?.status === 200,
        () => '',
      );
      const third = await play(['-i', hosts]);
      expect(third.out).toMatch(/node +: ok=\d+ +changed=0 +unreachable=0 +failed=0 +skipped=3 /);
    } finally {
      killGroup(agent);
    }
  });

  it('takes no other program on the agent’s port for an agent', async () => {
    const other = createServer((_request, response) => response.end('[]')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { code, out } = await play(['-i', inventory(join(work, 'taken'), port)]);
      expect(code).not.toBe(0);
      expect(out).toContain(`${port}`);
      expect(out).toMatch(/failed=1/);
    } finally {
      other.close();
    }
  });

  it('fails with the installer’s own words', async () => {
    const token = 'prov_0_wrong';
    const hosts = inventory(join(work, 'other'), await freePort(), { vm_agent_token: token });
    const { code, out } = await play(['-i', hosts, '-e', `vm_agent_token=${token}`]);
    expect(code).not.toBe(0);
    expect(out).toContain('Say why the host could not be enrolled');
    expect(out).toMatch(/provisioning token/);
  });
});
