import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cgroupsOf } from '../host/harness/cgroups.ts';
import { folderOf } from '../host/harness/remains.ts';
import { hostAddress } from './harness/image-recipe.ts';
import { bootVm, type Vm } from './harness/vm.ts';

describe('a virtual machine', () => {
  let vm: Vm;
  beforeAll(async () => {
    vm = await bootVm({ hostname: 'vm-1' });
  });
  afterAll(() => vm?.dispose());

  /** Runs a shell command as a unit with these properties and waits for its end. */
  const unit = (properties: readonly string[], command: string) =>
    vm.run([
      'systemd-run',
      '--wait',
      '--pipe',
      '--collect',
      ...properties.map((property) => `--property=${property}`),
      '/bin/sh',
      '-c',
      command,
    ]);

  it('runs a kernel and a systemd of its own under the name it was given', async () => {
    expect((await vm.run(['systemctl', 'is-system-running'])).out).toBe('running\n');
    expect((await vm.run(['hostname'])).out).toBe('vm-1\n');
    expect((await vm.run(['systemd-detect-virt'])).out).toBe('qemu\n');
    expect((await vm.run(['stat', '-fc', '%T', '/sys/fs/cgroup'])).out).toBe('cgroup2fs\n');
  });

  it('gives exit status, output and input through as they are', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128]);
    const { code, stdout, err } = await vm.run('cat; echo oops >&2; exit 3', { input: bytes });
    expect({ code, stdout, err }).toEqual({ code: 3, stdout: bytes, err: 'oops\n' });
    expect((await vm.run('kill -9 $$')).code).toBe(137);
    await expect(vm.run(['sleep', '600'], { timeoutMs: 500 })).rejects.toThrow('killed after 500 ms');
  });

  it('holds a unit to its TasksMax', async () => {
    const { code, err } = await unit(['TasksMax=8'], 'for i in $(seq 20); do sleep 600 & done');
    expect(code).not.toBe(0);
    expect(err).toContain('Cannot fork');
  });

  it('holds a unit to its MemoryMax', async () => {
    const { err } = await unit(['MemoryMax=32M', 'MemorySwapMax=0'], 'head -c 200M /dev/zero | tail');
    expect(err).toContain('Finished with result: oom-kill');
  });

  it('reaches a server on the host’s loopback, unless IPAddressDeny keeps it from it', async () => {
    const server = createServer((_, response) => response.end('here')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const ask = `curl -sS --max-time 8 http://${hostAddress}:${port}/`;
      expect(await unit([], ask)).toMatchObject({ code: 0, out: 'here' });
      expect(await unit(['IPAddressDeny=any'], ask)).toMatchObject({ code: 28, out: '' });
    } finally {
      server.close();
    }
  });

  it('leaves nothing on the host when it is disposed of', async () => {
    expect(vm.console()).toContain('Linux');
    await vm.dispose();
    expect(existsSync(folderOf(vm.id))).toBe(false);
    expect(cgroupsOf(vm.id).filter(existsSync)).toEqual([]);
  });
});
