import {
  observeWindowOffset,
  observeWindowRect,
  type VirtualItem,
  Virtualizer,
  windowScroll,
} from '@tanstack/virtual-core';
import { useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

export interface VirtualRows {
  /** Goes on the element whose top is the top of the first row. */
  box: { current: HTMLElement | null };
  /** The rows to draw; each takes `measure` as its ref and `data-index`. */
  rows: readonly VirtualItem[];
  measure: (row: Element | null) => void;
  /** Height of what is not drawn above and below (pixels). */
  before: number;
  after: number;
}

/** Of a list of thousands only the rows near the window are drawn; their heights may differ. */
export function useVirtualRows(count: number, estimatedHeight: number): VirtualRows {
  const box = useRef<HTMLElement | null>(null);
  const [, redraw] = useReducer<number, undefined>((n) => n + 1, 0);
  const options = {
    count,
    estimateSize: () => estimatedHeight,
    getScrollElement: () => window,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    overscan: 8,
    // Where the list begins on the page; read when it is drawn, since what stands above it may grow.
    scrollMargin: box.current === null ? 0 : box.current.getBoundingClientRect().top + scrollY,
    initialRect: { width: innerWidth, height: innerHeight },
    initialOffset: () => scrollY,
    onChange: () => redraw(undefined),
  };
  const [virtualizer] = useState(() => new Virtualizer<Window, Element>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  const rows = virtualizer.getVirtualItems();
  const margin = options.scrollMargin;
  return {
    box,
    rows,
    measure: virtualizer.measureElement,
    before: Math.max(0, (rows[0]?.start ?? margin) - margin),
    after: Math.max(0, virtualizer.getTotalSize() - ((rows.at(-1)?.end ?? margin) - margin)),
  };
}
