import { useEffect, useReducer } from 'preact/hooks';

/** A value that several parts of the page watch. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(value) {
      if (Object.is(value, current)) return;
      current = value;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useReducer<number, undefined>((n) => n + 1, 0);
  const value = store.get();
  useEffect(() => {
    // It may have changed between drawing and subscribing.
    if (!Object.is(store.get(), value)) redraw(undefined);
    return store.subscribe(() => redraw(undefined));
  }, [store]);
  return store.get();
}
