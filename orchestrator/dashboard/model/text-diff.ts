import { structuredPatch } from 'diff';

export interface DiffLine {
  kind: 'same' | 'added' | 'removed' | 'gap';
  text: string;
}

const CONTEXT = 3;

/** What a change does, line by line, with the lines around it; empty when there is none. */
export function diffLines(before: string, after: string): DiffLine[] {
  if (before === after) return [];
  const { hunks } = structuredPatch('', '', before, after, '', '', { context: CONTEXT });
  return hunks.flatMap(({ oldStart, lines }, index) => [
    ...(index === 0 && oldStart <= 1 ? [] : [{ kind: 'gap' as const, text: `line ${oldStart}` }]),
    ...lines.map((line): DiffLine => {
      const text = line.slice(1);
      if (line.startsWith('+')) return { kind: 'added', text };
      if (line.startsWith('-')) return { kind: 'removed', text };
      // "\ No newline at end of file"
      return line.startsWith('\\') ? { kind: 'gap', text } : { kind: 'same', text };
    }),
  ]);
}
