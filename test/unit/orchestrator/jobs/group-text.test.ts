import { describe, expect, it } from 'vitest';
import { diffOutputs, normalizeOutput } from '../../../../orchestrator/jobs/group-text.ts';
import { summaryOf } from '../../../../orchestrator/jobs/groups.ts';

const names = { vmId: 'vm-web-1-a1b2c3', hostname: 'web-1' };

describe('output that is compared', () => {
  it('is the same whatever the terminal, the line ends and the machine’s own name are', () => {
    const one = normalizeOutput('\u001b[32mok\u001b[0m on web-1 \r\nvm-web-1-a1b2c3\t\n\n\n', names);
    expect(one).toBe('ok on <host>\n<host>\n');
    expect(normalizeOutput('web-10 web-1.example\n', names)).toBe('web-10 <host>.example\n');
  });

  it('keeps what a short name might mean', () => {
    expect(normalizeOutput('a b\n', { vmId: 'vm-a-000000', hostname: 'a' })).toBe('a b\n');
  });
});

describe('a diff', () => {
  it('shows what differs from the largest group', () => {
    const diff = diffOutputs('a\nb\nc\n', 'a\nx\nc\n', { from: 'vm-1', to: 'vm-2' });
    expect(diff).toContain('--- vm-1\n+++ vm-2\n');
    expect(diff).toContain('-b\n+x\n');
  });

  it('gives up in bounded time on what is too far apart', () => {
    const lines = (seed: number) => Array.from({ length: 4000 }, (_, i) => `${seed} ${i}\n`).join('');
    expect(diffOutputs(lines(1), lines(2), { from: 'a', to: 'b' })).toBeNull();
  });
});

describe('the summary', () => {
  it.each([
    [
      [
        ['succeeded', 47, 47],
        ['succeeded', 2, 2],
        ['queued', 1, 0],
      ],
      '47 identical, 2 differ, 1 offline',
    ],
    [[['succeeded', 1, 1]], '1 ran'],
    [
      [
        ['succeeded', 3, 3],
        ['failed', 1, 1],
        ['skipped', 5, 5],
      ],
      '3 identical, 1 differs, 5 skipped',
    ],
    [[['running', 2, 2]], '2 running'],
    [[], 'nothing yet'],
  ] as const)('of %j is %s', (groups, text) => {
    expect(summaryOf(groups.map(([state, count, online]) => ({ state, count, online })))).toBe(text);
  });
});
