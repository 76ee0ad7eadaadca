import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FINAL_EXIT_CODES } from '../../../cloud-init/enroll-script.ts';
import {
  CLOUD_CONFIG_KEYS,
  MAX_USER_DATA_BYTES,
  renderUserData,
  type UserDataParams,
} from '../../../cloud-init/render.ts';
import { AppError, type ErrorCode } from '../../../protocol/errors.ts';
import { EXIT, exitCodeOf } from '../../../provision/exit-codes.ts';

const PIN = 'ab'.repeat(16);
const SECRET = 's'.repeat(40);
const TOKEN = `prov_abcdefghijkl_${SECRET}_${PIN}`;
const URL = 'https://orchestrator.example:8443';
const BASE: UserDataParams = { url: URL, token: TOKEN };

interface CloudConfig {
  write_files: { path: string; owner: string; permissions: string; content: string }[];
  runcmd: string[][];
}
const render = (over: Partial<UserDataParams> = {}) => renderUserData({ ...BASE, ...over });
const config = (over: Partial<UserDataParams> = {}) => parse(render(over)) as CloudConfig;
const file = ({ write_files }: CloudConfig, name: string) =>
  write_files.find(({ path }) => path.endsWith(`/${name}`));

function errorOf(params: UserDataParams): AppError {
  try {
    renderUserData(params);
  } catch (cause) {
    if (cause instanceof AppError) return cause;
    throw cause;
  }
  throw new Error('it was rendered');
}

