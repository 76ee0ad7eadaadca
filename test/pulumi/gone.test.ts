// A machine that is no more: nobody can take the agent off it, and its agent is to end all the same.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentFleet } from '../../infra/index.ts';
import { bootMachines, type Machines } from './support/machines.ts';
import { openStack } from './support/stack.ts';

let machines: Machines;
beforeAll(async () => {
  machines = await bootMachines(['alpha', 'beta']);
});
afterAll(() => machines.dispose());

it('a host that is gone is left alone, and revoked when it leaves the record', async () => {
  const { orchestrator, key } = machines;
  let names = ['alpha', 'beta'];
  let gone = false;
  const host = (name: string) => {
    const { machine, hostKey } = machines.get(name);
    const reach = { dialErrorLimit: 1, perDialTimeout: 3 };
    const connection = { host: machine.address, privateKey: key.privateKey, hostKey, ...reach };
    return [name, { connection, gone: gone && name === 'beta' }] as const;
  };
  const stack = await openStack({
    program: async () => {
      const { status } = new AgentFleet('f', {
        orchestrator: {
          url: orchestrator.url,
          apiToken: orchestrator.apiToken,
          caFile: `${orchestrator.data}/client-ca.pem`,
        },
        hosts: Object.fromEntries(names.map(host)),
      });
      return { status };
    },
  });
  try {
    expect((await stack.up()).error).toBeUndefined();
    await machines.get('beta').machine.runOk('systemctl stop ssh.socket ssh vm-agent');
    expect((await stack.up()).error).toMatch(/ssh: connect to host/);

    gone = true;
    const left = await stack.up();
    expect(left.error).toBeUndefined();
    expect(left.outputs['status']).toEqual({ alpha: 'online', beta: 'gone' });
    expect((await stack.up()).touched).toEqual([]);

    names = ['alpha'];
    const removed = await stack.up();
    expect(removed.error).toBeUndefined();
    expect(removed.touched).toContain('delete f-beta-agent');
    expect((await orchestrator.agents()).map(({ hostname }) => hostname)).toEqual(['alpha']);
    expect((await stack.destroy()).error).toBeUndefined();
    expect(await orchestrator.agents()).toEqual([]);
  } finally {
    stack.dispose();
  }
});
