import { AppError } from '../../protocol/errors.ts';
import { verifyPassword } from './secrets.ts';

/** NIST SP 800-63B-4 § 3.1.1.2: at least 15 characters where a password is all that is asked; no other rules of form. */
const MIN_CHARACTERS = 15;
/** Words that a guesser of this very account begins with. */
const OWN_WORDS = ['vm-agent', 'vmagent', 'orchestrator', 'password', 'passwort', 'admin'];
/** What is left when those words are taken out must still be hard to guess. */
const MIN_OTHER_CHARACTERS = 8;
const MIN_DIFFERENT = 5;

const refused = (detail: string) =>
  new AppError('password_refused', {
    detail,
    hint: `Use at least ${MIN_CHARACTERS} characters that nobody would guess, such as five random words; a password manager makes and keeps them. Any characters are allowed, spaces too.`,
  });

/** Lower case, and without what sits between words. */
const flat = (text: string): string => text.toLowerCase().replace(/[\s._@+-]+/g, '');

/** `aaaa…`, `abcabcabc…`: one piece again and again. */
function isRepetition(text: string): boolean {
  for (let size = 1; size <= text.length / 3; size++)
    if (
      text
        .slice(0, size)
        .repeat(Math.ceil(text.length / size))
        .startsWith(text)
    )
      return true;
  return false;
}

/** `12345678…`, `abcdefgh…`: each character follows the one before. */
function isSequence(text: string): boolean {
  const steps = [...text].slice(1).map((c, at) => c.charCodeAt(0) - text.charCodeAt(at));
  const even = steps.filter((step) => step === steps[0] || Math.abs(step) === 9);
  return (steps[0] === 1 || steps[0] === -1) && even.length === steps.length;
}

/**
 * Whether a password may be used for this account.
 * @throws AppError `password_refused`, which says why and what to do
 */
export function checkNewPassword(password: string, username: string): void {
  const length = [...password.normalize('NFC')].length;
  if (length < MIN_CHARACTERS)
    throw refused(`The password has ${length} characters; at least ${MIN_CHARACTERS} are needed.`);
  let rest = flat(password);
  if (new Set(rest).size < MIN_DIFFERENT || isRepetition(rest) || isSequence(rest))
    throw refused('The password repeats itself or follows the keyboard or the alphabet.');
  for (const word of [flat(username), ...OWN_WORDS.map(flat)])
    if (word.length >= 3) rest = rest.replaceAll(word, '');
  if (rest.length < MIN_OTHER_CHARACTERS)
    throw refused('The password is made of the user name or of words that everybody tries first.');
}

/** `before` runs when its turn has come. */
export type PasswordCheck = (
  password: string,
  stored: string | undefined,
  before?: () => void,
) => Promise<boolean>;

/** One at a time: a check costs 32 MiB for a fifth of a second. */
export function createPasswordCheck(): PasswordCheck {
  let turn: Promise<unknown> = Promise.resolve();
  return (password, stored, before) => {
    const check = turn.then(async () => {
      before?.();
      // The same characters have several encodings; what was set before this was looked at is still right as it is.
      const normal = password.normalize('NFC');
      if (await verifyPassword(normal, stored)) return true;
      return normal !== password && (await verifyPassword(password, stored));
    });
    turn = check.catch(() => undefined);
    return check;
  };
}
