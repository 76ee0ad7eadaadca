/** Bytes by the kernel's names. See proc_meminfo(5). */
export type Meminfo = ReadonlyMap<string, number>;

/** The text of /proc/meminfo. Counts without a unit (huge pages) are left as they are. */
export function parseMeminfo(text: string): Meminfo {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const value = Number.parseInt(line.slice(colon + 1), 10);
    found.set(line.slice(0, colon), line.endsWith(' kB') ? value * 1024 : value);
  }
  return found;
}
