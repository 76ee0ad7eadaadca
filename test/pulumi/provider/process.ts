// A process of which the output is collected, apart and in the order in which it came.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface Ended {
  /** 128 + 9 where a signal ended it: the exact one does not matter here. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Both, as they came. */
  readonly all: string;
}

export interface ProcessOptions {
  readonly input?: string | Uint8Array;
  readonly dir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A file that takes the output instead of pipes: the answer comes when the process ends, whatever it leaves running. */
  readonly errorsTo?: string;
}

export function runProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<Ended> {
  const [program = '', ...words] = argv;
  const file = options.errorsTo === undefined ? undefined : openSync(options.errorsTo, 'w');
  const child = spawn(program, words, {
    cwd: options.dir,
    env: options.env ?? process.env,
    stdio: file === undefined ? 'pipe' : ['ignore', file, file],
  });
  if (file !== undefined) closeSync(file);
  let [out, err, all] = ['', '', ''];
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
    out += piece;
    all += piece;
  });
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
    all += piece;
  });
  // A program may end without reading its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (options.errorsTo !== undefined) err = readFileSync(options.errorsTo, 'utf8');
      resolve({ code: code ?? 137, out, err, all });
    });
  });
}
