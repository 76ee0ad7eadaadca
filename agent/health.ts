import type { AgentHealth } from '../protocol/agent-http.ts';

/** One thing that must hold. What fails makes the agent `degraded`, or `unhealthy` when it says so. */
export interface Condition {
  name: string;
  ok: boolean;
  detail: string;
}

type Weight = Exclude<AgentHealth['status'], 'healthy'>;

/** Named conditions and the status that they make. */
export class Health {
  readonly #conditions = new Map<string, Condition & { weight: Weight }>();
  readonly #onChange: (condition: Condition) => void;

  constructor(onChange: (condition: Condition) => void = () => undefined) {
    this.#onChange = onChange;
  }

  /** A condition counts as failing until it is set. */
  define(name: string, weight: Weight, detail: string): (ok: boolean, detail: string) => void {
    this.#conditions.set(name, { name, ok: false, detail, weight });
    return (ok, now) => {
      const before = this.#conditions.get(name);
      this.#conditions.set(name, { name, ok, detail: now, weight });
      if (before?.ok !== ok) this.#onChange({ name, ok, detail: now });
    };
  }

  isOk(name: string): boolean {
    return this.#conditions.get(name)?.ok ?? false;
  }

  get status(): AgentHealth['status'] {
    const failing = [...this.#conditions.values()].filter((condition) => !condition.ok);
    if (failing.length === 0) return 'healthy';
    return failing.some((condition) => condition.weight === 'unhealthy') ? 'unhealthy' : 'degraded';
  }

  get conditions(): Condition[] {
    return [...this.#conditions.values()].map(({ name, ok, detail }) => ({ name, ok, detail }));
  }
}
