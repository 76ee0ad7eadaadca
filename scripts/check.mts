// `npm run check`: format, lint, types, import rules, dead exports. All run, also after a failure, and say how long they took.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './lib/root.ts';

const CHECKS: readonly { readonly name: string; readonly command: readonly [string, ...string[]] }[] = [
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'types of the dashboard', command: ['tsc', '-p', 'orchestrator/dashboard'] },
  { name: 'imports', command: ['node', 'scripts/check-imports.mts'] },
  { name: 'dead exports', command: ['knip', '--no-progress'] },
];

function run([program, ...args]: readonly [string, ...string[]]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const file = program === 'node' ? process.execPath : join(ROOT, 'node_modules/.bin', program);
    const child = spawn(file, args, { cwd: ROOT });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

const failed: string[] = [];
for (const { name, command } of CHECKS) {
  const started = performance.now();
  const { code, output } = await run(command);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (code !== 0) {
    failed.push(name);
    console.log(output.trimEnd());
  }
}
if (failed.length) {
  console.log(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
