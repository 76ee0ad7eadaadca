import type { VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { windowOf } from '../model/window.ts';
import { html } from './html.ts';

export interface VirtualListProps<T> {
  items: readonly T[];
  /** All rows are as high, in pixels; the style sheet says the same. */
  rowHeight: number;
  label: string;
  row: (item: T, index: number) => VNode;
}

const FIRST_HEIGHT = 480;

/** A list of which only the rows in view exist. It scrolls by keyboard as any box that has the focus. */
export function VirtualList<T>({ items, rowHeight, label, row }: VirtualListProps<T>): VNode {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: FIRST_HEIGHT });
  const measure = () => {
    const { current } = box;
    if (current === null) return;
    setView((old) =>
      old.scrollTop === current.scrollTop && old.height === current.clientHeight
        ? old
        : { scrollTop: current.scrollTop, height: current.clientHeight },
    );
  };
  useLayoutEffect(measure, [items.length]);
  const { first, end } = windowOf({ count: items.length, rowHeight, ...view });
  return html`<div class="virtual" ref=${box} tabIndex="0" role="list" aria-label=${label} onScroll=${measure}>
    <div class="virtual-space" style=${{ height: `${items.length * rowHeight}px` }}>
      <div class="virtual-rows" style=${{ transform: `translateY(${first * rowHeight}px)` }}>
        ${items.slice(first, end).map(
          (item, index) => html`<div key=${first + index} class="virtual-row" role="listitem"
          aria-setsize=${items.length} aria-posinset=${first + index + 1}>${row(item, first + index)}</div>`,
        )}
      </div>
    </div>
  </div>`;
}
