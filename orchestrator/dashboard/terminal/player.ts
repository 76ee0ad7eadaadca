import { type Cast, indexAfter, sizeOf } from '../model/asciicast.ts';
import { createScreen } from './screen.ts';

export interface Player {
  play(): void;
  pause(): void;
  /** Seconds since the beginning. */
  seek(at: number): void;
  speed(factor: number): void;
  dispose(): void;
}

/** Plays a recording in this element. It only shows: nothing that the recording holds acts on the page. */
export function mountPlayer(
  element: HTMLElement,
  options: {
    cast: Cast;
    label: string;
    /** Where it is, several times a second while it plays. */
    onTime(at: number, playing: boolean): void;
  },
): Player {
  const { cast, onTime } = options;
  const { terminal, dispose } = createScreen(element, {
    label: options.label,
    size: { rows: cast.rows, cols: cast.cols },
    readOnly: true,
  });
  let at = 0;
  let next = 0;
  let factor = 1;
  let frame: number | undefined;
  let last = 0;

  const showUntil = (to: number) => {
    const end = indexAfter(cast.events, to);
    let text = '';
    for (const event of cast.events.slice(next, end)) {
      if (event.kind === 'output') {
        text += event.text;
        continue;
      }
      const size = sizeOf(event.text);
      if (text !== '') terminal.write(text);
      text = '';
      // In its place among what was written, which is taken in later.
      if (size !== undefined) terminal.write('', () => terminal.resize(size.cols, size.rows));
    }
    if (text !== '') terminal.write(text);
    next = Math.max(next, end);
    at = to;
  };
  const stop = () => {
    if (frame !== undefined) cancelAnimationFrame(frame);
    frame = undefined;
  };
  const step = (now: number) => {
    showUntil(Math.min(at + ((now - last) / 1000) * factor, cast.duration));
    last = now;
    if (at >= cast.duration) stop();
    else frame = requestAnimationFrame(step);
    onTime(at, frame !== undefined);
  };
  const seek = (to: number) => {
    if (to < at) {
      terminal.reset();
      terminal.resize(cast.cols, cast.rows);
      next = 0;
    }
    showUntil(to);
    onTime(at, frame !== undefined);
  };
  return {
    play() {
      if (frame !== undefined) return;
      if (at >= cast.duration) seek(0);
      last = performance.now();
      frame = requestAnimationFrame(step);
      onTime(at, true);
    },
    pause() {
      stop();
      onTime(at, false);
    },
    seek,
    speed(to) {
      factor = to;
    },
    dispose() {
      stop();
      dispose();
    },
  };
}
