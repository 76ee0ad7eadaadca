import { describe, expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../../provision/exit-codes.ts';

describe('the exit codes of the installer', () => {
  it('are these, for good', () => {
    expect({
      ok: EXIT.ok,
      unexpected: EXIT.unexpected,
      usage: EXIT.usage,
      not_root: exitCodeOf('not_root'),
      url_scheme: exitCodeOf('url_scheme'),
      server_unreachable: exitCodeOf('server_unreachable'),
      ca_mismatch: exitCodeOf('ca_mismatch'),
      token_invalid: exitCodeOf('token_invalid'),
      token_used: exitCodeOf('token_used'),
      token_expired: exitCodeOf('token_expired'),
      clock_skew: exitCodeOf('clock_skew'),
      disk_full: exitCodeOf('disk_full'),
    }).toEqual({
      ok: 0,
      unexpected: 1,
      usage: 2,
      not_root: 10,
      url_scheme: 11,
      server_unreachable: 12,
      ca_mismatch: 13,
      token_invalid: 14,
      token_used: 15,
      token_expired: 16,
      clock_skew: 19,
      disk_full: 20,
    });
  });
});
