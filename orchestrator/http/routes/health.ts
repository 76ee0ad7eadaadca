import { AppError } from '../../../protocol/errors.ts';
import type { Store } from '../../store/store.ts';
import { defineRoute, type Route } from '../route.ts';

const EMPTY = { headers: { 'content-type': 'text/plain' }, body: '' };

/** A busy disk is no reason to be taken out of service; what is longer than this is. */
const AUDIT_BROKEN_MS = 60_000;

/** For supervisors and balancers: bare answers that say nothing about what runs here. */
export function healthRoutes(options: {
  store: Pick<Store, 'probe'>;
  isStopping(): boolean;
  /** For how long events of the audit log could not be sealed (ms). */
  auditBrokenMs(): number;
}): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/healthz',
      summary: 'The process works',
      auth: 'none',
      raw: { contentType: 'text/plain', description: 'Nothing' },
      handler: () => EMPTY,
    }),
    defineRoute({
      method: 'GET',
      path: '/readyz',
      summary: 'The process takes requests, writes to its store and seals its audit log',
      auth: 'none',
      raw: { contentType: 'text/plain', description: 'Nothing' },
      async handler() {
        if (options.isStopping())
          throw new AppError('unavailable', { detail: 'The orchestrator is stopping.' });
        try {
          await options.store.probe();
        } catch (cause) {
          throw new AppError('store_unavailable', { detail: 'The store cannot be written.', cause });
        }
        if (options.auditBrokenMs() > AUDIT_BROKEN_MS)
          throw new AppError('unavailable', {
            detail: 'The audit log could not be sealed for over a minute.',
            hint: 'Run vm-orchestrator audit verify; the orchestrator’s log says what is wrong.',
          });
        return EMPTY;
      },
    }),
  ];
}
