// docs/operations.md's loop over machines, as it stands there: scp and ssh to a stock sshd.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type Outcome, runProgram } from './harness/command.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';
import { type SshAccess, sshTo } from './support/ssh.ts';

/** The first shell block after this heading. */
function blockOf(heading: string): string {
  const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const after = text.slice(text.indexOf(`### ${heading}\n`));
  const [, block] = /```sh\n(.*?)```/s.exec(after) ?? [];
  if (block === undefined) throw new Error(`docs/operations.md has no shell block after ${heading}`);
  return block;
}

let machine: Machine;
let orchestrator: HostOrchestrator;
let access: SshAccess;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'web-1', rootfs: 'ssh' });
  orchestrator = await serve({ address: machine.hostAddress });
  access = await sshTo([machine]);
});

afterAll(async () => {
  access?.dispose();
  await orchestrator?.dispose();
  await machine?.dispose();
});

const roll = (hosts: string, apiToken = orchestrator.apiToken): Promise<Outcome> =>
  runProgram(['sh', '-c', blockOf('Rolling out by a shell loop')], {
    env: {
      PATH: [access.bin, join(ROOT, 'bin'), process.env['PATH']].join(':'),
      HOME: orchestrator.data,
      HOSTS: hosts,
      VM_ORCHESTRATOR_URL: orchestrator.url,
      VM_ORCHESTRATOR_API_TOKEN: apiToken,
      VM_ORCHESTRATOR_CA_FILE: join(orchestrator.data, 'client-ca.pem'),
    },
    timeoutMs: 200_000,
  });

describe('the loop of the operations page', () => {
  it('goes to no machine without a token', async () => {
    const { code, out } = await roll('web-1', 'vmo_wrong');
    expect({ code: code === 0, out }).toEqual({ code: false, out: '' });
  });

  it('enrolls a machine, says which one could not be reached, and leaves no script and no token there', async () => {
    const { code, out, err } = await roll('web-1 web-2');
    expect(err).toMatch(/failed: web-2\n$/);
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringContaining('Done: vm-web-1-') });
    await machine.waitFor('the agent online', async () =>
      (await orchestrator.agents()).some(
        ({ hostname, online, labels }) => hostname === 'web-1' && online && labels['role'] === 'web',
      ),
    );
    expect(await machine.exists('/root/vm-agent-setup.sh')).toBe(false);
    const leaked = await machine.run('grep -rlE "prov_[0-9a-z]+_" /root /tmp /var/log /run /etc 2>/dev/null');
    expect(leaked.out).toBe('');
  });

  it('changes nothing on a machine that is enrolled, and ends with the list of agents', async () => {
    const before = await orchestrator.agents();
    const { code, out, err } = await roll('web-1');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Nothing to do: vm-web-1-');
    expect(out.trim().split('\n').at(-1)).toContain('web-1');
    expect((await orchestrator.agents()).map(({ agent_id }) => agent_id)).toEqual(
      before.map(({ agent_id }) => agent_id),
    );
  });
});
