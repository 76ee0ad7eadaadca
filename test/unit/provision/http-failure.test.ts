import { describe, expect, it } from 'vitest';
import { explainConnection } from '../../../provision/http-failure.ts';

const url = new URL('https://o.example:8443');
const failing = (code: string) => Object.assign(new Error(`it broke (${code})`), { code });

describe('a connection that fails', () => {
  it.each([
    ['ENOTFOUND', 'server_unreachable', /name is not known/],
    ['ECONNREFUSED', 'server_unreachable', /nothing listens/],
    ['ETIMEDOUT', 'server_unreachable', /did not answer in time/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'server_unreachable', /does not speak TLS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ca_mismatch', /pinned CA does not vouch/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ca_mismatch', /pinned CA does not vouch/],
    ['ERR_NOT_AN_ORCHESTRATOR', 'ca_mismatch', /pinned CA does not vouch/],
    ['CERT_NOT_YET_VALID', 'clock_skew', /clock says 2026/],
    ['CERT_HAS_EXPIRED', 'clock_skew', /clock says 2026/],
  ])('with %s is %s, in words and with a hint', (code, expected, words) => {
    const error = explainConnection(failing(code), url, Date.UTC(2026, 0, 1));
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(words);
    expect(error.hint).toBeTruthy();
  });

  it('to several addresses is told by the first of them', () => {
    const both = new AggregateError([failing('ECONNREFUSED'), failing('ENETUNREACH')]);
    expect(explainConnection(both, url, 0).message).toMatch(/o\.example:8443.*nothing listens/);
  });
});
