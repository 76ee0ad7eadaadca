/** What a program was doing when it is killed, and at which passage: `<point>#<count>`. Set for the programs of these tests alone. */
export const CRASH_AT = 'CRASH_AT';

const [point = '', count = '1'] = (process.env[CRASH_AT] ?? '').split('#');
let left = Number(count);

/** The process is gone when this returns, if this is where it has to die. */
export function passes(here: string): void {
  if (here !== point) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

type Method = (...args: never[]) => unknown;

/** Runs `before` and `after` around a method. */
export function around<T, K extends keyof T>(
  target: T,
  name: T[K] extends Method ? K : never,
  hooks: Partial<
    Record<'before' | 'after', (...args: T[K] extends Method ? Parameters<T[K]> : never) => unknown>
  >,
): void {
  const method = target[name] as (...args: unknown[]) => unknown;
  function wrapped(this: unknown, ...args: never): unknown {
    hooks.before?.(...args);
    const result = method.apply(this, args);
    hooks.after?.(...args);
    return result;
  }
  target[name] = wrapped as T[K] & typeof wrapped as never;
}
