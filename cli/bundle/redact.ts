/** What was taken out, by its kind. */
export type Removed = Record<string, number>;

interface Rule {
  kind: string;
  pattern: RegExp;
  /** What stays of a match, before and behind the mark. */
  keep?: (match: readonly string[]) => readonly [before: string, after: string];
}

const SECRET_NAME = '[\\w.-]*(?:passw(?:or)?d|secret|api_?key|api-key|token|credential)[\\w.-]*';
const STRING = '"(?:[^"\\\\]|\\\\.)*"';

/**
 * In this order: what is larger first. A truncated secret counts as one. Texts of commands go too: people put passwords
 * on command lines.
 */
const RULES: readonly Rule[] = [
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
  {
    kind: 'command text',
    pattern: new RegExp(
      `(\\\\?"(?:command|cmd|argv|args|stdin|script|cmdline)\\\\?"\\s*:\\s*)(?:${STRING}|\\\\"(?:[^"\\\\]|\\\\[^"])*\\\\"|\\[[^\\]]*\\])`,
      'g',
    ),
    keep: ([, name = '']) => [`${name}"`, '"'],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(`("${SECRET_NAME}"\\s*:\\s*)${STRING}`, 'gi'),
    keep: ([, name = '']) => [`${name}"`, '"'],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(
      `^(\\s*(?:[-#]+\\s*)?${SECRET_NAME}\\s*:[ \\t]+)(?!true\\b|false\\b|\\d+\\s*$)\\S.*$`,
      'gim',
    ),
    keep: ([, name = '']) => [name, ''],
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
  { kind: 'environment', pattern: /^(Environment=).+$/gm, keep: ([, name = '']) => [name, ''] },
  // The tree of processes in `systemctl status`: pid and program stay.
  {
    kind: 'command text',
    pattern: /^(.*[├└]─\s*\d+ \S+) .+$/gm,
    keep: ([, start = '']) => [`${start} `, ''],
  },
];

/** Takes secrets out of texts and counts them. `literals`: secrets of this machine, wherever they stand. */
export function createRedactor(literals: readonly string[]): {
  redact(text: string): string;
  removed: Removed;
} {
  const removed: Removed = {};
  const count = (kind: string) => {
    removed[kind] = (removed[kind] ?? 0) + 1;
    return `[removed: ${kind}]`;
  };
  const known = literals.filter((literal) => literal.length >= 8);
  return {
    removed,
    redact(text) {
      let rest = text;
      for (const literal of known) {
        const pieces = rest.split(literal);
        rest = pieces.reduce((whole, piece) => `${whole}${count('secret of this machine')}${piece}`);
      }
      for (const { kind, pattern, keep } of RULES)
        rest = rest.replace(pattern, (...match) => {
          const [before, after] = keep?.(match.filter((part) => typeof part === 'string')) ?? ['', ''];
          // What an earlier rule has taken out is not taken out again.
          if (String(match[0]).slice(before.length).startsWith('[removed: ')) return String(match[0]);
          return `${before}${count(kind)}${after}`;
        });
      return rest;
    },
  };
}
