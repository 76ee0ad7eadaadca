import type { DiskLayout } from '../../../protocol/disk-layout.ts';
import type { FromExecutor, ToExecutor } from '../../../protocol/executor.ts';
import type { CommandKeysFile } from '../../../protocol/trust-files.ts';
import { readCaPins } from '../../identity/credentials.ts';
import { judgeTrust } from '../../identity/trust-set.ts';
import { writeCaPins } from '../../identity/trust-update.ts';

type Ask = Extract<ToExecutor, { type: 'trust' }>;
type Answer = Extract<FromExecutor, { type: 'trust' }>;

/**
 * Replaces the pins, which are root's: the executor believes no word of the daemon about a new set of roots, only the
 * signature of the command root and the roots that are pinned.
 */
export async function answerTrust(
  of: {
    layout: DiskLayout;
    keys: CommandKeysFile | undefined;
    record(action: string, detail: Record<string, unknown>): void;
  },
  ask: Ask,
): Promise<Answer> {
  const { layout, keys, record } = of;
  const refuse = (refused: string): Answer => {
    record('trust.refused', { why: refused });
    return { type: 'trust', n: ask.n, refused };
  };
  try {
    const pins = await readCaPins(layout);
    if (keys === undefined || pins === undefined) return refuse('this machine is not enrolled');
    const verdict = judgeTrust(ask.statement, { pins, keys });
    if (verdict.kind === 'refused') return refuse(verdict.why);
    if (verdict.kind === 'new') {
      record('trust.replaced', {
        from: { version: pins.bundle_version, roots: pins.roots },
        to: { version: verdict.pins.bundle_version, roots: verdict.pins.roots },
      });
      await writeCaPins(layout, verdict.pins);
    }
    return { type: 'trust', n: ask.n };
  } catch (cause) {
    return refuse(`the pins cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
