// What the list of tools costs a model that is shown it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../scripts/lib/root.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine } from './lib/machine.ts';
import type { Report, Row } from './lib/report.ts';

const LIMIT = 6000;
/** Four characters are about one token of the tokenizers in use; JSON comes out a little dearer. */
const tokensOf = (value: unknown): number => Math.ceil(JSON.stringify(value).length / 3.6);

interface Entry {
  name: string;
  description: string;
  inputSchema: object;
  outputSchema: object;
}

function run(): Report {
  // A test keeps this file equal to what the agent answers.
  const tools = JSON.parse(readFileSync(join(ROOT, 'test/pins/tools-list.json'), 'utf8')) as Entry[];
  const row = (name: string, entry: Entry): Row => ({
    name,
    values: {
      all: tokensOf(entry),
      text: tokensOf(entry.description),
      input: tokensOf(entry.inputSchema),
      output: tokensOf(entry.outputSchema),
    },
  });
  const all = tokensOf(tools);
  return {
    name: 'tools-list',
    title: 'tools/list, approximate tokens',
    machine: describeMachine({})(),
    tables: [
      {
        title: `${tools.length} tools, ${all} tokens in all`,
        columns: [
          { key: 'all', label: 'tokens', digits: 0 },
          { key: 'text', label: 'description', digits: 0 },
          { key: 'input', label: 'arguments', digits: 0 },
          { key: 'output', label: 'answer', digits: 0 },
        ],
        rows: tools.map((entry) => row(entry.name, entry)),
      },
    ],
    goals: [
      {
        name: 'tokens of tools/list',
        value: all,
        limit: LIMIT,
        bound: 'at most',
        reached: all <= LIMIT,
      },
    ],
    skipped: [],
    notes: ['A token is taken as 3.6 characters of JSON; tokenizers differ by about a tenth.'],
  };
}

export const comparison: Comparison = {
  name: 'tools-list',
  summary: 'approximate tokens of what MCP clients show to a model',
  run: async () => run(),
};
