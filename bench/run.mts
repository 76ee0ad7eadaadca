// `npm run bench -- [NAME…] [--json] [--rounds N] [--seconds N] [--mib N] [--cpu-prof DIR]`: ours against its peers, as ratios.
import { parseArgs } from 'node:util';
import { comparison as execLatency } from './exec-latency.mts';
import { comparison as idle } from './idle.mts';
import { comparison as install } from './install.mts';
import { endAll } from './lib/child.ts';
import type { BenchOptions, Comparison } from './lib/comparison.ts';
import { type Report, toMarkdown } from './lib/report.ts';
import { comparison as logs } from './logs.mts';
import { comparison as metrics } from './metrics.mts';
import { comparison as privilegedExec } from './privileged-exec.mts';
import { comparison as streaming } from './streaming.mts';
import { comparison as toolsList } from './tools-list.mts';

const COMPARISONS: readonly Comparison[] = [
  execLatency,
  privilegedExec,
  install,
  idle,
  metrics,
  logs,
  streaming,
  toolsList,
];

const HELP = `npm run bench -- [NAME…] [options]   compare vm-agent with its peers on this machine

${COMPARISONS.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`).join('\n')}

  --rounds N     measured rounds of what is repeated
  --seconds N    length of what is observed while idle (60)
  --mib N        size of a stream (512)
  --cpu-prof DIR write CPU profiles of orchestrator and agent there; the ratios of such a run are too high
  --json         one JSON array of reports instead of Markdown
  --help

Without names all are run. Needs the bundles in dist/ (npm run build).
A goal that is missed is printed as missed and does not change the exit code: 0 measured, 1 something could not be
measured, 2 wrong arguments.
`;

function refuse(message: string): never {
  process.stderr.write(`bench: ${message}\n\n${HELP}`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        mib: { type: 'string' },
        'cpu-prof': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text)) refuse(`--${name} takes a whole number from 1, not "${text}"`);
  return Number(text);
}

const { values, positionals } = parse();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const unknown = positionals.filter((name) => !COMPARISONS.some((comparison) => comparison.name === name));
if (unknown.length) refuse(`no comparison ${unknown.join(', ')}`);

const terminal = process.stderr.isTTY;
const options: BenchOptions = {
  rounds: positive('rounds', values.rounds),
  seconds: positive('seconds', values.seconds),
  mib: positive('mib', values.mib),
  cpuProfileDir: values['cpu-prof'],
  progress: (text) => {
    if (terminal) process.stderr.write(`\r\x1b[K${text}`);
  },
};

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted = true;
    endAll();
  });

const reports: Report[] = [];
for (const comparison of COMPARISONS) {
  if (interrupted) break;
  if (positionals.length && !positionals.includes(comparison.name)) continue;
  try {
    const report = await comparison.run(options);
    if (terminal) process.stderr.write('\r\x1b[K');
    reports.push(report);
    if (!values.json) process.stdout.write(`${toMarkdown(report)}\n`);
  } catch (error) {
    if (terminal) process.stderr.write('\r\x1b[K');
    const reason = interrupted ? 'interrupted' : String(error);
    process.stderr.write(`bench: ${comparison.name} could not be measured: ${reason}\n`);
    process.exitCode = 1;
  }
}
if (values.json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
