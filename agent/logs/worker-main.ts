// The thread in which a log is analyzed: takes its order at the start, and `stop` while it works.
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../protocol/errors.ts';
import { type AnalysisOrder, analyzeLog } from './analysis.ts';
import type { WorkerMessage } from './worker.ts';

const port = parentPort;
if (port === null) throw new Error('this runs in a thread of the agent only');
const say = (message: WorkerMessage): void => port.postMessage(message);
const abort = new AbortController();
port.once('message', () => abort.abort(new Error('stopped')));
try {
  const found = await analyzeLog(workerData as AnalysisOrder, abort.signal, (lines) =>
    say({ kind: 'progress', lines }),
  );
  say({ kind: 'done', ...found });
} catch (cause) {
  if (abort.signal.aborted) say({ kind: 'stopped' });
  else if (cause instanceof AppError) {
    const { code, message, hint } = cause;
    say({ kind: 'refused', code, message, hint });
  } else say({ kind: 'failed', cause });
} finally {
  // Nothing else keeps the thread.
  port.close();
}
