/** What counts as a secret in text, wherever it stands: logs, configuration, output. */
export interface SecretRule {
  kind: string;
  pattern: RegExp;
  /** What stays of a match, before and behind the mark. */
  keep?: (match: readonly string[]) => readonly [before: string, after: string];
}

export const SECRET_NAME = '[\\w.-]*(?:passw(?:or)?d|secret|api_?key|api-key|token|credential)[\\w.-]*';
export const JSON_STRING = '"(?:[^"\\\\]|\\\\.)*"';

/** Secrets that show what they are by their form. In this order: what is larger first. A truncated secret counts as one. */
export const TOKEN_RULES: readonly SecretRule[] = [
  {
    kind: 'private key',
    pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  },
  { kind: 'provisioning token', pattern: /prov_[A-Za-z0-9_-]{6,}/g },
  { kind: 'API key', pattern: /vmk_[A-Za-z0-9_-]{6,}/g },
  { kind: 'API token', pattern: /vmo_[A-Za-z0-9_-]{6,}/g },
  { kind: 'JWT', pattern: /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}/g },
  {
    kind: 'password in an address',
    pattern: /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/"'<>]+@/gi,
    keep: ([, scheme = '']) => [scheme, '@'],
  },
  {
    kind: 'authorization',
    pattern: /\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/g,
    keep: ([, word = '']) => [word, ''],
  },
];

/** Secrets that show by the name that they are given. */
export const NAMED_RULES: readonly SecretRule[] = [
  {
    kind: 'secret by its name',
    pattern: new RegExp(`("${SECRET_NAME}"\\s*:\\s*)${JSON_STRING}`, 'gi'),
    keep: ([, name = '']) => [`${name}"`, '"'],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(`((?:^|[\\s"'])(?:--)?${SECRET_NAME}=)[^\\s"']+`, 'gim'),
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'secret by its name',
    pattern: /\b((?:passw(?:or)?d|secret)["']?\s*[:=]\s*)[^\s"',}\]]+/gi,
    keep: ([, name = '']) => [name, ''],
  },
];

/** Puts `mark(kind)` in the place of what the rules find. What already stands in such a mark stays. */
export function replaceSecrets(
  text: string,
  rules: readonly SecretRule[],
  markStart: string,
  mark: (kind: string) => string,
): string {
  let rest = text;
  for (const { kind, pattern, keep } of rules)
    rest = rest.replace(pattern, (...match) => {
      const [before, after] = keep?.(match.filter((part) => typeof part === 'string')) ?? ['', ''];
      // What an earlier rule has taken out is not taken out again.
      if (String(match[0]).slice(before.length).startsWith(markStart.trimEnd())) return String(match[0]);
      return `${before}${mark(kind)}${after}`;
    });
  return rest;
}
