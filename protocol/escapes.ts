/** ESC sequences of terminals (ECMA-48): CSI …, OSC … to its end, and the two-character ones. */
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])|\u009b[0-?]*[ -/]*[@-~]/g;

/**
 * A text without what commands a terminal. Node's own `stripVTControlCharacters` takes the square of the length of a
 * sequence that never ends, which a program on a VM can print.
 */
export const withoutEscapes = (text: string): string => text.replace(ESCAPES, '');
