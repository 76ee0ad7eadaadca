/** How values read on the page. English, short, the same width while they tick where that is possible. */

const SIZES = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** 1024-based, like the configuration's `100MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZES[unit] ?? 'B'}`;
}

const pad = (value: number): string => String(value).padStart(2, '0');

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A length of time in one unit. */
function coarse(seconds: number, whole: (value: number) => number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${whole(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${whole(seconds / 3600)} h`;
  return `${whole(seconds / 86_400)} d`;
}

/** `now` and `at` in ms; a future time, from clocks that differ a little, is `just now`. */
export function formatAgo(at: number, now: number): string {
  const seconds = (now - at) / 1000;
  return seconds < 1 ? 'just now' : `${coarse(seconds, Math.floor)} ago`;
}

/** `in 3 h`, or `ended` when it is past. */
export function formatUntil(at: number, now: number): string {
  const seconds = (at - now) / 1000;
  return seconds <= 0 ? 'ended' : `in ${coarse(seconds, Math.round)}`;
}

export const formatPercent = (fraction: number): string => `${Math.round(fraction * 100)} %`;

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** `a=1 b=2` or `a=1, b=2` to labels; the word that is none is named. */
export function parseLabels(text: string): { labels: Record<string, string> } | { wrong: string } {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const labels: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1) return { wrong: word };
    labels[word.slice(0, at)] = word.slice(at + 1);
  }
  return { labels };
}
