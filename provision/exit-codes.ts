import type { ErrorCode } from '../protocol/errors.ts';

/** How the installer ends. Scripts and cloud-init read these: a number keeps its meaning. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  not_root: 10,
  url_scheme: 11,
  server_unreachable: 12,
  ca_mismatch: 13,
  token_invalid: 14,
  token_used: 15,
  token_expired: 16,
  token_revoked: 17,
  token_not_allowed: 18,
  clock_skew: 19,
  disk_full: 20,
  platform_unsupported: 21,
  vm_id_taken: 22,
  signature_invalid: 23,
  conflict: 24,
  unavailable: 25,
  rate_limited: 25,
  not_enrolled: 26,
  config_invalid: 27,
  artifact_not_available: 28,
  certificate_revoked: 29,
  step_failed: 30,
  downgrade_refused: 31,
  upgrade_rolled_back: 32,
  policy_refused: 33,
  machine_copied: 34,
  token_rate_limited: 35,
};

export const exitCodeOf = (code: ErrorCode): number => BY_CODE[code] ?? EXIT.unexpected;

/** For `--help`: the number and its error code, a line each. */
export const exitCodeTable = (): string =>
  [
    '   0  done',
    '   1  unexpected error',
    '   2  wrong usage',
    ...Object.entries(BY_CODE).map(([code, number]) => `  ${String(number).padStart(2)}  ${code}`),
  ].join('\n');
