// `npm test [-- SUITE… --full]`: every suite that this machine can run, or those named; `--full` makes the tests that
// have two sizes as large as their promises say, which takes an hour. The last line of stdout is always
// `N passed, N failed, N skipped`; the exit code is 0 only if something ran and nothing failed.
import { execFileSync, spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPackages } from './lib/apt.ts';
import { startEarly } from './lib/early.ts';
import { ROOT } from './lib/root.ts';
import { FULL_SIZE, SUITES, type Suite } from './lib/suites.ts';
import { type Failure, readReport, type Tally } from './lib/vitest-report.ts';

const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const reports = mkdtempSync(join(tmpdir(), 'vm-agent-test-'));

function vitest(args: readonly string[], show: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [VITEST, ...args, '--configLoader=native'], {
      cwd: ROOT,
      stdio: ['ignore', show ? 'inherit' : 'ignore', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function runSuite({ name }: Suite): Promise<Tally> {
  const report = join(reports, `${name}.json`);
  const code = await vitest(
    ['run', '--project', name, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    true,
  );
  const broken = (why: string): Tally => ({
    passed: 0,
    failed: 1,
    skipped: 0,
    failures: [{ test: name, message: why }],
  });
  let tally: Tally;
  try {
    tally = readReport(report, ROOT);
  } catch (error) {
    return broken(`vitest ended with code ${code} and left no readable report: ${String(error)}`);
  }
  // Vitest also fails for what belongs to no test, an unhandled rejection for one.
  if (code !== 0 && tally.failed === 0) {
    const failure = {
      test: name,
      message: `vitest ended with code ${code} although every test passed; see above`,
    };
    return { ...tally, failed: 1, failures: [failure] };
  }
  return tally;
}

/** Why this machine cannot run the suite; tries to make it able to first. */
function obstacle({ needsRoot, packages = [], wants, preflight }: Suite): string | undefined {
  if (needsRoot && process.platform !== 'linux') return 'needs Linux';
  if (needsRoot && process.getuid?.() !== 0) return 'needs root';
  const missing = installPackages(packages);
  const less = installPackages(wants ? [...wants.always, ...(isFull ? wants.full : [])] : []);
  if (less !== undefined) console.log(`  some tests are skipped: ${less}`);
  if (missing !== undefined || preflight === undefined) return missing;
  const reasons = JSON.parse(
    execFileSync(process.execPath, [join(ROOT, preflight)], { encoding: 'utf8' }),
  ) as string[];
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

/** How many tests a suite holds that does not run here; its files where even that cannot be told. */
async function countTests({ name, files }: Suite): Promise<number> {
  const list = join(reports, `${name}.list.json`);
  const code = await vitest(['list', '--project', name, `--json=${list}`], false);
  if (code !== 0) return globSync(files, { cwd: ROOT }).length;
  const { default: tests } = (await import(list, { with: { type: 'json' } })) as { default: unknown[] };
  return tests.length;
}

const asked = process.argv.slice(2);
const isFull = asked.includes('--full');
if (isFull) process.env[FULL_SIZE] = '1';
const named = asked.filter((word) => word !== '--full');
const unknown = named.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length) {
  console.error(`no suite ${unknown.join(', ')}; there are: ${SUITES.map((suite) => suite.name).join(', ')}`);
  process.exit(2);
}

let [passed, failed, skipped] = [0, 0, 0];
const failures: Failure[] = [];
const wanted = SUITES.filter(({ name }) => !named.length || named.includes(name));
const stopEarly = startEarly(wanted);
try {
  for (const suite of wanted) {
    if (!globSync(suite.files, { cwd: ROOT }).length) {
      if (named.length) console.log(`– ${suite.name}: has no tests`);
      continue;
    }
    console.log(`▶ ${suite.name}`);
    const reason = obstacle(suite);
    if (reason) {
      const count = await countTests(suite);
      console.log(`– ${suite.name}: skipped, ${reason} (${count} tests)`);
      skipped += count;
      continue;
    }
    const tally = await runSuite(suite);
    passed += tally.passed;
    failed += tally.failed;
    skipped += tally.skipped;
    failures.push(...tally.failures);
  }
} finally {
  stopEarly();
  rmSync(reports, { recursive: true, force: true });
}

if (failures.length) console.log('\nFailed:');
for (const { test, message } of failures) {
  console.log(`✗ ${test}`);
  // What vitest itself did on the way to the test says nothing about it.
  const lines = message.split('\n').filter((line) => !/^\s+at .*node_modules\/(vitest|@vitest)\//.test(line));
  for (const line of lines.slice(0, 20)) console.log(`    ${line}`);
}
if (passed + failed === 0) console.log('No test ran.');
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
