// A virtual machine from the printed line to a command's output, and what a boot changes. Everything in it is emulated:
// Node needs seconds to start there, so waits are long; the order of events is what counts.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostOrchestrator, serve } from '../host/support/orchestrator.ts';
import { hostAddress } from './harness/image-recipe.ts';
import { bootVm, type Vm } from './harness/vm.ts';

let vm: Vm;
let orchestrator: HostOrchestrator;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

beforeAll(async () => {
  const port = await freePort();
  orchestrator = await serve({
    address: '127.0.0.1',
    port,
    publicUrl: `https://${hostAddress}:${port}`,
  });
  vm = await bootVm({ hostname: 'vm-2' });
});
afterAll(async () => {
  await orchestrator?.dispose();
  await vm?.dispose();
});

const only = async () => (await orchestrator.agents())[0];

describe('the one-liner on a virtual machine', () => {
  it('enrolls it', async () => {
    const { one_liner } = await orchestrator.createToken('--label', 'env=vm');
    expect(one_liner).toContain(hostAddress);
    const { code, out, err } = await vm.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 300_000 });
    expect({ code, tail: code === 0 ? '' : out + err }).toEqual({ code: 0, tail: '' });
    await vm.waitFor('the agent online', async () => (await only())?.online);
    expect(await only()).toMatchObject({ hostname: 'vm-2', labels: { env: 'vm' }, state: 'active' });
  });

  it('lets commands run on it', async () => {
    const run = ['run', '--selector', 'env=vm', '--timeout', '60', '--', 'uname -n; echo oops >&2; exit 4'];
    const { code, out, err } = await orchestrator.cli(run, 120_000);
    expect({ code, out }).toEqual({ code: 4, out: 'vm-2\n' });
    expect(err).toContain('oops');
  });

  it('comes back by itself after a reboot', async () => {
    const before = await only();
    await vm.reboot();
    await vm.waitFor('the agent online again', async () => {
      const agent = await only();
      return agent?.online === true && agent.connected_at !== before?.connected_at;
    });
    const { code, out } = await orchestrator.cli(['run', '--timeout', '60', '--', 'echo back'], 120_000);
    expect({ code, out }).toEqual({ code: 0, out: 'back\n' });
  });
});
