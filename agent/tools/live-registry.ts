import type { ToolRegistry } from './registry.ts';

/** A registry whose tools can be exchanged while every door keeps its reference to it. */
export interface LiveRegistry extends ToolRegistry {
  /** From the next call on; calls that were prepared before go on as they were. */
  replace(next: ToolRegistry): void;
}

export function liveRegistry(first: ToolRegistry): LiveRegistry {
  let current = first;
  return {
    get enabled() {
      return current.enabled;
    },
    offered: (grant) => current.offered(grant),
    prepare: (name, args) => current.prepare(name, args),
    manifest: () => current.manifest(),
    replace(next) {
      current = next;
    },
  };
}
