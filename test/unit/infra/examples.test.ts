import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../../scripts/lib/root.ts';

const documents = globSync(['*.md', 'docs/**/*.md', 'infra/**/*.md'], {
  cwd: ROOT,
  exclude: ['**/node_modules/**'],
});
const examples = globSync('infra/examples/*/package.json', { cwd: ROOT });
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Lines of a document that nobody should run. */
function harmful(text: string): string[] {
  return text.split('\n').filter(
    (line) =>
      // The name on the public registry is another project's.
      /npm (i|install|add)\b[^`]* vm-agent(@|\s|$)/.test(line) ||
      // A secret as an argument is in the shell's history.
      /pulumi config set --secret [\w:]+ [^<&|\s]/.test(line) ||
      // A shell takes the brackets for a pattern.
      /--path [^'\s]*\[/.test(line),
  );
}

describe('what people are told to type', () => {
  it.each(documents)('%s: installs no other project, and shows no secret', (document) => {
    expect(harmful(read(document))).toEqual([]);
  });

  it('is looked at: such lines are found', () => {
    const lines = [
      'npm install vm-agent @pulumi/pulumi',
      'pulumi config set --secret apiToken "$TOKEN"',
      'pulumi config set --path subnetIds[0] subnet-1',
    ];
    expect(harmful(lines.join('\n'))).toEqual(lines);
    const good = [
      'npm install ./vm-agent.tgz @pulumi/pulumi',
      'printf %s "$TOKEN" | pulumi config set --secret apiToken && pulumi config set --secret key < file',
      "pulumi config set --path 'subnetIds[0]' subnet-1",
    ];
    expect(harmful(good.join('\n'))).toEqual([]);
  });

  it.each(examples)('%s takes the package from a file', (manifest) => {
    expect(JSON.parse(read(manifest)).dependencies['vm-agent']).toBe('file:vm-agent.tgz');
  });
});
