import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { checkPublicUrl, oneLiner } from '../../../../orchestrator/tenancy/enrollment-lines.ts';
import { shellQuote } from '../../../../protocol/shell-quote.ts';

it.each([
  'http://example.org',
  'https://user@example.org',
  'https://example.org/path',
  'https://example.org/?q=1',
  'https://exa$(id)mple.org',
  "https://a';id;'",
  'https://-x',
  'example.org',
])('refuses %s as a public URL', (url) => {
  expect(() => checkPublicUrl(url)).toThrow(/public URL/);
});

it.each(['https://example.org', 'https://10.0.0.1:8443', 'https://[2001:db8::1]:8443', 'https://localhost'])(
  'takes %s as a public URL',
  (url) => {
    expect(checkPublicUrl(url).origin).toBe(url);
  },
);

it('quotes whatever it is given for a POSIX shell', () => {
  const nasty = `a'b"c$(id)\`id\`\\ !\n*`;
  expect(execFileSync('sh', ['-c', `printf %s ${shellQuote(nasty)}`]).toString()).toBe(nasty);
});

it('is a line that a POSIX shell can parse, with and without a CA', () => {
  for (const rootCertificate of [
    undefined,
    '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n',
  ]) {
    for (const user of [false, true]) {
      const line = oneLiner({ origin: 'https://example.org', rootCertificate }, 'prov_x', { user });
      expect(line).not.toContain('\n');
      expect(line.includes('sudo')).toBe(!user);
      expect(line.includes(' --user')).toBe(user);
      expect(() => execFileSync('sh', ['-n', '-c', line])).not.toThrow();
    }
  }
});
