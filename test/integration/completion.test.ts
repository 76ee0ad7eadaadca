import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';

const ASK = join(import.meta.dirname, 'support/ask-completion.bash');

let home: TempHome;
beforeAll(async () => {
  home = await createTempHome();
  mkdirSync(home.join('bin'));
  writeFileSync(
    home.join('bin/vm-orchestrator'),
    `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'orchestrator/main.ts')}' "$@"\n`,
    { mode: 0o755 },
  );
});
afterAll(() => home.remove());

function offered(line: string, bashCompletion: 'yes' | 'no'): { words: string[]; errors: string } {
  const PATH = [home.join('bin'), dirname(process.execPath), process.env['PATH']].join(delimiter);
  const env = {
    ...process.env,
    PATH,
    LINE: line,
    NEW_WORD: line.endsWith(' ') ? 'yes' : 'no',
    PACKAGE: bashCompletion,
  };
  const out = execFileSync('bash', ['--norc', '-c', `. '${ASK}' 2>&1`], { encoding: 'utf8', env });
  const lines = out.trim().split('\n');
  return {
    words: lines.map((each) => each.split(/\s/, 1)[0] ?? ''),
    errors: lines.filter((each) => /ask-completion|readonly|not found/i.test(each)).join('\n'),
  };
}

describe.each(['yes', 'no'] as const)(
  'completion in bash, the package bash-completion: %s',
  (bashCompletion) => {
    it.each([
      ['vm-orchestrator agen', ['agents']],
      ['vm-orchestrator agents ', ['list', 'revoke', 'help']],
      ['vm-orchestrator run --sel', ['--selector']],
    ])('of "%s"', (line, expected) => {
      const { words, errors } = offered(line, bashCompletion);
      expect(errors).toBe('');
      expect(words).toEqual(expect.arrayContaining(expected));
    });
  },
);

describe('completion in other shells', () => {
  it.each(['zsh', 'fish', 'powershell'])('has a script for %s', (shell) => {
    const script = execFileSync(process.execPath, [join(ROOT, 'orchestrator/main.ts'), 'completion', shell], {
      encoding: 'utf8',
    });
    expect(script).toContain('vm-orchestrator');
    expect(script.length).toBeGreaterThan(500);
  });
});
