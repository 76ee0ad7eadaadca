/** Counters of a network interface since boot. */
export interface NetworkCounters {
  name: string;
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
}

/** The text of /proc/net/dev. */
export function parseNetDev(text: string): NetworkCounters[] {
  const found: NetworkCounters[] = [];
  for (const line of text.split('\n')) {
    // The numbers may follow the colon without a space, and a name may hold colons itself.
    const match = /^\s*(\S.*):\s*(\d[\d\s]*)$/.exec(line);
    if (match === null) continue;
    const fields = (match[2] ?? '').trim().split(/\s+/).map(Number);
    const at = (i: number): number => fields[i] ?? 0;
    found.push({
      name: match[1] ?? '',
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    });
  }
  return found;
}