describe('cloud-config', () => {
  it('begins as cloud-init asks, and has only keys that we know', () => {
    expect(render().split('\n')[0]).toBe('#cloud-config');
    const keys = Object.keys(config());
    expect(keys.filter((key) => !CLOUD_CONFIG_KEYS.includes(key))).toEqual([]);
    expect(keys).toEqual(['write_files', 'runcmd']);
  });

  it('puts the token into one file, of root alone, and nowhere else', () => {
    const made = config();
    expect(file(made, 'token')).toEqual({
      path: '/var/lib/vm-agent-enroll/token',
      owner: 'root:root',
      permissions: '0600',
      content: `${TOKEN}\n`,
    });
    expect(render().split(SECRET)).toHaveLength(2);
    expect(file(made, 'enroll.sh')?.permissions).toBe('0700');
  });

  it('names no host but the orchestrator', () => {
    const hosts = new Set([...render().matchAll(/https?:\/\/[^\s'"/]+/g)].map(([host]) => host));
    expect([...hosts]).toEqual([URL]);
  });

  it('is the same for the same parameters', () => {
    expect(render({ labels: { b: '1', a: '2' } })).toBe(render({ labels: { b: '1', a: '2' } }));
  });

  it.each(['sh', 'bash'])('has a script that %s can read', (shell) => {
    for (const over of [{}, { token: undefined, tokenFrom: "get-it --for 'me'" }]) {
      const script = file(config(over), 'enroll.sh')?.content ?? '';
      execFileSync(shell, ['-n'], { input: script });
    }
  });

  it('hands options and labels on to the installer', () => {
    const script =
      file(
        config({ labels: { env: 'prod' }, port: 0, skipDependencies: true, privilegedExecutor: false }),
        'enroll.sh',
      )?.content ?? '';
    expect(script).toContain(
      "--token-stdin --label 'env=prod' --port 0 --skip-dependencies --no-privileged-executor 2>",
    );
  });

  it('holds no token when the machine fetches it itself', () => {
    const command = "aws secretsmanager get-secret-value --query 'SecretString'";
    const made = config({ token: undefined, tokenFrom: command });
    expect(file(made, 'token')).toBeUndefined();
    expect(file(made, 'token-from')).toMatchObject({ permissions: '0600', content: `${command}\n` });
  });

  it('carries the SHA-256 of the setup script', () => {
    const sha = 'c'.repeat(64);
    expect(render({ setupSha256: sha })).toContain(`setup_sha256=${sha}`);
  });
});

it('gives up after those errors of the installer that another try cannot mend', () => {
  const errors: ErrorCode[] = [
    'not_root',
    'url_scheme',
    'token_invalid',
    'token_used',
    'token_expired',
    'token_revoked',
    'token_not_allowed',
    'platform_unsupported',
    'conflict',
    'certificate_revoked',
    'machine_copied',
  ];
  expect(FINAL_EXIT_CODES).toEqual([EXIT.usage, ...errors.map(exitCodeOf)]);
});

it('waits for another token where the machine fetches it, less often', () => {
  const unit = (over: Partial<UserDataParams>) =>
    file(config(over), 'vm-agent-enroll.service')?.content ?? '';
  expect(unit({})).toContain('\nRestartSec=30s\n');
  expect(unit({})).toContain(`\nRestartPreventExitStatus=${FINAL_EXIT_CODES.join(' ')}\n`);
  const fetching = { token: undefined, tokenFrom: 'get-it' };
  expect(unit(fetching)).toContain('\nRestartSec=5min\n');
  expect(unit(fetching)).toContain('\nRestartPreventExitStatus=2 10 11 21 24 29 34\n');
  const { systemd } = JSON.parse(render({ ...fetching, format: 'ignition' })) as {
    systemd: { units: { contents: string }[] };
  };
  expect(systemd.units[0]?.contents).toBe(unit(fetching));
});

describe('mime', () => {
  const mine = '#cloud-config\npackages: [jq]\n';

  it('takes parts of your own and adds ours, with lists that are joined', () => {
    const text = render({ format: 'mime', parts: [{ content: mine }, { content: '#!/bin/sh\ntrue\n' }] });
    expect(text).toMatch(/^Content-Type: multipart\/mixed; boundary="vm-agent-user-data"\n/);
    expect([...text.matchAll(/^Content-Type: (text\/[a-z-]+);/gm)].map(([, type]) => type)).toEqual([
      'text/cloud-config',
      'text/x-shellscript',
      'text/cloud-config',
    ]);
    expect(text).toContain(mine);
    expect(text).toContain('X-Merge-Type: list(append)+dict(no_replace,recurse_list)+str()');
    expect(text.split(SECRET)).toHaveLength(2);
  });

  it('finds a boundary that is in no part', () => {
    const text = render({ format: 'mime', parts: [{ content: `${mine}# --vm-agent-user-data\n` }] });
    expect(text).toContain('boundary="vm-agent-user-data-1"');
  });

  it('refuses a part whose type nobody tells', () => {
    expect(errorOf({ ...BASE, format: 'mime', parts: [{ content: 'hello' }] }).message).toContain('part 1');
    expect(errorOf({ ...BASE, parts: [{ content: mine }] }).message).toContain('need the format mime');
  });
});

it('ignition has the same files and an enabled unit', () => {
  const text = render({ format: 'ignition' });
  const { ignition, storage, systemd } = JSON.parse(text) as {
    ignition: { version: string };
    storage: { files: { path: string; mode: number; contents: { source: string } }[] };
    systemd: { units: { name: string; enabled: boolean; contents: string }[] };
  };
  expect(ignition.version).toBe('3.3.0');
  const [token, script] = storage.files;
  expect(token).toMatchObject({ path: '/var/lib/vm-agent-enroll/token', mode: 0o600 });
  expect(decodeURIComponent(token?.contents.source.slice('data:,'.length) ?? '')).toBe(`${TOKEN}\n`);
  expect(decodeURIComponent(script?.contents.source.slice('data:,'.length) ?? '')).toBe(
    file(config(), 'enroll.sh')?.content,
  );
  expect(systemd.units).toMatchObject([{ name: 'vm-agent-enroll.service', enabled: true }]);
  // As it stands: what is spent must be found in copies and taken out.
  expect(text).toContain(TOKEN);
});

describe('what is refused', () => {
  it('is user-data that no cloud takes, with both sizes', () => {
    const error = errorOf({
      ...BASE,
      format: 'mime',
      parts: [{ content: `#!/bin/sh\n${'x'.repeat(MAX_USER_DATA_BYTES)}` }],
    });
    expect(error.code).toBe('payload_too_large');
    expect(error.message).toMatch(/has (\d+) bytes; at most 16384 are allowed/);
    expect(error.context).toMatchObject({ limit: MAX_USER_DATA_BYTES });
    expect(Number(error.context['bytes'])).toBeGreaterThan(MAX_USER_DATA_BYTES);
  });

  it('counts bytes, not characters', () => {
    const room = MAX_USER_DATA_BYTES - Buffer.byteLength(render({ format: 'mime' })) - 300;
    const part = (letter: string) => [{ content: `#!/bin/sh\n${letter.repeat(room)}` }];
    expect(Buffer.byteLength(render({ format: 'mime', parts: part('a') }))).toBeLessThan(MAX_USER_DATA_BYTES);
    expect(errorOf({ ...BASE, format: 'mime', parts: part('ä') }).code).toBe('payload_too_large');
  });

  it.each<[string, Partial<UserDataParams>, RegExp]>([
    ['plain http', { url: 'http://o' }, /url: write https/],
    ['a path', { url: 'https://o/x' }, /url/],
    ['a port that is none', { url: 'https://o:99999' }, /url: a port is at most 65535/],
    ['an empty command', { token: undefined, tokenFrom: ' ' }, /tokenFrom: it is one line/],
    ['an empty part', { format: 'mime', parts: [{ content: '' }] }, /parts\.0\.content: it is empty/],
    ['shell in the address', { url: "https://o';reboot;'" }, /url/],
    ['a token that is none', { token: 'prov_secret' }, /token: it looks like prov_/],
    ['no token', { token: undefined }, /one of token and tokenFrom/],
    ['both', { tokenFrom: 'x' }, /one of token and tokenFrom/],
    ['a command of two lines', { token: undefined, tokenFrom: 'a\nb' }, /tokenFrom: it is one line/],
    ['a label that is none', { labels: { 'A B': 'x' } }, /labels/],
    ['a hash that is none', { setupSha256: 'abc' }, /setupSha256/],
    [
      'a header in a file name',
      { format: 'mime', parts: [{ filename: 'a"\nX: y', content: '#!' }] },
      /filename/,
    ],
    ['what nobody asked for', { colour: 'red' } as object, /colour/],
  ])('is %s, by name and without the value', (_, over, message) => {
    const error = errorOf({ ...BASE, ...over });
    expect(error).toMatchObject({ code: 'bad_request', hint: expect.stringContaining('docs/cloud-init.md') });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('prov_secret');
  });
});
