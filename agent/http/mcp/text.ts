/** At most about `limit` characters: head and tail, with a line between them that says how many are left out. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const half = Math.floor(limit / 2);
  const head = whole(text.slice(0, half));
  const tail = whole(text.slice(text.length - half));
  return `${head}\n[… ${text.length - head.length - tail.length} characters left out …]\n${tail}`;
}

/** Without half of a surrogate pair at an edge. */
const whole = (text: string): string => text.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '');
