import type { Logger } from '../../base/logger.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import { type DiskLayout, nextPairEntries, securityEntry } from '../../protocol/disk-layout.ts';
import { type Credentials, clientCredentials } from './credentials.ts';
import { createCsr, createKey } from './csr.ts';
import { discardNext, type PairDisk, settlePairs, switchPair } from './pair-files.ts';

/** How an orchestrator took a pair: it said welcome, or that it does not count. */
export type Reception = 'welcomed' | 'refused';

/**
 * The pair in use and the one that a renewal makes beside it.
 *
 * Neither is let go before the orchestrator has taken the other: from the instant at which it first meets the new
 * certificate it refuses the old one, and this end may not have heard of that. So a new pair is shown first; when it
 * is refused the old one is, and so on in turn, until one of them is welcome.
 */
export interface OwnPairs {
  /** With the pair in use. */
  readonly current: Credentials;
  readonly next: Credentials['next'];
  /** The new pair was refused after it was last offered. */
  readonly isRefused: boolean;
  /** What the next connection shows. */
  toShow(): ClientCredentials;
  /** Told of each connection how what it showed was taken. */
  taken(shown: ClientCredentials, how: Reception): void;
  /** Other roots are trusted from now on; key and certificate stay. */
  retrust(changed: Pick<Credentials, 'ca' | 'roots' | 'trust'>): void;
  /** Ends what a crash or a full disk interrupted. @throws when the disk does not take it. */
  settle(): Promise<void>;
  /** The key of the next pair, on disk with its request before anybody hears of it. */
  nextKey(): Promise<{ key: string; csr: string }>;
  /** The certificate for it came: from now on this pair is shown first. */
  complete(certificate: string, ca: string | undefined): Promise<void>;
  /** Shows the new pair once more. */
  offer(): void;
  /** Forgets the new pair. Only when the orchestrator takes the old one. */
  discard(): Promise<void>;
}

export function createOwnPairs(options: {
  layout: DiskLayout;
  disk: PairDisk;
  log: Logger;
  credentials: Credentials;
  /** Another pair is in use from now on. */
  onSwitched(credentials: Credentials): void;
}): OwnPairs {
  const { layout, disk, log } = options;
  let { next, ...current }: Credentials = options.credentials;
  let isRefused = false;
  /** The pair in use is not yet the one that lies in its place. */
  let isMoving = false;
  let work: Promise<unknown> = Promise.resolve();

  /** One step on disk after the other. */
  function queue<T>(step: () => Promise<T>): Promise<T> {
    const done = work.then(step);
    work = done.catch(() => undefined);
    return done;
  }

  async function move(): Promise<void> {
    await switchPair(layout, disk);
    isMoving = false;
  }

  function promote(pair: { key: string; certificate: string }): void {
    current = { ...current, ...pair };
    next = undefined;
    isRefused = false;
    isMoving = true;
    options.onSwitched(current);
    queue(move).catch((cause: unknown) =>
      log.error(
        { err: cause },
        'the new key and certificate are in use, but could not take their place on disk; this is tried again',
      ),
    );
  }

  const entries = nextPairEntries(layout);
  return {
    get current() {
      return current;
    },
    get next() {
      return next;
    },
    get isRefused() {
      return isRefused;
    },

    toShow() {
      if (next?.certificate === undefined || isRefused) return clientCredentials(current);
      return { ...clientCredentials(current), key: next.key, cert: next.certificate };
    },

    taken(shown, how) {
      if (next?.certificate === undefined) return;
      const isNext = shown.cert === next.certificate;
      if (!isNext && shown.cert !== current.certificate) return;
      if (how === 'refused') isRefused = isNext;
      else if (isNext) promote({ key: next.key, certificate: next.certificate });
    },

    retrust({ ca, roots, trust }) {
      current = { ...current, ca, roots, trust };
      options.onSwitched(current);
    },

    settle: () => queue(() => (isMoving ? move() : settlePairs(layout, disk))),

    nextKey: () =>
      queue(async () => {
        // While it waits to be moved, the next key on disk is the one in use.
        if (isMoving) await move();
        const key = next?.key ?? createKey();
        if (next === undefined) await disk.write(entries.key, key);
        next ??= { key, certificate: undefined };
        const csr = await createCsr(key, current.vmId);
        await disk.write(entries.csr, csr);
        return { key, csr };
      }),

    complete: (certificate, ca) =>
      queue(async () => {
        if (ca !== undefined) {
          await disk.write(securityEntry(layout, 'ca'), ca);
          current = { ...current, ca };
        }
        await disk.write(entries.certificate, certificate);
        if (next !== undefined) next = { ...next, certificate };
        isRefused = false;
      }),

    offer() {
      isRefused = false;
    },

    discard: () =>
      queue(async () => {
        await discardNext(layout, disk);
        next = undefined;
        isRefused = false;
      }),
  };
}
