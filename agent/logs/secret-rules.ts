/** What counts as a secret in text, wherever it stands: logs, configuration, output. */
export interface SecretRule {
  kind: string;
  pattern: RegExp;
  /** What stays of a match, before and behind the mark. */
  keep?: (match: readonly string[]) => readonly [before: string, after: string];
}

/** Whether a name is one is looked up ahead, so that a long one is read once and not from each place in it. */
export const SECRET_NAME = '(?=[\\w.-]*?(?:passw(?:or)?d|secret|api_?key|api-key|token|credential))[\\w.-]*';
export const JSON_STRING = '"(?:[^"\\\\]|\\\\.)*"';

/** Secrets that show what they are by their form. In this order: what is larger first. A truncated secret counts as one. */
export const TOKEN_RULES: readonly SecretRule[] = [
  // Templates shorten what is repeated: three dashes are enough.
  {
    kind: 'private key',
    pattern: /-{3,5}BEGIN [A-Z ]*PRIVATE KEY-{3,5}[\s\S]*?(?:-{3,5}END [A-Z ]*PRIVATE KEY-{3,5}|$)/g,
  },
  { kind: 'provisioning token', pattern: /prov_[A-Za-z0-9_-]{6,}/g },
  { kind: 'API key', pattern: /vmk_[A-Za-z0-9_-]{6,}/g },
  { kind: 'API token', pattern: /vmo_[A-Za-z0-9_-]{6,}/g },
  { kind: 'JWT', pattern: /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}/g },
  {
    kind: 'password in an address',
    pattern: /\b([a-z][a-z0-9+.-]{0,62}:\/\/)[^\s/"'<>]+@/gi,
    keep: ([, scheme = '']) => [scheme, '@'],
  },
  {
    kind: 'authorization',
    pattern: /\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/g,
    keep: ([, word = '']) => [word, ''],
  },
  { kind: 'API key', pattern: /\bsk-(?:(?:ant|proj|svcacct|or)-[\w-]{10,}|[A-Za-z0-9]{20,})/g },
  { kind: 'API token', pattern: /\bhf_[A-Za-z0-9]{16,}/g },
  { kind: 'API token', pattern: /(?<!\d)\d{8,10}:[\w-]{35}(?![\w-])/g },
  {
    kind: 'webhook address',
    pattern: /(\bhooks\.slack\.com\/(?:services|workflows|triggers)\/)[\w/-]+/g,
    keep: ([, host = '']) => [host, ''],
  },
  {
    kind: 'password hash',
    pattern: /\$(?:[1256][abxy]?|g?y|7|argon2(?:id?|d))\$[\w./$=,+-]{16,}/g,
  },
];

/** Says that there is no value, or what is wrong with it. */
const NO_VALUE =
  '(?![\\[(<]?(?:null|nil|none|undefined|true|false|unset|empty)[\\])>]?(?:[\\s,;&}\\])"\']|$))';
const NO_SENTENCE =
  '(?!(?:incorrect|invalid|wrong|expired|missing|unexpected|required|not|must|is|was|has|no|cannot|failed|too|unknown|authentication|mismatch|denied|changed|updated|reset|unable|could|error)\\b[\\s,.:;]?(?:\\s|$))';
/** What the name of a secret ends with. Of what passed in a test there are numbers. */
const NAME_END =
  '(?:token|api[_-]?key|secret(?:[_-]?(?:key|id))?|passw(?:or)?ds?|passphrase|(?<![a-z])pwd|(?<![a-z])pass(?!\\\\?["\']?\\s*[:=]\\s*\\d{1,5}\\b)|(?:private|access|account|signing|encryption)[_-]?key|x-amz-signature|credentials?)';
const QUOTED = [
  '(\\\\")((?:[^"\\\\]|\\\\[^"])*)(\\\\"|$)',
  '(")((?:[^"\\\\]|\\\\.)*)("|$)',
  "(')((?:[^'\\\\]|\\\\.)*)('|$)",
] as const;

/** Secrets that show by the name that they are given. */
export const NAMED_RULES: readonly SecretRule[] = [
  {
    kind: 'authorization',
    pattern: new RegExp(
      `(\\bAuthorization\\\\?["']?\\s*[:=]\\s*\\\\?["']?)(?:(?:Digest|AWS4-HMAC-SHA256)\\s[^"\\r\\n]+|(?:(?:token|api-?key|negotiate|ntlm)\\s+)?${NO_VALUE}${NO_SENTENCE}(?!(?:Bearer|Basic)\\s)[^\\s"',]{6,})`,
      'gi',
    ),
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'cookie',
    pattern: /(\b(?:set-)?cookie\\?["']?\s*:\s*\\?["']?)(?=[^\s=;"']{1,256}=)[^"'\r\n\\]+/gi,
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(`("${SECRET_NAME}"\\s*:\\s*)${JSON_STRING}`, 'gi'),
    keep: ([, name = '']) => [`${name}"`, '"'],
  },
  // In an address what follows the ampersand is something else.
  {
    kind: 'secret by its name',
    pattern: new RegExp(`([?&][\\w.%-]{0,60}?${NAME_END}=)${NO_VALUE}[^&\\s"'#]+`, 'gi'),
    keep: ([, name = '']) => [name, ''],
  },
  ...QUOTED.map(
    (value): SecretRule => ({
      kind: 'secret by its name',
      pattern: new RegExp(`(${NAME_END}\\\\?["']?\\s*[:=]>?\\s*)${value}`, 'gim'),
      keep: ([, name = '', open = '', , close = '']) => [`${name}${open}`, close],
    }),
  ),
  {
    kind: 'secret by its name',
    pattern: new RegExp(`(${NAME_END}\\\\?["']?=)${NO_VALUE}(?![?&])[^\\s"'\\\\]+`, 'gi'),
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(
      `(${NAME_END}\\\\?["']?(?:\\s*:\\s*|\\s+=\\s*|=\\s+))${NO_VALUE}${NO_SENTENCE}(?![=:/])[^\\s"',}\\]\\\\]+`,
      'gi',
    ),
    keep: ([, name = '']) => [name, ''],
  },
  // Such names with something behind; a short number says how many or how long.
  {
    kind: 'secret by its name',
    pattern: new RegExp(
      `((?:^|[\\s"'])(?:--)?${SECRET_NAME}=)${NO_VALUE}(?!\\d{1,7}(?:[\\s,;"']|$))[^\\s"']+`,
      'gim',
    ),
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'secret by its name',
    pattern:
      /(\s--?[\w-]{0,40}?(?:passw(?:or)?d|passphrase|pass|pwd|token|secret|(?:api|access|private|secret)-key)\s+)(?!-)(?:"[^"]*"?|'[^']*'?|[^\s"']+)/gi,
    keep: ([, name = '']) => [name, ''],
  },
  {
    kind: 'secret by its name',
    pattern: /(\bcurl\b[^|;\n]{0,500}?\s(?:-u|--user)[= ]?\s*["']?[^\s:"']+:)[^\s"']+/g,
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
