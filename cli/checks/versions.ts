const parts = (version: string): number[] => (version.split(/[-+]/)[0] ?? '').split('.').map(Number);

/** Negative when `a` is the older one. What stands behind a hyphen comes before the version itself (semver.org, 11). */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(b.includes('-')) - Number(a.includes('-'));
}

export const newestFirst = (versions: readonly string[]): string[] =>
  versions.toSorted((a, b) => compareVersions(b, a));
