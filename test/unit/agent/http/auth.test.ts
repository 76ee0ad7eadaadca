import { describe, expect, it } from 'vitest';
import { isLoopback } from '../../../../agent/http/auth.ts';

describe('loopback', () => {
  it('is 127.0.0.0/8 and ::1, also as an IPv6 socket shows them', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
      expect(isLoopback(address)).toBe(true);
  });
  it('is nothing else', () => {
    for (const address of ['10.0.0.1', '::', '::ffff:10.0.0.1', '127.0.0.1.evil.example', '', undefined])
      expect(isLoopback(address)).toBe(false);
  });
});
