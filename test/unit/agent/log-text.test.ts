import { fstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isJournal, journalLine } from '../../../agent/log-text.ts';
import { createTempHome } from '../../fakes/temp-home.ts';

const line = (fields: Record<string, unknown>) =>
  journalLine(
    JSON.stringify({ level: 'info', time: '2026-01-02T03:04:05.678Z', name: 'vm-agent', ...fields }),
  );

describe('a line for the journal', () => {
  it.each([
    ['fatal', '<2>'],
    ['error', '<3>'],
    ['warn', '<4>'],
    ['info', '<6>'],
    ['debug', '<7>'],
  ])('begins with the priority of %s', (level, prefix) => {
    expect(line({ level, msg: 'm' })).toBe(`${prefix}m`);
  });

  it('names the module, then the message, its cause and the details', () => {
    const err = { type: 'Error', message: 'refused', stack: 'Error: refused\n    at x' };
    expect(line({ module: 'channel', msg: 'cannot connect', err, url: 'wss://x', failures: 2 })).toBe(
      '<6>channel: cannot connect (refused) url="wss://x" failures=2',
    );
  });

  it('is one line without control characters, whatever a message holds', () => {
    expect(line({ msg: 'a is not valid:\n  b\n  c \u001b[31mred\u0007' })).toBe(
      '<6>a is not valid: / b / c  [31mred ',
    );
  });
});

describe('whether an output is the journal', () => {
  it('goes by device and inode, not by the variable alone', async () => {
    await using home = await createTempHome();
    await using file = await open(join(home.path, 'x'), 'w');
    const { dev, ino } = fstatSync(file.fd);
    expect(isJournal(file.fd, `${dev}:${ino}`)).toBe(true);
    expect(isJournal(file.fd, `${dev}:${ino + 1}`)).toBe(false);
    expect(isJournal(file.fd, undefined)).toBe(false);
    expect(isJournal(99_999, `${dev}:${ino}`)).toBe(false);
  });
});
