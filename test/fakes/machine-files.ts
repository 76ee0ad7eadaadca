import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Roots } from '../../agent/proc/read.ts';
import { createTempHome } from './temp-home.ts';

/** Files as the kernel shows them on a small machine, in a folder of their own. */
export interface MachineFiles extends AsyncDisposable {
  roots: Roots;
  write(path: string, text: string | Buffer): Promise<void>;
}

const FILES: Readonly<Record<string, string>> = {
  'proc/stat': `cpu  200 20 100 1600 60 10 10 0 0 0
cpu0 100 10 50 800 30 5 5 0 0 0
cpu1 100 10 50 800 30 5 5 0 0 0
intr 5000 1 2 3
ctxt 7000
btime 1700000000
processes 300
procs_running 2
procs_blocked 1
softirq 9 1 2
`,
  'proc/loadavg': '0.50 0.25 0.10 2/300 4000\n',
  'proc/uptime': '1000.50 1900.00\n',
  'proc/meminfo': `MemTotal:        4000000 kB
MemFree:         1000000 kB
MemAvailable:    3000000 kB
Buffers:          100000 kB
Cached:           500000 kB
SwapCached:            0 kB
Active:           700000 kB
Inactive:         600000 kB
Active(anon):        100 kB
AnonPages:         90000 kB
Mapped:            80000 kB
Shmem:             70000 kB
Slab:              60000 kB
SReclaimable:      50000 kB
SUnreclaim:        10000 kB
KernelStack:        3000 kB
PageTables:         4000 kB
Dirty:               500 kB
Writeback:             0 kB
Committed_AS:     900000 kB
SwapTotal:       2000000 kB
SwapFree:        1500000 kB
HugePages_Total:       0
`,
  'proc/diskstats': `   8       0 sda 100 5 2000 300 50 5 1000 200 0 400 500 0 0 0 0
   8       1 sda1 90 5 1800 290 40 5 900 190 0 390 480 0 0 0 0
   7       0 loop0 10 0 80 5 0 0 0 0 0 5 5 0 0 0 0
   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
`,
  'proc/net/dev': `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
eth0:123456789 200 1 2 0 0 0 0 987654 150 3 4 0 0 0 0
  dead:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`,
  'proc/self/mountinfo': `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
28 27 254:0 /home /home rw,relatime shared:1 - ext4 /dev/vda rw
29 27 0:99 / /no\\040such\\040place ro,relatime - tmpfs tmpfs rw
30 27 0:31 / /run/user/1000 rw - tmpfs tmpfs rw
`,
  'proc/pressure/cpu': `some avg10=1.50 avg60=2.50 avg300=3.00 total=2000000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
`,
  'proc/pressure/memory': `some avg10=0.10 avg60=0.20 avg300=0.30 total=3000000
full avg10=0.05 avg60=0.06 avg300=0.07 total=1000000
`,
  'proc/pressure/io': `some avg10=4.00 avg60=5.00 avg300=6.00 total=4000000
full avg10=2.00 avg60=3.00 avg300=4.00 total=2500000
`,
  'sys/class/thermal/thermal_zone0/type': 'x86_pkg_temp\n',
  'sys/class/thermal/thermal_zone0/temp': '47500\n',
  'sys/class/hwmon/hwmon1/name': 'coretemp\n',
  'sys/class/hwmon/hwmon1/temp1_input': '51000\n',
  'sys/class/hwmon/hwmon1/temp1_label': 'Package id 0\n',
  'sys/class/hwmon/hwmon1/temp2_input': '-274000\n',
  'run/systemd/sessions/1':
    'UID=1000\nUSER=ana\nSTATE=active\nREMOTE=1\nREMOTE_HOST=192.0.2.7\nTTY=pts/0\nCLASS=user\nREALTIME=1700000500000000\n',
  'run/systemd/sessions/c1': 'USER=gdm\nCLASS=greeter\nSTATE=online\n',
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\nana:x:1000:1000::/home/ana:/bin/bash\nalias:x:1000:1000::/:/bin/sh\n',
};

export async function createMachineFiles(): Promise<MachineFiles> {
  const home = await createTempHome();
  const write = async (path: string, text: string | Buffer) => {
    await mkdir(dirname(home.join(path)), { recursive: true });
    await writeFile(home.join(path), text);
  };
  for (const [path, text] of Object.entries(FILES)) await write(path, text);
  return {
    roots: { proc: home.join('proc'), sys: home.join('sys'), run: home.join('run'), etc: home.join('etc') },
    write,
    [Symbol.asyncDispose]: () => home.remove(),
  };
}
