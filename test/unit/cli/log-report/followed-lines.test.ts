import { describe, expect, it } from 'vitest';
import { createLineFilter } from '../../../../cli/log-report/followed-lines.ts';

const at = '2026-11-27T10:00:00Z';

describe('lines that are followed', () => {
  it('are masked, also a key that comes in two batches', () => {
    const filter = createLineFilter({ grep: undefined, least: undefined, mask: true });
    const [first] = filter([`${at} INFO login password=hunter2`, '-----BEGIN PRIVATE KEY-----']);
    expect(first?.text).toBe(`${at} INFO login password=[masked: secret by its name]`);
    expect(filter(['MIIEvQIBADANBgkq', '-----END PRIVATE KEY-----'])[0]?.text).toBe('[masked: private key]');
  });

  it('are left as they are where no mask is wanted', () => {
    const filter = createLineFilter({ grep: undefined, least: undefined, mask: false });
    expect(filter(['\u001b[1mpassword=hunter2'])[0]?.text).toBe('\u001b[1mpassword=hunter2');
  });

  it('are of the wanted level, with what belongs to them', () => {
    const filter = createLineFilter({ grep: undefined, least: 'error', mask: false });
    const texts = (lines: string[]) => filter(lines).map(({ text }) => text);
    expect(texts([`${at} INFO a`, `${at} ERROR b`, '    at x.y(Z.java:1)'])).toEqual([
      `${at} ERROR b`,
      '    at x.y(Z.java:1)',
    ]);
    expect(texts(['    at x.z(Z.java:2)', `${at} WARN c`, '    at q'])).toEqual(['    at x.z(Z.java:2)']);
    expect(texts(['{"level":50,"msg":"d"}', '{"level":30,"msg":"e"}'])).toEqual(['{"level":50,"msg":"d"}']);
  });

  it('match the expression', () => {
    const filter = createLineFilter({ grep: 'b+', least: undefined, mask: true });
    expect(filter(['abba', 'acca']).map(({ line }) => line)).toEqual(['abba']);
  });
});
