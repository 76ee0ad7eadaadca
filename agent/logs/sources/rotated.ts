/** Names that rotation gives, by the ways of logrotate, savelog, log4j, logback, newsyslog and multilog's users. */

const COMPRESSED = '(?:\\.(?:gz|zst|zstd|xz|bz2|lz4|Z))?';
const DATE = '\\d{4}-?\\d{2}-?\\d{2}(?:[-_.T]?\\d{2}(?:[-:]?\\d{2}){0,2})?(?:[-.]\\d{1,4})?|\\d{10}';
const NUMBER = '\\d{1,5}|old';

interface RotatedName {
  name: string;
  /** Grows with age. */
  number?: number;
  /** Grows with time: digits only. */
  date?: string;
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** The names among `names` that are older parts of the log `base`, newest first. */
export function rotatedNames(base: string, names: readonly string[]): string[] {
  const dot = base.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [base.slice(0, dot), base.slice(dot)] : [base, ''];
  const forms = [
    // log.1, log-20240131.gz, log.2024-01-31
    new RegExp(`^${literal(base)}(?:[.](${NUMBER})|[-._]?(${DATE}))${COMPRESSED}$`),
    // app.1.log, app-2024-01-31.log.gz; a number behind a dash is rather another instance.
    ...(ending === ''
      ? []
      : [new RegExp(`^${literal(stem)}(?:[.](${NUMBER})|[-._](${DATE}))${literal(ending)}${COMPRESSED}$`)]),
  ];
  const found: RotatedName[] = [];
  for (const name of names) {
    if (name === base) continue;
    const match = forms.map((form) => form.exec(name)).find((one) => one !== null);
    if (match === undefined || match === null) continue;
    const [, number, date] = match;
    if (number !== undefined) found.push({ name, number: number === 'old' ? 0 : Number(number) });
    else if (date !== undefined) found.push({ name, date: date.replace(/\D/g, '') });
  }
  return found.sort(newestFirst).map(({ name }) => name);
}

/** Numbered ones are younger than dated ones: who changed from one way to the other dates the old ones, or both. */
function newestFirst(a: RotatedName, b: RotatedName): number {
  if (a.number !== undefined && b.number !== undefined) return a.number - b.number || order(a.name, b.name);
  if (a.date !== undefined && b.date !== undefined) return order(b.date, a.date) || order(b.name, a.name);
  return a.number === undefined ? 1 : -1;
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
