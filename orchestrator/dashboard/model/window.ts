/** Which rows of a long list are drawn. */
export interface Window {
  first: number;
  /** Exclusive. */
  end: number;
}

/** Rows in view and some around them, so that a quick scroll shows no gap. */
export function windowOf(list: {
  count: number;
  rowHeight: number;
  scrollTop: number;
  height: number;
  around?: number;
}): Window {
  const { count, rowHeight, scrollTop, height, around = 8 } = list;
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight)) - around);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + around);
  return { first, end: Math.max(first, end) };
}
