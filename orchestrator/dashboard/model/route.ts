/** A pattern of the part of the address after `#`: words, and `:name` for a part that varies, such as `agents/:id`. */
export type Pattern = string;

/** Where the page is: every view has a link that can be kept and sent. */
export interface Place {
  pattern: Pattern;
  params: Readonly<Record<string, string>>;
  /** What follows `?`, such as the folder that is looked at. */
  query: ReadonlyMap<string, string>;
}

const PART = /^\w[\w.@:-]*$/;

function paramsOf(pattern: Pattern, parts: readonly string[]): Record<string, string> | undefined {
  const words = pattern === '' ? [] : pattern.split('/');
  if (words.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, word] of words.entries()) {
    const part = parts[at] ?? '';
    if (!word.startsWith(':')) {
      if (word !== part) return undefined;
    } else if (PART.test(part)) params[word.slice(1)] = part;
    else return undefined;
  }
  return params;
}

/** The first pattern that fits; undefined: there is no such page. */
export function placeOf(hash: string, patterns: Iterable<Pattern>): Place | undefined {
  const [path = '', search = ''] = hash.replace(/^#?\/*/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '');
  for (const pattern of patterns) {
    const params = paramsOf(pattern, parts);
    if (params !== undefined) return { pattern, params, query: new Map(new URLSearchParams(search)) };
  }
  return undefined;
}

export const agentLink = (id: string): string => `#/agents/${id}`;
export const jobLink = (id: string): string => `#/jobs/${id}`;
export const recordingLink = (id: string): string => `#/recordings/${id}`;
