import type { CommandResult } from '../../protocol/command.ts';
import type { Door } from './tool.ts';

export interface CallCount {
  tool: string;
  door: Door;
  result: CommandResult['state'];
  count: number;
}

/** How often each tool ended in which way, since the start. Tools are known names only, so it does not grow. */
export class CallCounts {
  readonly #counts = new Map<string, CallCount>();

  add(tool: string, door: Door, result: CommandResult['state']): void {
    const key = `${tool} ${door} ${result}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { tool, door, result, count: 1 });
    else known.count++;
  }

  all(): readonly CallCount[] {
    return [...this.#counts.values()];
  }
}
