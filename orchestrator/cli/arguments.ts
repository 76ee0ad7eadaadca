import { InvalidArgumentError } from 'commander';
import { parseDuration, parseLabel } from '../../protocol/provisioning-token.ts';

/** `90`, `5m`, `24h` → seconds. */
export function durationArgument(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds <= 0)
    throw new InvalidArgumentError('Write seconds, or a number with s, m, h or d: 90, 5m, 24h.');
  return seconds;
}

export function labelArgument(text: string, before: Record<string, string>): Record<string, string> {
  const label = parseLabel(text);
  if (label === undefined) throw new InvalidArgumentError('Write key=value.');
  return { ...before, [label[0]]: label[1] };
}

export function countArgument(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('Write a number from 1 on.');
  return count;
}
