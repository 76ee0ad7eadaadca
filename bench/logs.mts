// How fast a log of a format that nobody described is understood, and in how much memory.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { alternate, type Contestant } from './lib/alternate.ts';
import { blockLog } from './lib/block-log.ts';
import { startSpawner } from './lib/child.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine, versionOf } from './lib/machine.ts';
import { goal, type Report } from './lib/report.ts';
import { median, ratioOfMedians } from './lib/stats.ts';

const ROUNDS = 5;
const WARMUP = 1;
const LINES = 200_000;
const MANY_LINES = 10_000_000;

const WC = '`wc -l` (floor)';
const OURS = 'ours: header, times, levels, patterns';
const LNAV = 'lnav: index, and count by level';
const LNAV_PATTERNS = 'lnav: patterns (log_msg_format)';
const DRAIN = 'Drain3: patterns of whole lines';

const PYTHON = join(import.meta.dirname, '.venv/bin/python');
const ENGINE = join(import.meta.dirname, 'peers/log-engine.mts');
/** The engine makes much that lives for a moment: with a small young generation it stays in little memory. */
const NODE_OPTIONS = ['--max-semi-space-size=4'];

interface Measured {
  lines: number;
  patterns: number;
  cpuMs: number;
  peakRss: number;
}

export const comparison: Comparison = {
  name: 'logs',
  summary: 'lines a second of a log of unknown format: ours, lnav, Drain3; memory over ten million lines',
  async run({ rounds = ROUNDS, progress }): Promise<Report> {
    const lnav = versionOf('lnav', '-V');
    const drain = existsSync(PYTHON)
      ? versionOf(PYTHON, '-c', 'import drain3; print("installed")')
      : undefined;
    const machine = describeMachine({ lnav: lnav ?? 'none' });
    await using closing = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'vm-agent-bench-logs-'));
    closing.defer(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'blocks.log');
    progress(`writing ${LINES} lines`);
    await writeFile(file, `${[...blockLog(LINES)].join('\n')}\n`);
    const engine = join(folder, 'log-engine.mjs');
    await build({ entryPoints: [ENGINE], outfile: engine, bundle: true, platform: 'node', format: 'esm' });
    const spawner = closing.use(startSpawner());
    const inside: number[] = [];
    const env = { ...process.env, HOME: folder };

    const ours = async () => {
      const { ms, text } = await spawner.run(process.execPath, [...NODE_OPTIONS, engine, file]);
      const measured = JSON.parse(text) as Measured;
      if (measured.lines !== LINES) throw new Error(`${measured.lines} of ${LINES} lines were read`);
      inside.push(measured.cpuMs);
      return ms;
    };
    const timed = async (program: string, args: readonly string[]) =>
      (await spawner.run(program, args, env)).ms;
    const query = (sql: string) => () => timed('lnav', ['-n', '-N', '-c', `;${sql}`, file]);
    const contestants: Contestant[] = [
      { name: WC, once: () => timed('wc', ['-l', file]) },
      { name: OURS, once: ours },
    ];
    const skipped: { name: string; reason: string }[] = [];
    if (lnav === undefined)
      skipped.push({ name: 'lnav', reason: 'it is not installed (Debian: apt-get install lnav)' });
    else
      contestants.push(
        { name: LNAV, once: query('SELECT log_level, count(*) FROM all_logs GROUP BY log_level') },
        {
          name: LNAV_PATTERNS,
          once: query('SELECT log_msg_format, count(*) FROM all_logs GROUP BY log_msg_format'),
          every: 4,
        },
      );
    if (drain === undefined)
      skipped.push({
        name: 'Drain3',
        reason:
          'it is not installed (python3 -m venv bench/.venv && bench/.venv/bin/pip install drain3==0.9.11)',
      });
    else
      contestants.push({
        name: DRAIN,
        once: () => timed(PYTHON, [join(import.meta.dirname, 'peers/drain3_mine.py'), file]),
        every: 4,
      });
    const samples = await alternate({
      contestants,
      rounds,
      warmup: WARMUP,
      onRound: (done, all) => progress(`round ${done} of ${all}`),
    });
    progress(`${MANY_LINES} lines for the memory`);
    const { text } = await spawner.run(process.execPath, [
      ...NODE_OPTIONS,
      engine,
      '--generate',
      String(MANY_LINES),
    ]);
    const many = JSON.parse(text) as Measured;
    if (many.lines !== MANY_LINES) throw new Error(`${many.lines} of ${MANY_LINES} lines were read`);

    const of = (name: string) => samples.get(name) ?? [];
    const speed = (ms: number) => LINES / ms;
    const faster = (base: string) => ratioOfMedians(of(OURS).map(speed), of(base).map(speed));
    const goals = [
      goal({
        name: 'ours, without its start: thousand lines a second of processor time',
        measured: { value: median(inside.map(speed)) },
        limit: 200,
        bound: 'at least',
      }),
      goal({
        name: `peak RSS over ${MANY_LINES / 1e6} million lines`,
        measured: { value: many.peakRss / 1e6 },
        limit: 150,
        bound: 'at most',
        unit: 'MB',
      }),
    ];
    if (lnav !== undefined)
      goals.push(
        goal({
          name: 'ours ÷ lnav with patterns, lines a second',
          measured: faster(LNAV_PATTERNS),
          limit: 1,
          bound: 'at least',
        }),
      );
    return {
      name: this.name,
      title: `logs: ${LINES} lines of a format that nobody described`,
      machine: machine(),
      tables: [
        {
          title: 'thousand lines a second',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'median', label: 'median', digits: 0 },
            { key: 'seconds', label: 'seconds', digits: 2 },
            { key: 'ratio', label: 'ours ÷', digits: 2 },
          ],
          rows: contestants.map(({ name }) => ({
            name,
            values: {
              n: of(name).length,
              median: median(of(name).map(speed)),
              seconds: median(of(name)) / 1000,
              ratio: faster(name).value,
            },
          })),
        },
      ],
      goals,
      skipped,
      notes: [
        'The table is of whole processes, their start included, and suffers from what else the machine does; processor time does so less.',
        'lnav finds the times and levels of these lines by its generic format; patterns it looks for only when asked.',
        'Drain3 works on the raw lines with its default settings; it looks for neither times nor levels.',
      ],
    };
  },
};
