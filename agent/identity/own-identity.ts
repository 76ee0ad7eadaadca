import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import type { Credentials } from './credentials.ts';
import { createOwnPairs, type OwnPairs } from './own-pairs.ts';
import { type PairDisk, pairDisk } from './pair-files.ts';
import type { ProxySettings } from './proxy.ts';
import { describeRenewal, RenewalDue, type RenewalStatus, renewalLoop } from './renewal.ts';

/** The agent's key and certificate, for as long as it runs. */
export interface OwnIdentity {
  readonly pairs: OwnPairs;
  readonly status: RenewalStatus | undefined;
  /** Keeps them fresh; resolves after `signal`. `tryOut` connects with what the pairs say is to be shown. */
  renew(tryOut: () => Promise<boolean>, signal: AbortSignal): Promise<void>;
  /** Does so within that time (ms), whatever is left of the present ones. */
  renewWithin(ms: number): void;
}

export function openIdentity(options: {
  layout: DiskLayout;
  disk: PairDisk | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
  credentials: Credentials;
  proxy: ProxySettings | undefined;
  onSwitched(credentials: Credentials): void;
  onCondition(ok: boolean, detail: string): void;
}): OwnIdentity {
  const { clock, disk = pairDisk, onCondition } = options;
  const pairs = createOwnPairs({ ...options, disk });
  const due = new RenewalDue();
  let status: RenewalStatus | undefined;
  return {
    pairs,
    get status() {
      return status;
    },
    renewWithin: (ms) => due.ask(ms),
    renew: (tryOut, signal) =>
      renewalLoop(
        {
          ...options,
          pairs,
          tryOut,
          due,
          onStatus(now) {
            status = now;
            const { ok, detail } = describeRenewal(now, clock.now());
            onCondition(ok, detail);
          },
        },
        signal,
      ),
  };
}
