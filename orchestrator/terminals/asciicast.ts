import { StringDecoder } from 'node:string_decoder';
import type { TerminalSize } from '../../protocol/terminal.ts';

/**
 * Recordings are asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): a header line, then one line for each
 * event, so that whatever was written can be played, however the writing ended. What was typed is not recorded: it
 * holds passwords that the terminal does not show.
 */
export function asciicastHeader(facts: TerminalSize & { atMs: number; title: string; term: string }): string {
  return `${JSON.stringify({
    version: 2,
    width: facts.cols,
    height: facts.rows,
    timestamp: Math.floor(facts.atMs / 1000),
    title: facts.title,
    env: { TERM: facts.term },
  })}\n`;
}

const line = (ms: number, type: string, text: string): string =>
  `${JSON.stringify([Number((ms / 1000).toFixed(3)), type, text])}\n`;

/** Makes the lines. Characters that are cut in two by a piece's end wait for their rest. */
export class AsciicastEvents {
  readonly #decoder = new StringDecoder('utf8');

  /** `ms`: since the beginning. Empty while there is nothing to write yet. */
  output(ms: number, bytes: Uint8Array): string {
    const text = this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return text === '' ? '' : line(ms, 'o', text);
  }

  resize(ms: number, { cols, rows }: TerminalSize): string {
    return line(ms, 'r', `${cols}x${rows}`);
  }

  /** What was left unfinished. */
  end(ms: number): string {
    const text = this.#decoder.end();
    return text === '' ? '' : line(ms, 'o', text);
  }
}
