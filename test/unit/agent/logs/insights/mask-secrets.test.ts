import { describe, expect, it } from 'vitest';
import { secretPlaces, shown } from '../../../../../agent/logs/insights/mask.ts';

const S = 'hun7erTwo9';

describe('secrets are masked', () => {
  it.each([
    `GET /a?token=${S} 200`,
    `GET /a?b=1&api_key=${S}&c=2`,
    `url https://x.io/cb#access_token=${S}`,
    `token="abc ${S} def"`,
    `password: "a ${S} c"`,
    `password='hun ${S}'`,
    `{"password": "a ${S} c"}`,
    `{"db_pass":"${S}"}`,
    `body {\\"password\\":\\"a ${S}\\"}`,
    `DB_PASSWORD: ${S}`,
    `AWS_SECRET_ACCESS_KEY: ${S}`,
    `AWS_SECRET_ACCESS_KEY=${S}`,
    `DB_PASS=${S}`,
    `pwd=${S}`,
    `passphrase: ${S}`,
    `private_key=${S}`,
    `x;AccountKey=${S}==;y`,
    `GET /b?X-Amz-Date=1&X-Amz-Signature=${S}`,
    `X-Api-Key: ${S}`,
    `X-Auth-Token: ${S}`,
    `Authorization: token ${S}`,
    `Authorization: ${S}`,
    `Cookie: sid=${S}; b=2`,
    `Set-Cookie: sid=${S}; HttpOnly`,
    `mysql --password ${S} db`,
    `curl -s -u joe:${S} https://x`,
    `key sk-ant-api03-${S}${S}`,
    `key hf_${S}${S}`,
    `post https://hooks.slack.com/services/T000/B000/${S}`,
    `get https://api.telegram.org/bot123456789:AAH${S}${S}${S}ab/getMe`,
    `root:$6$salt$${S}${S}:19000`,
    `root:$y$j9T$${S}${S}:19000`,
  ])('%s', (text) => {
    const out = shown(text, 400);
    expect(out).not.toContain(S);
    expect(out).toContain('[masked: ');
  });

  it('what follows a secret in an address stays', () => {
    expect(shown('/a?api_key=abc&page=2', 200)).toBe('/a?api_key=[masked: secret by its name]&page=2');
  });
});

describe('what is no secret stays', () => {
  it.each([
    'max_tokens=4096 tokens=512',
    'token=null password=true secret=false',
    'password: incorrect for user joe',
    'invalid token: unexpected end of input',
    'pass: 12 fail: 0',
    'started foo@bar.service and user@1000.service',
    'clone git@github.com:a/b',
    'trace_id=4111111111111111',
    'request id: 4111111111111111',
    'number 4111111111111112',
    'bypass: done',
  ])('%s', (text) => {
    expect(shown(text, 200)).toBe(text);
  });
});

describe('values of a pattern', () => {
  it('are secret where the words around them say so', () => {
    expect(secretPlaces('user=<*> password=<*> took <num> ms', 3)).toEqual([false, true, false]);
    expect(secretPlaces('Authorization: Bearer <*>', 1)).toEqual([true]);
    expect(secretPlaces('---BEGIN PRIVATE KEY---<*>---END PRIVATE KEY---', 1)).toEqual([true]);
  });
});
