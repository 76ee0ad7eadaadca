// One boot of a machine: from the start of systemd-nspawn to its exit.
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inCgroups } from './cgroups.ts';
import { startProgram } from './command.ts';
import { folderOf, nspawnName } from './remains.ts';

// systemd-nspawn --keep-unit leaves the restart after a reboot to its caller and says so with this status.
const rebootStatus = 133;

export type BootEnd = 'reboot' | 'poweroff' | 'crash';

export interface Boot {
  /** Pid on the host of the machine's systemd. */
  readonly leader: number;
  /** Settles when systemd-nspawn has ended. */
  readonly ended: Promise<BootEnd>;
}

export interface BootOptions {
  readonly id: string;
  readonly hostname: string;
  readonly namespace: string;
  readonly cgroups: readonly string[];
}

/** Starts systemd in the machine's root and waits until it is there; the rest of the boot goes on meanwhile. */
export async function startContainer(options: BootOptions): Promise<Boot> {
  const folder = folderOf(options.id);
  const console = openSync(join(folder, 'console.log'), 'a');
  const argv = [
    'systemd-nspawn',
    '--quiet',
    `--directory=${join(folder, 'root')}`,
    '--boot',
    '--register=no',
    '--keep-unit',
    `--network-namespace-path=/run/netns/${options.namespace}`,
    '--console=pipe',
    `--machine=${nspawnName(options.id)}`,
    `--hostname=${options.hostname}`,
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    // The network is the machine's own, and so are its packet filters.
    '--capability=CAP_NET_ADMIN',
  ];
  const child = startProgram(inCgroups(options.cgroups, argv), undefined, ['ignore', console, console]);
  closeSync(console);
  let end: BootEnd | undefined;
  const ended = new Promise<BootEnd>((resolve) => {
    const settle = (value: BootEnd) => {
      end = value;
      resolve(value);
    };
    child.once('error', () => settle('crash'));
    child.once('exit', (code) =>
      settle(code === rebootStatus ? 'reboot' : code === 0 ? 'poweroff' : 'crash'),
    );
  });
  for (;;) {
    if (end !== undefined || child.pid === undefined)
      throw new Error(`systemd-nspawn did not start: ${consoleText(options.id)}`);
    const leader = childrenOf(child.pid).find(isInit);
    if (leader !== undefined) return { leader, ended };
    await sleep(10);
  }
}

/** All that the machine's boots have printed on their console. */
export function consoleText(id: string): string {
  return readFileSync(join(folderOf(id), 'console.log'), 'utf8');
}

function childrenOf(pid: number): number[] {
  return ignoringGone([], () =>
    readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    ),
  );
}

/** Whether a process is the first of a pid namespace of its own and has become systemd. */
function isInit(pid: number): boolean {
  return ignoringGone(false, () => {
    const ids =
      /^NSpid:(.*)$/m
        .exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
        ?.trim()
        .split(/\s+/) ?? [];
    return (
      ids.length > 1 && ids.at(-1) === '1' && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd'
    );
  });
}

function ignoringGone<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
