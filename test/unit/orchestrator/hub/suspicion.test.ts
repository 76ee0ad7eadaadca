import { describe, expect, it } from 'vitest';
import { mayBeOne, type Speaker, suspicionOf } from '../../../../orchestrator/hub/suspicion.ts';

const reasonOf = (machineHash: string | null, takenSeq: number, shown: string, seq: number) =>
  suspicionOf({ known: { machineHash, takenSeq }, hello: { machine_hash: shown, command_seq: seq } })?.reason;

describe('what a hello says against its machine', () => {
  it.each([
    [undefined, null, 0, 'a', 0],
    [undefined, 'a', 5, 'a', 5],
    [undefined, 'a', 5, 'a', 9],
    ['rolled_back', 'a', 5, 'a', 4],
    ['rolled_back', 'a', 1, 'a', 0],
    ['machine_changed', 'a', 5, 'b', 5],
    // A container, or a system without an id, says nothing about itself.
    [undefined, 'unknown', 0, 'b', 0],
    [undefined, 'a', 0, 'unknown', 0],
    // A copy of an old disk is first of all an old disk.
    ['rolled_back', 'a', 5, 'b', 4],
  ] as const)('%s: knows %s and %i, shown %s and %i', (reason, known, taken, shown, seq) => {
    expect(reasonOf(known, taken, shown, seq)).toBe(reason);
  });
});

describe('whether two connections can be one machine’s', () => {
  const speaker = (processId: string | undefined, bootId: string): Speaker => ({
    processId,
    bootId,
    address: null,
  });
  it.each([
    ['a renewal’s second connection', true, speaker('p', 'b'), speaker('p', 'b')],
    ['another process', false, speaker('p', 'b'), speaker('q', 'b')],
    ['another boot of an older agent', false, speaker(undefined, 'b'), speaker(undefined, 'c')],
    ['an older agent, started again', true, speaker(undefined, 'b'), speaker(undefined, 'b')],
    ['after an upgrade, the same boot', true, speaker(undefined, 'b'), speaker('p', 'b')],
    ['after an upgrade, another boot', false, speaker(undefined, 'b'), speaker('p', 'c')],
  ])('%s: %s', (_, one, first, second) => {
    expect(mayBeOne(first, second)).toBe(one);
  });
});
