import { type LineState, TerminalLine } from './line.ts';
import { createScreen } from './screen.ts';

export interface MountedTerminal {
  type(text: string): void;
  /** The next key is pressed together with Ctrl. */
  ctrl(): void;
  paste(text: string): void;
  focus(): void;
  end(): void;
  dispose(): void;
}

/** `a` → Ctrl-A, as a keyboard makes it. */
const withCtrl = (text: string): string => {
  const code = text.toUpperCase().charCodeAt(0);
  return code >= 0x40 && code < 0x60 ? String.fromCharCode(code - 0x40) + text.slice(1) : text;
};

/** A terminal of this agent in this element. */
export function mountTerminal(
  element: HTMLElement,
  options: {
    org: string;
    agent: string;
    label: string;
    attach: string | undefined;
    onState(state: LineState, message: string): void;
    onOpened(id: string): void;
    /** Shift+Esc: the keyboard goes back to the page. */
    onLeave(): void;
    onCtrlUsed(): void;
  },
): MountedTerminal {
  const { terminal, adjust, dispose } = createScreen(element, { label: options.label });
  let ctrl = false;
  let replaying = 0;
  adjust();
  const line = new TerminalLine({
    org: options.org,
    agent: options.agent,
    attach: options.attach,
    events: {
      size: () => ({ rows: terminal.rows, cols: terminal.cols }),
      output(bytes, known, done) {
        if (known) replaying += 1;
        terminal.write(bytes, () => {
          if (known) replaying -= 1;
          done();
        });
      },
      anew: () => terminal.reset(),
      state: options.onState,
      opened: options.onOpened,
    },
  });
  terminal.onData((data) => {
    // What the terminal answers to questions that were asked, and answered, before it was looked at again.
    if (replaying > 0) return;
    line.type(ctrl ? withCtrl(data) : data);
    if (ctrl) options.onCtrlUsed();
    ctrl = false;
  });
  terminal.onBinary((data) => line.type(data));
  terminal.onResize((size) => line.resize(size));
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== 'keydown') return true;
    if (event.key === 'Escape' && event.shiftKey) {
      options.onLeave();
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === 'c' && terminal.hasSelection()) {
      event.preventDefault();
      void navigator.clipboard.writeText(terminal.getSelection());
      return false;
    }
    // Left to the browser, which pastes.
    return !(event.ctrlKey && event.shiftKey && event.key.toLowerCase() === 'v');
  });
  const observer = new ResizeObserver(() => adjust());
  observer.observe(element);
  terminal.focus();
  return {
    type: (text) => line.type(text),
    ctrl() {
      ctrl = true;
      terminal.focus();
    },
    paste: (text) => terminal.paste(text),
    focus: () => terminal.focus(),
    end: () => line.end(),
    dispose() {
      observer.disconnect();
      line.leave();
      dispose();
    },
  };
}
