import type { Output } from './deps.ts';

/** One line at the bottom of a terminal that changes in place; what is printed scrolls above it. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away, to print something or for good. */
  clear(): void;
}

const CLEAR = '\r\u001b[K';
const SILENT: Progress = { show: () => undefined, clear: () => undefined };

export function createProgress(output: Output, wanted: boolean): Progress {
  if (!wanted || output.isTTY !== true) return SILENT;
  let shown = false;
  return {
    show(text) {
      output.write(`${CLEAR}${text}`);
      shown = true;
    },
    clear() {
      if (shown) output.write(CLEAR);
      shown = false;
    },
  };
}
