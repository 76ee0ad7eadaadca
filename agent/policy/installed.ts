import { userInfo } from 'node:os';
import type { Logger } from '../../base/logger.ts';
import { type DiskLayout, policyFile } from '../../protocol/disk-layout.ts';
import { PolicySource } from './source.ts';

/** The policy of this installation: root's for the whole system, else root's or its user's. */
export function policyOf(options: {
  layout: DiskLayout;
  log: Logger;
  onCondition: (ok: boolean, detail: string) => void;
}): PolicySource {
  const { layout, log, onCondition } = options;
  const { path } = policyFile(layout);
  const source = new PolicySource({
    path,
    owners: layout.home === undefined ? [0] : [0, userInfo().uid],
    onState(state) {
      if (state.kind === 'invalid') log.error(`every tool call is refused: ${state.message}`);
      else log.info({ sha256: state.kind === 'file' ? state.sha256 : null }, `policy: ${state.kind}`);
      onCondition(
        state.kind !== 'invalid',
        state.kind === 'invalid' ? state.message : `${state.kind} in force`,
      );
    },
  });
  // Now, so that a broken one shows before the first call.
  source.current();
  return source;
}
