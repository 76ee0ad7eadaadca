// One power-on of a virtual machine: from the start of QEMU to its end.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCgroups, inCgroups } from '../../host/harness/cgroups.ts';
import { killGroup, startProgram } from '../../host/harness/command.ts';
import { connectGuest, type GuestAgent } from './guest-agent.ts';
import type { Image } from './image.ts';

export interface PowerOn {
  readonly guest: GuestAgent;
  /** Ends QEMU at once, as a power cut would: what the machine did not flush to its disk is lost. */
  cut(): Promise<void>;
}

export interface QemuOptions {
  /** Holds the machine's own disk and sockets, and its console's text. */
  readonly folder: string;
  readonly hostname: string;
  readonly image: Image;
  readonly cgroups: readonly string[];
}

/** Where a machine's user-data lies, if it has any: the drive that cloud-init calls NoCloud. */
export const seedIn = (folder: string): string => join(folder, 'seed.img');

export const overlayIn = (folder: string): string => join(folder, 'disk.qcow2');

function argvOf({ folder, hostname, image }: QemuOptions): readonly string[] {
  const kernelLine = [
    'root=/dev/vda',
    'rw',
    'console=ttyS0',
    'quiet',
    'panic=-1',
    'systemd.show_status=1',
    `systemd.hostname=${hostname}`,
  ];
  return [
    'qemu-system-x86_64',
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1024'],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', kernelLine.join(' ')],
    ...['-drive', `file=${overlayIn(folder)},if=virtio,format=qcow2,cache=writeback`],
    ...(existsSync(seedIn(folder))
      ? ['-drive', `file=${seedIn(folder)},if=virtio,format=raw,readonly=on`]
      : []),
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net', '-device', 'virtio-rng-pci'],
    ...['-chardev', `file,id=console,path=${join(folder, 'console.log')},append=on`],
    ...['-serial', 'chardev:console', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=guest,path=${socketIn(folder)},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=guest,name=org.qemu.guest_agent.0'],
  ];
}

const socketIn = (folder: string): string => join(folder, 'guest.sock');

/** Switches the machine on; the boot goes on meanwhile. */
export async function startQemu(options: QemuOptions): Promise<PowerOn> {
  const { folder, cgroups } = options;
  createCgroups(cgroups);
  rmSync(socketIn(folder), { force: true });
  const console = openSync(join(folder, 'console.log'), 'a');
  const child = startProgram(inCgroups(cgroups, argvOf(options)), undefined, ['ignore', console, console]);
  closeSync(console);
  child.once('error', () => undefined);
  while (!existsSync(socketIn(folder))) {
    if (hasEnded(child)) throw new Error(`QEMU did not start; see ${folder}/console.log`);
    await sleep(20);
  }
  const guest = await connectGuest(socketIn(folder));
  return {
    guest,
    async cut() {
      guest.close();
      if (hasEnded(child)) return;
      const exited = once(child, 'exit');
      killGroup(child);
      await exited;
    },
  };
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
