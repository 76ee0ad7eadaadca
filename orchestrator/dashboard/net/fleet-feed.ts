import { useEffect } from 'preact/hooks';
import type { FleetEvent, Machine } from '../../../protocol/rest-overview.ts';
import { applyFleetEvent, EMPTY_FLEET, type Fleet, toFleet } from '../model/machines.ts';
import { type ApiError, asApiError, sendJson } from './api.ts';
import { followEvents } from './event-stream.ts';
import { createSharedFeed } from './shared-feed.ts';
import { createStore, useStore } from './store.ts';

/** Hints may be lost on their way: everything is read again from time to time. */
const RELOAD_MS = 5 * 60_000;
const RETRY_MS = 3000;

export interface FleetState {
  fleet: Fleet;
  /** False until the list was read once. */
  loaded: boolean;
  error: ApiError | undefined;
}

const START: FleetState = { fleet: EMPTY_FLEET, loaded: false, error: undefined };

/** One list for all parts of the page that show machines; it lives while one of them is shown. */
const state = createStore<FleetState>(START);
/** Grows when jobs began, went on or ended. */
const jobsChanged = createStore(0);

const path = (org: string, rest: string) => `/api/v1/organizations/${org}/fleet${rest}`;

function begin(org: string, signal: AbortSignal): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  // What happened while the list was on its way is applied on top of it.
  let during: FleetEvent[] | undefined;

  const load = async () => {
    clearTimeout(timer);
    if (during !== undefined) return;
    during = [];
    try {
      const { items } = await sendJson<{ items: Machine[] }>(path(org, ''), { signal });
      const fleet = during.reduce(applyFleetEvent, toFleet(items));
      if (!signal.aborted) state.set({ fleet, loaded: true, error: undefined });
      timer = setTimeout(load, RELOAD_MS);
    } catch (cause) {
      if (signal.aborted) return;
      state.set({ ...state.get(), error: asApiError(cause) });
      timer = setTimeout(load, RETRY_MS);
    } finally {
      during = undefined;
    }
  };
  const onEvent = (event: FleetEvent) => {
    if (event.type === 'reload') void load();
    else if (event.type === 'changed') jobsChanged.set(jobsChanged.get() + 1);
    else {
      during?.push(event);
      state.set({ ...state.get(), fleet: applyFleetEvent(state.get().fleet, event) });
    }
  };
  let connectedBefore = false;
  void followEvents<FleetEvent>({
    path: path(org, '/events'),
    onEvent,
    onStatus(status) {
      if (status !== 'live') return;
      // Nobody told what happened while the connection was away.
      if (connectedBefore) {
        void load();
        jobsChanged.set(jobsChanged.get() + 1);
      }
      connectedBefore = true;
    },
    onRefused: (error) => state.set({ ...state.get(), error }),
    signal,
  });
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  void load();
}

const feed = createSharedFeed({ begin, reset: () => state.set(START) });

/** The organization's machines, live. */
export function useFleet(org: string): FleetState {
  const found = useStore(state);
  useEffect(() => feed.enter(org), [org]);
  return feed.isOf(org) ? found : START;
}

/** Grows about once a second while jobs go on: a reason to read them again. */
export function useJobsChanged(org: string): number {
  useEffect(() => feed.enter(org), [org]);
  return useStore(jobsChanged);
}
