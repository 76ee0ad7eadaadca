import type { Bus, Hint } from './bus.ts';

/** The bus of a single orchestrator: calls the listeners at once. */
export function memoryBus(): Bus {
  const all = new Set<(hint: Hint) => void>();
  const byJob = new Map<string, Set<() => void>>();
  return {
    publish(hint) {
      for (const listener of all) listener(hint);
      if (hint.topic !== 'job') return;
      for (const listener of byJob.get(`${hint.organization_id}/${hint.job_id}`) ?? []) listener();
    },
    subscribe(listener) {
      all.add(listener);
      return () => all.delete(listener);
    },
    subscribeJob(organizationId, jobId, listener) {
      const key = `${organizationId}/${jobId}`;
      const listeners = byJob.get(key) ?? new Set();
      byJob.set(key, listeners.add(listener));
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && byJob.get(key) === listeners) byJob.delete(key);
      };
    },
    async close() {
      all.clear();
      byJob.clear();
    },
  };
}
