export interface SharedFeed {
  /** Joins the organization's feed, and ends what was followed of another; gives what leaves it. */
  enter(org: string): () => void;
  isOf(org: string): boolean;
}

/** What all parts of the page follow together: it begins with the first of them and ends after the last. */
export function createSharedFeed(of: {
  begin(org: string, signal: AbortSignal): void;
  /** Forgets what was heard. */
  reset(): void;
}): SharedFeed {
  let current: { org: string; stop: AbortController; users: number } | undefined;
  return {
    enter(org) {
      if (current?.org !== org) {
        current?.stop.abort();
        of.reset();
        current = { org, stop: new AbortController(), users: 0 };
        of.begin(org, current.stop.signal);
      }
      const used = current;
      used.users += 1;
      return () => {
        used.users -= 1;
        // The next page begins after this one ended, and goes on with what is there.
        setTimeout(() => {
          if (used.users > 0 || current !== used) return;
          used.stop.abort();
          current = undefined;
          of.reset();
        }, 0);
      };
    },
    isOf: (org) => current?.org === org,
  };
}
