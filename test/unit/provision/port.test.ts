import { describe, expect, it } from 'vitest';
import { choosePort } from '../../../provision/port.ts';

const host = (taken: number[]) =>
  ({ isPortFree: async (port: number) => !taken.includes(port), freePort: async () => 40_123 }) as Parameters<
    typeof choosePort
  >[0]['host'];
const choose = (options: Partial<Parameters<typeof choosePort>[0]> & { taken: number[] }) => {
  const notes: string[] = [];
  const port = choosePort({
    mode: 'user',
    port: undefined,
    configured: undefined,
    note: (text) => void notes.push(text),
    host: host(options.taken),
    ...options,
  });
  return { port, notes };
};

describe('the port of the local interface', () => {
  it('is 8080 when it is free', async () => {
    expect(await choose({ taken: [] }).port).toBe(8080);
  });

  it('gives way to a free one in user mode, and says so', async () => {
    const { port, notes } = choose({ taken: [8080] });
    expect(await port).toBe(40_123);
    expect(notes).toEqual(['Port 8080 is taken; the agent uses 40123.']);
  });

  it('is an error with a hint in system mode', async () => {
    await expect(choose({ taken: [8080], mode: 'system' }).port).rejects.toThrow(
      expect.objectContaining({ code: 'conflict', hint: expect.stringContaining('--port') }),
    );
  });

  it('is never another one than was asked for', async () => {
    await expect(choose({ taken: [9000], port: 9000 }).port).rejects.toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
  });

  it('stays the configured one, which this very agent may hold', async () => {
    expect(await choose({ taken: [9100], configured: 9100 }).port).toBe(9100);
  });
});
