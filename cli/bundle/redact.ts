import {
  JSON_STRING,
  NAMED_RULES,
  replaceSecrets,
  SECRET_NAME,
  type SecretRule,
  TOKEN_RULES,
} from '../../agent/logs/secret-rules.ts';

/** What was taken out, by its kind. */
export type Removed = Record<string, number>;

/**
 * In this order: what is larger first. Texts of commands go too: people put passwords on command lines.
 */
const RULES: readonly SecretRule[] = [
  ...TOKEN_RULES,
  {
    kind: 'command text',
    pattern: new RegExp(
      `(\\\\?"(?:command|cmd|argv|args|stdin|script|cmdline)\\\\?"\\s*:\\s*)(?:${JSON_STRING}|\\\\"(?:[^"\\\\]|\\\\[^"])*\\\\"|\\[[^\\]]*(?:\\]|$))`,
      'g',
    ),
    keep: ([, name = '']) => [`${name}"`, '"'],
  },
  {
    kind: 'secret by its name',
    pattern: new RegExp(
      `^([ \\t]*(?:[-#]+(?![-#])[ \\t]*)?${SECRET_NAME}[ \\t]*:[ \\t]+)(?!true\\b|false\\b|\\d+\\s*$)\\S.*$`,
      'gim',
    ),
    keep: ([, name = '']) => [name, ''],
  },
  ...NAMED_RULES,
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
      return replaceSecrets(rest, RULES, '[removed: ', count);
    },
  };
}
