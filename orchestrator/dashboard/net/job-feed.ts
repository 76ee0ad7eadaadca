import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { JobEvent, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { applyEvent, applyJob, createJobView, type JobView } from '../model/job-view.ts';
import { type ApiError, asApiError } from './api.ts';
import { fetchJob, jobEventsPath } from './endpoints.ts';
import { followEvents } from './event-stream.ts';
import { loadTails, totalOutput } from './output-tails.ts';

/** An ended job with more output than this is not replayed: only the end of each stream is read. */
const REPLAY_MAX_BYTES = 4 * 1024 * 1024;
const JOB_RETRY_MS = 3000;

export interface JobFeed {
  job: JobWithCommands | undefined;
  view: JobView;
  error: ApiError | undefined;
  live: 'live' | 'retrying' | 'done';
  refresh: () => void;
}

/** A job as it goes on. Events change the view at once; it is drawn at most once for each frame of the screen. */
export function useJobFeed(org: string, id: string): JobFeed {
  const [, redraw] = useReducer<number, undefined>((n) => n + 1, 0);
  const [job, setJob] = useState<JobWithCommands | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [live, setLive] = useState<JobFeed['live']>('live');
  const [round, refresh] = useReducer<number, undefined>((n) => n + 1, 0);
  const view = useRef(createJobView());

  useEffect(() => {
    const stop = new AbortController();
    let frame = 0;
    const draw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        redraw(undefined);
      });
    };
    const read = async (): Promise<JobWithCommands> => {
      const found = await fetchJob(org, id, stop.signal);
      applyJob(view.current, found);
      setJob(found);
      setError(undefined);
      return found;
    };
    const follow = async () => {
      const found = await read();
      if (found.state === 'ended' && totalOutput(found) > REPLAY_MAX_BYTES) {
        await loadTails(org, found, view.current, stop.signal, draw);
      } else {
        await followEvents<JobEvent>({
          path: jobEventsPath(org, id),
          onEvent(event) {
            applyEvent(view.current, event);
            draw();
          },
          onStatus: setLive,
          onRefused: setError,
          signal: stop.signal,
        });
        // The last word is the store's: sizes, durations, what a late result changed.
        if (!stop.signal.aborted) await read();
      }
      setLive('done');
    };
    follow().catch((cause: unknown) => {
      if (stop.signal.aborted) return;
      const failure = asApiError(cause);
      setError(failure);
      if (failure.status === 0 || failure.status >= 500)
        retry = setTimeout(() => refresh(undefined), JOB_RETRY_MS);
    });
    let retry: ReturnType<typeof setTimeout> | undefined;
    return () => {
      stop.abort();
      clearTimeout(retry);
      cancelAnimationFrame(frame);
    };
  }, [org, id, round]);

  return { job, view: view.current, error, live, refresh: () => refresh(undefined) };
}
