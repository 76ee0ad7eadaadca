import { describe, expect, it } from 'vitest';
import { ProcessReader, parseProcessStat, unitOf } from '../../../../agent/proc/processes.ts';
import type { ProcessListArguments } from '../../../../protocol/system.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createMachineFiles, type MachineFiles } from '../../../fakes/machine-files.ts';

// Words of a command line, as the kernel keeps them.
const WEB = `${['web', '--port', '80'].join('\0')}\0`;
const never = new AbortController().signal;

interface Fake {
  name: string;
  ticks: number;
  uid?: number;
  rss?: number;
  command?: string;
  cgroup?: string;
}

async function writeProcess(files: MachineFiles, pid: number, fake: Fake): Promise<void> {
  const { name, ticks, uid = 0, rss = 0, command = '', cgroup = '0::/\n' } = fake;
  const stat = `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 4194560 10 20 0 0 ${ticks} 0 0 0 20 0 3 0 ${pid * 100} 1000 ${rss} 0\n`;
  await files.write(`proc/${pid}/stat`, stat);
  await files.write(
    `proc/${pid}/status`,
    `Name:\tx\nUid:\t0\t${uid}\t0\t0\n${rss === 0 ? '' : `VmRSS:\t   ${rss * 4} kB\n`}`,
  );
  await files.write(`proc/${pid}/cmdline`, command);
  await files.write(`proc/${pid}/cgroup`, cgroup);
}

describe('the list of processes', () => {
  it('tells what each has used since the last look, and who and what it is', async () => {
    await using files = await createMachineFiles();
    await writeProcess(files, 1, { name: 'init', ticks: 100, rss: 100, command: '/sbin/init\0' });
    await writeProcess(files, 20, {
      name: 'web (x) y',
      ticks: 50,
      uid: 1000,
      rss: 500,
      command: WEB,
      cgroup: '0::/system.slice/web.service\n',
    });
    await writeProcess(files, 30, { name: 'kworker/0:1', ticks: 0 });
    const clock = createFakeClock();
    const reader = new ProcessReader({ clock, roots: files.roots });
    const first = reader.list({ sort: 'cpu', top: 10 }, never);
    await clock.untilArmed(1);
    await clock.advance(500);
    await first;
    await writeProcess(files, 20, {
      name: 'web (x) y',
      ticks: 150,
      uid: 1000,
      rss: 500,
      command: WEB,
      cgroup: '0::/system.slice/web.service\n',
    });
    await clock.advance(2000);
    const got = await reader.list({ sort: 'cpu', top: 2 }, never);
    expect(got).toMatchObject({ total: 3, matched: 3, window_s: 2 });
    expect(got.processes).toEqual([
      {
        pid: 20,
        ppid: 1,
        user: 'ana',
        state: 'S',
        cpu: 50,
        rss: 500 * 4096,
        threads: 3,
        started: '2023-11-14T22:13:40.000Z',
        command: 'web --port 80',
        unit: 'web.service',
      },
      expect.objectContaining({ pid: 1, user: 'root', cpu: 0, command: '/sbin/init' }),
    ]);
    const later = async (args: ProcessListArguments) => {
      await clock.advance(1000);
      return reader.list(args, never);
    };
    const byMemory = await later({ sort: 'memory', top: 1 });
    expect(byMemory.processes.map(({ pid }) => pid)).toEqual([20]);
    const filtered = await later({ sort: 'pid', top: 10, filter: 'KWORKER' });
    expect(filtered).toMatchObject({
      total: 3,
      matched: 1,
      processes: [{ pid: 30, command: '[kworker/0:1]' }],
    });
    expect(await later({ sort: 'pid', top: 10, filter: 'ana' })).toMatchObject({ matched: 1 });
  });

  it('finds the unit in both versions of control groups', () => {
    expect(unitOf('0::/user.slice/user-1000.slice/session-3.scope\n')).toBe('session-3.scope');
    expect(unitOf('4:memory:/x\n1:name=systemd:/system.slice/ssh.service\n0::/\n')).toBe('ssh.service');
    expect(unitOf('0::/docker/abc\n')).toBe('/docker/abc');
    expect(unitOf('0::/\n')).toBeUndefined();
  });

  it('reads a name with spaces and parentheses', () => {
    expect(parseProcessStat('7 (a) b (c) R 1 2')).toMatchObject({
      pid: 7,
      name: 'a) b (c',
      state: 'R',
      ppid: 1,
    });
    expect(parseProcessStat('')).toBeUndefined();
  });
});
