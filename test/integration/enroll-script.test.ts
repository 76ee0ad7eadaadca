// The script in the user-data, run as on a machine but in a folder of its own, before a server that answers as a test
// wants: what it trusts, what it runs, when it tries again, and what it leaves of the token.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderUserData, type UserDataParams } from '../../cloud-init/render.ts';
import { caPinOf, formatProvisioningToken } from '../../protocol/provisioning-token.ts';
import { createTestCa, type TestCa } from '../fakes/test-ca.ts';
import { runProgram } from './support/installer.ts';

const SECRET = 'q7'.repeat(20);
let ca: TestCa;
let server: Server;
let url: string;
/** What the server says to be the script, and what it was asked for. */
let setup: string;
let asked: string[];
let token: string;
let root: string;

beforeAll(async () => {
  ca = await createTestCa({ orgId: 'org-01arz3ndektsv4rrffq69g5fav' });
  const { certificate, key } = await ca.orchestrator({ dns: ['localhost'] });
  server = createServer({ cert: certificate, key }, ({ url: path = '' }, response) => {
    asked.push(path);
    if (path === '/api/v1/ca-certificate') response.end(ca.issuingPem + ca.rootPem);
    else if (path === '/setup.sh') response.end(setup);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(async () => {
  asked = [];
  token = tokenOf(ca.rootPin);
  root = await mkdtemp(join(tmpdir(), 'enroll-'));
  for (const folder of ['here', 'cloud/instances/i-1', 'run', 'log'])
    await mkdir(join(root, folder), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const tokenOf = (fingerprint: string) =>
  formatProvisioningToken({ id: 'abcdefghijkl', secret: SECRET, caPin: caPinOf(fingerprint) });
const inRoot = (text: string) =>
  text
    .replaceAll('/var/lib/vm-agent-enroll', join(root, 'here'))
    .replaceAll('/var/lib/cloud', join(root, 'cloud'))
    .replaceAll('/run/cloud-init', join(root, 'run'))
    .replaceAll('/var/log', join(root, 'log'));

/** Writes the files of the user-data as cloud-init would, with the machine's folders moved below `root`. */
async function boot(over: Partial<UserDataParams> = {}): Promise<void> {
  const text = renderUserData({ url, token, ...over });
  const { write_files } = parse(text) as { write_files: { path: string; content: string }[] };
  for (const { path, content } of write_files)
    if (path.startsWith('/var/lib/vm-agent-enroll/'))
      await writeFile(inRoot(path), inRoot(content), { mode: 0o600 });
}
const run = () => runProgram(['sh', join(root, 'here/enroll.sh')]);
const left = () => readdir(join(root, 'here'));
const copy = (name: string) => join(root, 'cloud/instances/i-1', name);

/** A setup script that keeps what it was given and ends so. */
const ending = (code: number, more = '') =>
  `#!/bin/sh\nprintf '%s\\n' "$@" >'${root}/arguments'\ncat >'${root}/stdin'\n${more}\nexit ${code}\n`;

describe('the script', () => {
  it('runs the orchestrator’s setup script with the pinned CA and the token on its stdin', async () => {
    setup = ending(0);
    await boot({ labels: { env: 'prod' }, port: 0 });
    expect(await run()).toMatchObject({ code: 0 });
    expect(asked).toEqual(['/api/v1/ca-certificate', '/setup.sh']);
    const words = (await readFile(join(root, 'arguments'), 'utf8')).trim().split('\n');
    expect(words[0]).toBe('--ca-file');
    expect(words.slice(2)).toEqual([
      '--server-url',
      url,
      '--token-stdin',
      '--label',
      'env=prod',
      '--port',
      '0',
    ]);
    expect(await readFile(join(root, 'stdin'), 'utf8')).toBe(`${token}\n`);
    expect((await left()).toSorted()).toEqual(['enroll.sh', 'exit-code', 'outcome']);
  });

  it('asks a server whose CA is not the token’s for nothing more, and runs nothing', async () => {
    setup = ending(0);
    token = tokenOf('f'.repeat(64));
    await boot();
    const { code, err } = await run();
    expect(code).toBe(13);
    expect(err).toMatch(/is not the one that the token names; nothing was sent/);
    expect(asked).toEqual(['/api/v1/ca-certificate']);
    expect(await left()).toContain('token');
  });

  it('does not run another setup script than the user-data names', async () => {
    setup = ending(0);
    await boot({ setupSha256: createHash('sha256').update('another').digest('hex') });
    const { code, err } = await run();
    expect(code).toBe(23);
    expect(err).toMatch(/not the one whose SHA-256/);
    expect(await readdir(root)).not.toContain('arguments');
    await boot({ setupSha256: createHash('sha256').update(setup).digest('hex') });
    expect((await run()).code).toBe(0);
  });

  it.each([12, 25, 30, 35])('keeps the token for another try after %i', async (code) => {
    setup = ending(code, 'echo "error: not now" >&2');
    await boot();
    expect(await run()).toMatchObject({ code, err: expect.stringMatching(/not now\nIt is tried again/) });
    expect(await left()).toContain('token');
  });

  it.each([15, 16, 18, 34])('drops the token after %i, and says the same at each boot', async (code) => {
    setup = ending(code, 'echo "error: no more" >&2');
    await boot();
    expect((await run()).code).toBe(code);
    expect(await left()).not.toContain('token');
    setup = ending(0);
    asked = [];
    expect(await run()).toMatchObject({ code, err: 'error: no more\n' });
    expect(asked).toEqual([]);
  });

  it('begins anew when cloud-init writes its files for another instance', async () => {
    setup = ending(15, 'echo "error: spent" >&2');
    await boot();
    expect((await run()).code).toBe(15);
    setup = ending(0);
    await boot();
    expect((await run()).code).toBe(0);
    expect(await run()).toMatchObject({ code: 0, err: '' });
  });

  it('takes the token from a command, at each try anew, and writes it nowhere', async () => {
    setup = ending(25);
    await writeFile(join(root, 'store'), token);
    await boot({ token: undefined, tokenFrom: `cat ${root}/store` });
    expect((await run()).code).toBe(25);
    setup = ending(0);
    expect((await run()).code).toBe(0);
    expect(await readFile(join(root, 'stdin'), 'utf8')).toBe(`${token}\n`);
    expect((await left()).toSorted()).toEqual(['enroll.sh', 'exit-code', 'outcome']);
  });

  it.each([14, 15, 16, 17, 18])(
    'asks that command again after %i: the token there may be another',
    async (code) => {
      setup = ending(code, 'echo "error: not this one" >&2');
      await writeFile(join(root, 'store'), token);
      await boot({ token: undefined, tokenFrom: `cat ${root}/store` });
      expect(await run()).toMatchObject({ code, err: 'error: not this one\nIt is tried again in 5 min.\n' });
      expect(await left()).toContain('token-from');
      setup = ending(0);
      const next = token.replace('abcdefghijkl', 'mnopqrstuvwx');
      await writeFile(join(root, 'store'), next);
      expect((await run()).code).toBe(0);
      expect(await readFile(join(root, 'stdin'), 'utf8')).toBe(`${next}\n`);
      expect(await left()).not.toContain('token-from');
    },
  );

  it('waits for a store that is empty to be filled', async () => {
    setup = ending(0);
    await writeFile(join(root, 'store'), '');
    await boot({ token: undefined, tokenFrom: `cat ${root}/store` });
    expect(await run()).toMatchObject({
      code: 14,
      err: expect.stringContaining('put one there; run as root'),
    });
    expect(asked).toEqual([]);
    await writeFile(join(root, 'store'), token);
    expect((await run()).code).toBe(0);
  });

  it('gives up where the machine is what is wrong, whoever has the token', async () => {
    setup = ending(34);
    await boot({ token: undefined, tokenFrom: `echo ${token}` });
    expect((await run()).code).toBe(34);
    expect(await left()).not.toContain('token-from');
  });

  it('says when that command fails, and tries again', async () => {
    await boot({ token: undefined, tokenFrom: 'false' });
    expect(await run()).toMatchObject({ code: 30, err: expect.stringContaining('prints the token failed') });
    expect(await left()).toContain('token-from');
  });
});

describe('the copies of the user-data', () => {
  beforeEach(async () => {
    setup = ending(0);
    await boot();
  });

  it('lose the secret and nothing else, binary ones too', async () => {
    const pickle = (text: string) =>
      Buffer.concat([Buffer.from([0, 255, 10]), Buffer.from(text), Buffer.from([7])]);
    await writeFile(copy('user-data.txt'), `#cloud-config\ncontent: ${token}\n`);
    await writeFile(copy('obj.pkl'), pickle(token), { mode: 0o400 });
    await writeFile(join(root, 'log/cloud-init.log'), `wrote ${token} and ${token}`);
    await writeFile(join(root, 'log/other.log'), token);
    expect((await run()).code).toBe(0);
    const redacted = token.replace(SECRET, 'redacted-after-enrolment----------------');
    expect(redacted).toHaveLength(token.length);
    expect(await readFile(copy('user-data.txt'), 'utf8')).toBe(`#cloud-config\ncontent: ${redacted}\n`);
    expect(await readFile(copy('obj.pkl'))).toEqual(pickle(redacted));
    expect(await readFile(join(root, 'log/cloud-init.log'), 'utf8')).toBe(
      `wrote ${redacted} and ${redacted}`,
    );
    // Logs of others are not ours to change.
    expect(await readFile(join(root, 'log/other.log'), 'utf8')).toBe(token);
  });

  it('lose it again after a boot, when cloud-init has made them anew', async () => {
    expect((await run()).code).toBe(0);
    await writeFile(copy('user-data.txt'), token);
    expect((await run()).code).toBe(0);
    expect(await readFile(copy('user-data.txt'), 'utf8')).not.toContain(SECRET);
  });

  it.each([
    ['compressed', () => gzipSync(token)],
    ['encoded', () => `Content-Transfer-Encoding: base64\n\n${Buffer.from(token).toString('base64')}\n`],
  ])('are emptied where the secret is %s', async (_, content) => {
    for (const name of ['user-data.txt', 'user-data.txt.i', 'obj.pkl'])
      await writeFile(copy(name), content());
    expect((await run()).code).toBe(0);
    expect(await readFile(copy('user-data.txt'), 'utf8')).toBe('');
    expect(await readFile(copy('user-data.txt.i'), 'utf8')).toBe('');
    expect(await readdir(join(root, 'cloud/instances/i-1'))).not.toContain('obj.pkl');
  });

  it('stay as they are where nothing was hidden', async () => {
    await writeFile(copy('user-data.txt'), '#cloud-config\npackages: [jq]\n');
    expect((await run()).code).toBe(0);
    expect(await readFile(copy('user-data.txt'), 'utf8')).toContain('jq');
  });
});
