import type { Clock, Timer } from '../base/clock.ts';
import type { Reporter, Step, StepEnd } from './step.ts';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;

/** Colours, or nothing where nobody sees them (https://no-color.org). */
export interface Paint {
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

export function paintFor(output: Output, env: Readonly<Record<string, string | undefined>>): Paint {
  const wanted = output.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const code = (open: number, close: number) => (text: string) =>
    wanted ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    green: code(32, 39),
    red: code(31, 39),
    yellow: code(33, 39),
    dim: code(2, 22),
    bold: code(1, 22),
  };
}

const WORDS: Readonly<Record<StepEnd['kind'], string>> = {
  done: 'done',
  already: 'already done',
  would: 'would be done',
};

/** Lines for logs, pipes and cloud-init: one when a step begins, one when it ends. */
function plainReporter(output: Output): Reporter {
  let prefix = '';
  return {
    begin(step, index, total) {
      prefix = `[${index + 1}/${total}] ${step.title}`;
      output.write(`${prefix} ...\n`);
    },
    end(_step, end) {
      const note = end.kind === 'done' && end.note !== undefined ? ` (${end.note})` : '';
      output.write(`${prefix}: ${WORDS[end.kind]}${note}\n`);
    },
    fail() {
      output.write(`${prefix}: FAILED\n`);
    },
  };
}

/** One line for each step, with a spinner while it runs. */
function liveReporter(output: Output, paint: Paint, clock: Clock): Reporter {
  let timer: Timer | undefined;
  let line = '';
  const clear = () => output.write('\r\x1b[2K');
  const stop = () => {
    timer?.cancel();
    timer = undefined;
    clear();
  };
  const spin = (frame: number) => {
    clear();
    output.write(`  ${paint.yellow(FRAMES[frame % FRAMES.length] ?? '')} ${line}`);
    timer = clock.setTimer(FRAME_MS, () => spin(frame + 1), { background: true });
  };
  const marks: Readonly<Record<StepEnd['kind'], string>> = {
    done: paint.green('✓'),
    already: paint.green('✓'),
    would: paint.yellow('→'),
  };
  return {
    begin(step: Step, index: number, total: number) {
      line = `${paint.dim(`${index + 1}/${total}`)} ${step.title}`;
      spin(0);
    },
    end(_step, end) {
      stop();
      const note = end.kind === 'done' ? end.note : WORDS[end.kind];
      output.write(`  ${marks[end.kind]} ${line}${note === undefined ? '' : paint.dim(` ${note}`)}\n`);
    },
    fail() {
      stop();
      output.write(`  ${paint.red('✗')} ${line}\n`);
    },
  };
}

export function createReporter(options: {
  output: Output;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}): Reporter {
  const { output, env, clock } = options;
  return output.isTTY === true && env['TERM'] !== 'dumb'
    ? liveReporter(output, paintFor(output, env), clock)
    : plainReporter(output);
}
