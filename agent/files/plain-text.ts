/** ESC sequences of terminals (ECMA-48): CSI …, OSC … to its end, and the two-character ones. */
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])|\u009b[0-?]*[ -/]*[@-~]/g;
/** Control characters but tab and newline, and characters that turn or hide text. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

/** What a person would see of a program's output, for a model to read: no colours, no tricks. */
export const plainText = (text: string): string =>
  text.replaceAll('\r\n', '\n').replace(ESCAPES, '').replaceAll('\r', '\n').replace(UNSEEN, '');
