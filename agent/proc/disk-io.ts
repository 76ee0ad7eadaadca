/** Counters of a block device since boot. */
export interface DiskIo {
  device: string;
  reads: number;
  readBytes: number;
  readSeconds: number;
  writes: number;
  writtenBytes: number;
  writeSeconds: number;
  /** Seconds in which it had something to do. */
  busySeconds: number;
}

// Always 512, whatever the device's own sectors are: Documentation/admin-guide/iostats.rst of the kernel.
const SECTOR = 512;
/** Partitions repeat what their disk counts; loop and ram devices what the disk below them counts. */
const LEFT_OUT = /^(z?ram|loop|fd|(h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+$/;

/** The text of /proc/diskstats; devices that never did anything are left out. */
export function parseDiskstats(text: string): DiskIo[] {
  const found: DiskIo[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const device = fields[2];
    if (device === undefined || LEFT_OUT.test(device)) continue;
    const at = (i: number): number => Number(fields[i] ?? 0);
    if (at(3) + at(7) === 0) continue;
    found.push({
      device,
      reads: at(3),
      readBytes: at(5) * SECTOR,
      readSeconds: at(6) / 1000,
      writes: at(7),
      writtenBytes: at(9) * SECTOR,
      writeSeconds: at(10) / 1000,
      busySeconds: at(12) / 1000,
    });
  }
  return found;
}
