import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { TerminalSize } from '../../../protocol/terminal.ts';
import { withAdoptedStyles } from './styled-document.ts';

const THEME = {
  background: '#111418',
  foreground: '#e6e8eb',
  cursor: '#e6e8eb',
  selectionBackground: '#3a5f9f',
};
/**
 * What a program on the machine may not do to its reader: name the window (0, 1, 2), make links (8), and write or read
 * the clipboard (52).
 */
const IGNORED_OSC = [0, 1, 2, 7, 8, 9, 52, 777, 1337];

export interface Screen {
  readonly terminal: Terminal;
  /** As many rows and columns as there is room for. */
  adjust(): TerminalSize;
  dispose(): void;
}

/** A terminal in this element. Everything that a machine sends is shown, and nothing of it acts on the page. */
export function createScreen(
  element: HTMLElement,
  options: { label: string; size?: TerminalSize; readOnly?: boolean },
): Screen {
  const terminal = new Terminal({
    cursorBlink: options.readOnly !== true,
    disableStdin: options.readOnly === true,
    fontFamily: 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace',
    fontSize: 14,
    scrollback: 5000,
    theme: THEME,
    ...options.size,
  });
  for (const code of IGNORED_OSC) terminal.parser.registerOscHandler(code, () => true);
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  withAdoptedStyles(() => terminal.open(element));
  terminal.textarea?.setAttribute('aria-label', options.label);
  return {
    terminal,
    adjust() {
      fitting.fit();
      return { rows: terminal.rows, cols: terminal.cols };
    },
    dispose: () => terminal.dispose(),
  };
}
