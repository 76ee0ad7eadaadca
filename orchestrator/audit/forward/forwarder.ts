import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import { fullJitter, type Random } from '../../../base/random.ts';
import { OWN_LOG } from '../../../protocol/audit-log.ts';
import type { Store } from '../../store/store.ts';
import { selectEvents, shownEvent } from '../events.ts';
import type { Sink } from './sink.ts';

/** Events in one message to a receiver. */
const BATCH = 200;
/** New events are looked for this often. */
const LOOK_MS = 1000;
const RETRY_BASE_MS = 1000;
const RETRY_CAP_MS = 5 * 60_000;
const SEND_MS = 60_000;

/**
 * Sends sealed events of every log to one sink, in order, each at least once: how far it came is in the store, and
 * moves on only after the receiver took them. A receiver that is down is asked again, and costs nothing but time.
 */
export function startForwarder(options: {
  sink: Sink;
  store: Store;
  clock: Clock;
  random: Random;
  log: Logger;
}): { close(): Promise<void> } {
  const { sink, store, clock, random, log } = options;
  const stop = new AbortController();
  let failures = 0;

  const cursorOf = async (name: string): Promise<number> => {
    const row = await store.db
      .selectFrom('audit_cursors')
      .select('seq')
      .where('organization_id', '=', name)
      .where('sink', '=', sink.id)
      .executeTakeFirst();
    return Number(row?.seq ?? 0);
  };

  /** @returns whether there may be more. */
  async function forward(name: string): Promise<boolean> {
    const after = await cursorOf(name);
    const rows = await selectEvents(store.db, name)
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    const last = Number(rows.at(-1)?.seq ?? 0);
    if (last === 0) return false;
    const patience = new AbortController();
    const timer = clock.setTimer(SEND_MS, () => patience.abort(new Error('it took too long')), {
      background: true,
    });
    try {
      await sink.send(
        { log: name, events: rows.map(shownEvent), id: `${name}-${after + 1}-${last}` },
        AbortSignal.any([stop.signal, patience.signal]),
      );
    } finally {
      timer.cancel();
    }
    await store.db
      .insertInto('audit_cursors')
      .values({ organization_id: name, sink: sink.id, seq: last })
      .onConflict((oc) => oc.columns(['organization_id', 'sink']).doUpdateSet({ seq: last }))
      .execute();
    return rows.length === BATCH;
  }

  async function round(): Promise<void> {
    const logs = await store.db.selectFrom('organizations').select('id').execute();
    for (const name of [OWN_LOG, ...logs.map(({ id }) => id)])
      while (!stop.signal.aborted && (await forward(name))) failures = 0;
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      let wait = LOOK_MS;
      try {
        await round();
        if (failures > 0) log.info({ sink: sink.name }, 'copies of the audit log are taken again');
        failures = 0;
      } catch (cause) {
        if (stop.signal.aborted) return;
        failures += 1;
        wait = fullJitter({ failures, baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS, random });
        log.warn(
          { err: cause, sink: sink.name, failures, in_ms: Math.round(wait) },
          'copies of the audit log were not taken; trying again',
        );
      }
      await clock.sleep(wait, stop.signal).catch(() => undefined);
    }
  }

  const running = run();
  return {
    async close() {
      stop.abort(new Error('the orchestrator stops'));
      sink.close();
      await running;
    },
  };
}
