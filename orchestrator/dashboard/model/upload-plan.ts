/** Bytes in one request: a lost connection costs at most so much, and progress moves as often. */
export const PART_BYTES = 4 * 1024 * 1024;

/** An upload that was begun, as the browser keeps it for the day on which its tab is opened again. */
export interface KeptUpload {
  uploadId: string;
  /** Which file of this computer: a browser gives a page no path. */
  name: string;
  size: number;
  modified: number;
}

export const uploadKey = (org: string, agentId: string, path: string): string =>
  `upload:${org}:${agentId}:${path}`;

/** What was kept, if it is of this very file. */
export function keptUpload(
  text: string | null,
  file: { name: string; size: number; lastModified: number },
): KeptUpload | undefined {
  if (text === null) return undefined;
  try {
    const kept = JSON.parse(text) as Partial<KeptUpload>;
    const same = kept.name === file.name && kept.size === file.size && kept.modified === file.lastModified;
    return same && typeof kept.uploadId === 'string' ? (kept as KeptUpload) : undefined;
  } catch {
    return undefined;
  }
}

export interface Progress {
  sent: number;
  size: number;
  /** Bytes a second of late; undefined until that is known. */
  speed: number | undefined;
}

/** Speed from the parts of the last seconds. */
export function createSpeed(): (bytes: number, nowMs: number) => number | undefined {
  const WINDOW_MS = 5000;
  let points: { at: number; bytes: number }[] = [];
  return (bytes, nowMs) => {
    points = [...points.filter(({ at }) => nowMs - at < WINDOW_MS), { at: nowMs, bytes }];
    const [first] = points;
    return first === undefined || nowMs - first.at < 250
      ? undefined
      : ((bytes - first.bytes) * 1000) / (nowMs - first.at);
  };
}
