import { AppError } from '../../../protocol/errors.ts';
import type { Store } from '../../store/store.ts';
import { defineRoute, type Route } from '../route.ts';

const EMPTY = { headers: { 'content-type': 'text/plain' }, body: '' };

/** For supervisors and balancers: bare answers that say nothing about what runs here. */
export function healthRoutes(options: { store: Store; isStopping(): boolean }): Route[] {
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
      summary: 'The process takes requests and reaches its store',
      auth: 'none',
      raw: { contentType: 'text/plain', description: 'Nothing' },
      async handler() {
        if (options.isStopping())
          throw new AppError('unavailable', { detail: 'The orchestrator is stopping.' });
        try {
          await options.store.db.selectFrom('settings').select('key').limit(1).execute();
        } catch (cause) {
          throw new AppError('unavailable', { detail: 'The store cannot be read.', cause });
        }
        return EMPTY;
      },
    }),
  ];
}
