import { readFileSync } from 'node:fs';

export interface Failure {
  readonly test: string;
  readonly message: string;
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
}

/** The part of vitest's JSON report that the tally needs. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Counts one suite's report. A file that could not even be collected counts as one failure. */
export function readReport(path: string, root: string): Tally {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  let passed = 0;
  let skipped = 0;
  const failures: Failure[] = [];
  for (const file of report.testResults) {
    const name = file.name.replace(`${root}/`, '');
    const before = failures.length;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed++;
      else if (test.status === 'failed') {
        failures.push({
          test: `${name} › ${test.fullName}`,
          message: test.failureMessages?.join('\n') ?? '',
        });
      } else skipped++;
    }
    if (file.status === 'failed' && failures.length === before)
      failures.push({ test: name, message: file.message ?? '' });
  }
  return { passed, failed: failures.length, skipped, failures };
}
