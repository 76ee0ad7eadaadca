import { createTwoFilesPatch } from 'diff';
import { withoutEscapes } from '../../protocol/escapes.ts';

/** Characters of each stream that are compared and shown: head and tail. */
export const COMPARED_BYTES = 64 * 1024;

/** Bounds of one diff: beyond them two outputs count as too far apart. */
const MOST_EDITS = 1000;
const DIFF_MS = 200;

/** Names by which one machine is called; they differ on each, and say nothing. */
export interface MachineNames {
  vmId: string;
  hostname: string;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Output as it is compared: without terminal sequences, other controls, spaces at line ends and empty lines at the end,
 * and with the machine's own names replaced by `<host>`.
 */
export function normalizeOutput(text: string, names: MachineNames): string {
  const words = [names.vmId, names.hostname].filter((name) => name.length > 2);
  const own = new RegExp(`(?<![\\w-])(?:${words.map(escaped).join('|')})(?![\\w-])`, 'g');
  return (
    withoutEscapes(text)
      .replace(/\r\n?/g, '\n')
      .replace(/[\p{Cc}--[\n\t]]/gv, '')
      .replace(words.length === 0 ? /$^/ : own, '<host>')
      // A run is tried from its beginning alone: from each of its characters it takes the square of its length.
      .replace(/(?<![ \t])[ \t]+$/gm, '')
      .replace(/(?<!\n)\n+$/, '\n')
  );
}

/** A unified diff from the largest group's output; null when they are too far apart to be told. */
export function diffOutputs(from: string, to: string, names: { from: string; to: string }): string | null {
  const patch = createTwoFilesPatch(names.from, names.to, from, to, '', '', {
    context: 3,
    maxEditLength: MOST_EDITS,
    timeout: DIFF_MS,
  });
  if (patch === undefined) return null;
  return patch
    .split('\n')
    .filter((line) => !line.startsWith('====') && !line.startsWith('Index:'))
    .join('\n');
}
