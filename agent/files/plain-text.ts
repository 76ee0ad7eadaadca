import { withoutEscapes } from '../../protocol/escapes.ts';

/** Control characters but tab and newline, and characters that turn or hide text. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

/** What a person would see of a program's output, for a model to read: no colours, no tricks. */
export const plainText = (text: string): string =>
  withoutEscapes(text.replaceAll('\r\n', '\n')).replaceAll('\r', '\n').replace(UNSEEN, '');
