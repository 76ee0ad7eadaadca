import { once } from 'node:events';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient } from '../../agent/client.ts';
import { createLogEngine } from '../../agent/logs/engine/engine.ts';
import { LogAnalyzer } from '../../agent/logs/worker.ts';
import { systemClock } from '../../base/clock.ts';
import { analyzeLogArgumentsSchema } from '../../protocol/log-tools.ts';
import { render, usualEvents } from '../fakes/generated-log.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { startMcpAgent } from '../mcp/support/agent.ts';
import { until } from '../mcp/support/processes.ts';

let home: TempHome;
let path: string;
const LINES = 200_000;
const START = Date.parse('2026-01-31T00:00:00Z');

beforeAll(async () => {
  home = await createTempHome();
  path = home.join('app.log');
  const out = createWriteStream(path);
  for (let at = 0; at < LINES; at += 10_000)
    out.write(
      usualEvents({ fromMs: START + at * 100, count: 10_000, everyMs: 100, seed: at })
        .map(render)
        .join(''),
    );
  out.end();
  await once(out, 'close');
});
afterAll(() => home.remove());

const orderOf = (args: object) => ({
  args: analyzeLogArgumentsSchema.parse({ log_path: path, ...args }),
  rules: { access: { read: ['/'] }, protectedPaths: { unreadable: [] } },
  maxLines: 10_000_000,
  journalctl: 'journalctl',
  nowMs: START + 86_400_000,
});
const run = (args: object, more: { signal?: AbortSignal; onProgress?: () => void } = {}) =>
  new LogAnalyzer().run({
    order: orderOf(args),
    clock: systemClock,
    signal: more.signal ?? new AbortController().signal,
    onProgress: more.onProgress ?? (() => undefined),
  });

/** The longest time that this thread did nothing else while `work` was done, in milliseconds. */
async function longestBlock(work: () => unknown): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  // The histogram sees a block between two of its own timers: one before the work, and one after it.
  await systemClock.sleep(50);
  await work();
  await systemClock.sleep(50);
  delay.disable();
  return delay.max / 1e6;
}

/** The name that the kernel shows for it. */
const THREAD = 'log-analysis';
const threads = (pid: number | 'self' = 'self'): string[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim()];
    } catch {
      // It has just ended.
      return [];
    }
  });

describe('[logs-4] an analysis in a thread of its own', () => {
  it('leaves the event loop alone, which the same work on it would block', async () => {
    const text = readFileSync(path, 'utf8').split('\n');
    const control = await longestBlock(() => {
      const engine = createLogEngine({ nowMs: START, onEvent: () => undefined });
      for (const line of text) engine.push(line);
      engine.end();
    });
    const found = { lines: 0 };
    const inThread = await longestBlock(async () => {
      const { structured } = await run({ lines: 0 });
      found.lines = structured.lines_read;
    });
    expect(found.lines).toBe(LINES);
    expect(inThread).toBeLessThan(control / 4);
  });

  it('ends when it is cancelled, thread and all', async () => {
    const abort = new AbortController();
    let during: string[] = [];
    const onProgress = () => {
      during = threads();
      abort.abort(new Error('enough'));
    };
    await expect(run({ lines: 0 }, { signal: abort.signal, onProgress })).rejects.toThrow('enough');
    expect(during).toContain(THREAD);
    expect(threads()).not.toContain(THREAD);
  });

  it('waits for its turn, which a cancelled one gives back', async () => {
    const analyzer = new LogAnalyzer();
    const abort = new AbortController();
    const call = (signal: AbortSignal, lines: number) =>
      analyzer.run({ order: orderOf({ lines }), clock: systemClock, signal, onProgress: () => undefined });
    const calls = [call(abort.signal, 0), call(abort.signal, 0), call(abort.signal, 0)].map((one) =>
      one.catch(String),
    );
    const last = call(new AbortController().signal, 10);
    abort.abort(new Error('enough'));
    expect(await Promise.all(calls)).toEqual(Array(3).fill('Error: enough'));
    expect((await last).structured.lines_read).toBe(10);
  });
});

describe('the agent’s own door', () => {
  it('answers with an analysis, and ends its thread when the caller goes', async () => {
    await using agent = await startMcpAgent({
      config: 'tools:\n  log_analyzer:\n    max_lines: 10000000\n',
    });
    const client = new AgentClient({ url: `http://127.0.0.1:${agent.port}`, apiKey: agent.home.apiKey });
    const log = await client.analyzeLog({ log_path: path, lines: 1000, level: 'warning' });
    expect(log).toMatchObject({ lines_read: 1000, format: 'header', line_numbers: 'file' });
    expect(log.lines_analyzed).toBe(log.levels.warning);
    const { pid } = agent.process;
    const abort = new AbortController();
    const cancelled = client.analyzeLog({ log_path: path, lines: 0 }, { signal: abort.signal });
    const ended = expect(cancelled).rejects.toThrow();
    expect(await until(() => threads(pid).includes(THREAD), 10_000)).toBe(true);
    abort.abort(new Error('enough'));
    await ended;
    expect(await until(() => !threads(pid).includes(THREAD), 5000)).toBe(true);
  });
});
