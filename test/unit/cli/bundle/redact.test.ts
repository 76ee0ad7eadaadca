import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../../../cli/bundle/redact.ts';

const CANARY = 'c4n4ryc4n4ryc4n4ry';

describe('the redactor', () => {
  it.each([
    ['a provisioning token', `enroll with prov_ab12cd34ef56_${CANARY}_0123456789abcdef0123456789abcdef now`],
    ['an API key', `key vmk_${CANARY}`],
    ['an API token', `Authorization: Bearer vmo_${CANARY}`],
    ['any bearer', `authorization: Bearer ${CANARY}`],
    ['a JWT', `token eyJhbGciOi${CANARY}.eyJzdWIiOi${CANARY}.${CANARY}`],
    ['half a JWT', `"eyJhbGciOi${CANARY}`],
    ['a private key', `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----\n`],
    [
      'a private key inside JSON',
      `{"k":"-----BEGIN EC PRIVATE KEY-----\\n${CANARY}\\n-----END EC PRIVATE KEY-----"}`,
    ],
    ['a private key that is cut off', `-----BEGIN PRIVATE KEY-----\n${CANARY}`],
    ['a proxy’s password', `https_proxy=http://ana:${CANARY}@proxy.example:3128`],
    ['the text of a command', `{"msg":"started","command":"mysql -p${CANARY} \\"x\\"","seq":4}`],
    ['arguments of a command', `{"argv":["sh","-c","echo ${CANARY}"]}`],
    ['a command inside a text in JSON', `{"err":"bad {\\"command\\":\\"echo ${CANARY}\\"}"}`],
    ['a process in a tree', `             ├─ 412 /bin/sh -c "curl -u a:${CANARY} x"`],
    ['a password in YAML', `db:\n  password: ${CANARY} and more ${CANARY}\n`],
    ['a secret in JSON', `{"client_secret": "${CANARY}"}`],
    ['a secret in an option', `ExecStart=/bin/x --api-key=${CANARY} --other`],
    ['an environment', `[Service]\nEnvironment=FOO=${CANARY} BAR=${CANARY}\n`],
  ])('takes out %s, and counts it', (_what, text) => {
    const { redact, removed } = createRedactor([]);
    expect(redact(text)).not.toContain(CANARY);
    expect(Object.values(removed).reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
  });

  it('takes out secrets of this machine, whatever they look like', () => {
    const { redact, removed } = createRedactor(['plain words of ours']);
    expect(redact('a plain words of ours b plain words of ours')).not.toContain('plain words');
    expect(removed).toEqual({ 'secret of this machine': 2 });
  });

  it('leaves what is no secret as it is', () => {
    const text =
      'security:\n  api_key_required: true\nurl: https://fleet.example.com:8443\n{"vm_id":"vm-a-0a1b2c","seq":1}\n';
    const { redact, removed } = createRedactor([]);
    expect(redact(text)).toBe(text);
    expect(removed).toEqual({});
  });

  it('leaves JSON that can be read', () => {
    const { redact } = createRedactor([]);
    const line = JSON.stringify({ command: `echo "${CANARY}"`, token: CANARY, list: [{ argv: ['a', 'b'] }] });
    expect(JSON.parse(redact(line))).toEqual({
      command: '[removed: command text]',
      token: '[removed: secret by its name]',
      list: [{ argv: '[removed: command text]' }],
    });
  });
});
