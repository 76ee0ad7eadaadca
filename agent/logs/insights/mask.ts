import { plainText } from '../../files/plain-text.ts';
import { NAMED_RULES, replaceSecrets, type SecretRule, TOKEN_RULES } from '../secret-rules.ts';

const START = '[masked: ';
const mark = (kind: string): string => `${START}${kind}]`;
export const MASKED_VALUE = mark('secret by its name');
const MARKS = /\[masked: ([A-Za-z -]{1,40})\]/g;
/** Longer texts are cut before they are looked at, so that no rule takes long. */
const MAX_LOOKED_AT = 2000;

/** Keys that their makers gave a form of their own. */
const CLOUD_KEYS: SecretRule = {
  kind: 'access key',
  pattern:
    /\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|[rs]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|npm_\w{30,}|SG\.[\w-]{16,}\.[\w-]{16,})/g,
};

const EMAIL: SecretRule = {
  kind: 'e-mail address',
  // Units of systemd and the user of git servers look like one.
  pattern:
    /\b(?!git@)[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}(?!(?:service|socket|timer|target|mount|automount|slice|scope|path|device|swap)\b)[A-Za-z]{2,24}\b/g,
};

const CARD = /(?<![\w.-])\d(?:[ -]?\d){13,15}(?![\w-])/g;
/** Numbers behind these are something else. */
const NUMBER_NAME = /(?:trace|span|correlation|request|id)["']?\s*[:=#]?\s*["']?$/i;
const IBAN = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g;

/** A line out of the middle of a key whose beginning was not read. */
const KEY_LINE: SecretRule = {
  kind: 'private key',
  pattern: /^\s*(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)(?:[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{70}|[A-Za-z0-9+/]{76})$/g,
};

const SECRETS: readonly SecretRule[] = [...TOKEN_RULES, KEY_LINE, CLOUD_KEYS, ...NAMED_RULES, EMAIL];

/** Without terminal sequences, and with marks in place of secrets and personal data, at most `length` characters. */
export function shown(text: string, length: number): string {
  const plain = plainText(text.slice(0, MAX_LOOKED_AT)).replaceAll('\n', ' ').trimEnd();
  const masked = replaceSecrets(plain, SECRETS, START, mark)
    .replace(IBAN, (found) => (isIban(found) ? mark('IBAN') : found))
    .replace(CARD, (found, at: number, whole: string) =>
      isCard(found) && !NUMBER_NAME.test(whole.slice(Math.max(0, at - 24), at)) ? mark('card number') : found,
    );
  return masked.length > length ? `${cutWhole(masked, length)}…` : masked;
}

const PLACE = /<(?:num|ip|path|uuid|hex|duration|\*)>/g;

/** For each of `count` places of a template, whether what stands there is a secret by the words around it. */
export function secretPlaces(template: string, count: number): boolean[] {
  let places = 0;
  const probe = shown(
    template.replace(PLACE, () => `Placeholder${places++}x`),
    MAX_LOOKED_AT,
  );
  const secret = Array.from({ length: count }, (_, i) => i < places && !probe.includes(`Placeholder${i}x`));
  // Words of the message itself may look like a place: then nobody knows which is which.
  return places === count || probe.length >= MAX_LOOKED_AT ? secret : secret.map(() => secret.includes(true));
}

/** A mark is not cut in two, nor a surrogate pair. */
function cutWhole(text: string, length: number): string {
  const split = [...text.matchAll(MARKS)].find(
    ({ index, 0: whole }) => index < length && index + whole.length > length,
  );
  return text.slice(0, split?.index ?? length).replace(/[\ud800-\udbff]$/, '');
}

/** How many marks of each kind an answer holds. */
export function countMarks(answer: unknown): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, kind = ''] of JSON.stringify(answer).matchAll(MARKS)) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** ISO/IEC 7812: the digits' check sum, and a first digit that an issuer has. */
function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  if (!/^[2-6]/.test(digits) || /^(\d)\1+$/.test(digits)) return false;
  let sum = 0;
  for (const [index, digit] of [...digits].reverse().entries()) {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}

/** ISO 13616: modulo 97. */
function isIban(text: string): boolean {
  const packed = text.replaceAll(' ', '');
  if (packed.length < 15 || packed.length > 34) return false;
  const digits = `${packed.slice(4)}${packed.slice(0, 4)}`.replace(/[A-Z]/g, (letter) =>
    String(letter.charCodeAt(0) - 55),
  );
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest === 1;
}
