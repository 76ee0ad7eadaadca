import { X509Certificate } from 'node:crypto';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import type { Logger } from '../../base/logger.ts';
import { type DiskLayout, trustEntries } from '../../protocol/disk-layout.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import type { CaPinsFile } from '../../protocol/trust-files.ts';
import type { TrustAck, TrustUpdate } from '../../protocol/trust-update.ts';
import { fingerprintOf, parseCertificates } from './certificates.ts';
import { type Credentials, readCaPins, readCredentials, writeSecurityFile } from './credentials.ts';
import { bundleText, judgeTrust } from './trust-set.ts';

/** Replaces the pins in one step. For whoever owns `trust/`. */
export const writeCaPins = (layout: DiskLayout, pins: CaPinsFile): Promise<void> => {
  const { path, mode } = trustEntries(layout).caPins;
  return writeFileAtomic(path, `${JSON.stringify(pins, null, 2)}\n`, { mode });
};

export interface TrustKeeperOptions {
  layout: DiskLayout;
  log: Logger;
  current(): Credentials;
  /**
   * Has the pins replaced by who owns them, after he has checked the statement himself. Resolves with why not.
   * Undefined: they are this process's own.
   */
  askOwner?: ((statement: Envelope) => Promise<string | undefined>) | undefined;
  /** Another set is on disk, and in force from the next connection on. */
  onChanged(credentials: Credentials): void;
  /** The own certificate comes from an issuing certificate that is no longer the present one. */
  onDue(withinMs: number): void;
}

/**
 * Takes new sets of roots. `ca.crt` first gets the new ones beside the old, then the pins change, then `ca.crt` loses
 * what is not pinned any more: whatever moment a crash comes at, the pins find certificates that they name.
 */
export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
  }

  /** One after the other; what it resolves with is for the orchestrator. */
  take(update: TrustUpdate): Promise<Omit<TrustAck, 'type'>> {
    const taken = this.#turn.then(() => this.#take(update));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #take({ statement, issuing, spread_s: spread }: TrustUpdate): Promise<Omit<TrustAck, 'type'>> {
    const { layout, log, current, askOwner } = this.#options;
    const own = current();
    const pins = (await readCaPins(layout)) ?? own.trust.caPins;
    const refuse = (why: string) => {
      log.error({ why }, 'a new set of root certificates was refused; the one before it stays');
      return { bundle_version: pins.bundle_version, refused: why.slice(0, 500) };
    };
    const verdict = judgeTrust(statement, { pins, keys: own.trust.commandKeys });
    if (verdict.kind === 'refused') return refuse(verdict.why);
    const next = verdict.statement;
    const text = bundleText(verdict.roots, issuing);
    if (verdict.kind === 'new') {
      await writeSecurityFile(layout, 'ca', [...own.roots, text].join('\n'));
      const why =
        askOwner === undefined ? await writeCaPins(layout, verdict.pins) : await askOwner(statement);
      if (typeof why === 'string') return refuse(why);
    }
    if (verdict.kind === 'new' || own.ca.trim() !== text.trim()) {
      await writeSecurityFile(layout, 'ca', text);
      log.info(
        { bundle_version: next.version, roots: next.roots.length },
        'the trusted root certificates were replaced',
      );
      this.#options.onChanged(await readCredentials(layout));
    }
    if (!isIssuedBy(own.certificate, next.issuing)) this.#options.onDue(spread * 1000);
    return { bundle_version: next.version };
  }
}

/** Whether the chain of a certificate (PEM) goes on with that issuing certificate. */
function isIssuedBy(chain: string, issuing: string): boolean {
  const [, issuer] = parseCertificates(chain);
  return issuer !== undefined && fingerprintOf(new X509Certificate(issuer.raw)) === issuing;
}
