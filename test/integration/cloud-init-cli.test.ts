// `vm-orchestrator cloud-init` against an orchestrator, and the rate of a token that such user-data carries.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type ProvisioningTokenInfo, tokenListSchema } from '../../protocol/rest-fleet.ts';
import { type Cli, cliFor } from './support/cli.ts';
import { createToken, register, registration } from './support/enroll.ts';
import { makeCsr } from './support/machine-key.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

const MAIN = join(import.meta.dirname, '../../orchestrator/main.ts');
const TOKEN = /prov_([a-z0-9]{12})_[a-z0-9]{40}_[0-9a-f]{32}/;
let orchestrator: OrchestratorProcess;
let cli: Cli;
let scratch: string;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
  scratch = await mkdtemp(join(tmpdir(), 'user-data-'));
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await cli?.close();
  await orchestrator?.stop();
});

const run = (...words: string[]) => cli.run(['cloud-init', ...words]);
const tokens = async (): Promise<ProvisioningTokenInfo[]> => {
  const { body } = await orchestrator.call({ path: '/api/v1/organizations/default/provisioning-tokens' });
  return tokenListSchema.parse(body).items;
};
const madeIn = async (text: string) => {
  const id = TOKEN.exec(text)?.[1];
  return (await tokens()).find((token) => token.id === id);
};

describe('the command line', () => {
  it('prints user-data with a token for one machine and a quarter of an hour, and remarks on stderr', async () => {
    const { code, stdout, stderr } = await run('--label', 'env=prod');
    const text = stdout.toString();
    expect(code).toBe(0);
    expect(Object.keys(parse(text) as object)).toEqual(['write_files', 'runcmd']);
    expect(stderr).toMatch(/\d+ of 16384 bytes; the token [a-z0-9]{12} in it enrolls one machine until /);
    expect(stderr).not.toMatch(TOKEN);
    const made = await madeIn(text);
    expect(made).toMatchObject({ uses: 1, labels: { env: 'prod' }, rate: null });
    const life = Date.parse(made?.expires_at ?? '') - Date.parse(made?.created_at ?? '');
    expect(life).toBe(15 * 60_000);
  });

  it('names the setup script that the orchestrator serves, except in user-data of a group', async () => {
    const { text } = await orchestrator.call({ path: '/setup.sh', token: null });
    const sha = createHash('sha256').update(text).digest('hex');
    expect((await run()).stdout.toString()).toContain(`setup_sha256=${sha}`);
    expect((await run('--uses', '5')).stdout.toString()).toContain("setup_sha256=''");
  });

  it('limits the token of a group', async () => {
    const { stdout } = await run(
      ...['--uses', '50', '--ttl', '7d', '--rate', '10/1h', '--cidr', '10.0.0.0/8'],
      ...['--vm-id-pattern', 'vm-web-*', '--json'],
    );
    const { user_data: text, bytes, token_id } = JSON.parse(stdout.toString()) as Record<string, string>;
    expect(bytes).toBe(Buffer.byteLength(text ?? ''));
    expect(await madeIn(text ?? '')).toMatchObject({
      id: token_id,
      uses: 50,
      rate: { uses: 10, window_s: 3600 },
      cidr: '10.0.0.0/8',
      vm_id_pattern: 'vm-web-*',
    });
    expect((await cli.run(['token', 'list'])).stdout.toString()).toMatch(
      / 0\/50 \(10\/1h\) +vm-web-\* 10\.0\.0\.0\/8 /,
    );
  });

  it('adds parts of your own', async () => {
    const part = join(scratch, 'my part.sh');
    await writeFile(part, '#!/bin/sh\necho mine\n');
    const { stdout } = await run('--format', 'mime', '--part', part);
    expect(stdout.toString()).toContain('filename="my-part.sh"');
    expect(stdout.toString()).toContain('echo mine');
  });

  it('makes no token where the machine fetches it, nor asks the orchestrator for anything', async () => {
    const before = (await tokens()).length;
    const words = ['--token-from', 'fetch it', '--server-url', 'https://o.example'];
    const { code, stdout } = await cli.run(['cloud-init', ...words], {
      VM_ORCHESTRATOR_URL: '',
      VM_ORCHESTRATOR_API_TOKEN: '',
    });
    expect(code).toBe(0);
    expect(stdout.toString()).toContain('fetch it');
    expect(stdout.toString()).not.toMatch(TOKEN);
    expect(await tokens()).toHaveLength(before);
  });

  // A device that is always full.
  const intoFull = async (words: readonly string[]) => {
    const full = await open('/dev/full', 'w');
    try {
      const child = spawn(process.execPath, [MAIN, ...words], {
        env: { ...process.env, ...cli.env },
        stdio: ['ignore', full.fd, 'pipe'],
      });
      if (child.stderr === null) throw new Error('no pipe');
      const [stderr, [code]] = await Promise.all([readText(child.stderr), once(child, 'close')]);
      return { code, stderr };
    } finally {
      await full.close();
    }
  };
  const FULL = 'stdout cannot be written: no space left on device';

  it.each([['cloud-init'], ['token create'], ['cloud-init --json'], ['token create --json']])(
    'says which token to end where the disk is full: %s',
    async (words) => {
      const before = new Set((await tokens()).map(({ id }) => id));
      const { code, stderr } = await intoFull(words.split(' '));
      const made = (await tokens()).filter(({ id }) => !before.has(id));
      expect(made).toHaveLength(1);
      const hint = `The token ${made[0]?.id} was made, and its text is lost. End it: vm-orchestrator token revoke ${made[0]?.id}`;
      expect(code).toBe(1);
      if (words.endsWith('--json')) expect(JSON.parse(stderr)).toMatchObject({ detail: FULL, hint });
      else expect(stderr).toBe(`vm-orchestrator: ${FULL}\n  ${hint}\n`);
    },
  );

  it.each([['token list'], ['agents'], ['--help'], ['--version'], ['run --help']])(
    'ends with a line for people where the disk is full: %s',
    async (words) => {
      expect(await intoFull(words.split(' '))).toEqual({ code: 1, stderr: `vm-orchestrator: ${FULL}\n` });
    },
  );

  it.each([
    ['too large a part', ['--format', 'mime', '--part', 'big.sh'], /has \d+ bytes; at most 16384/],
    ['a part without an archive', ['--part', 'big.sh'], /: --part needs --format mime\./],
    ['a part that is not there', ['--format', 'mime', '--part', '/nowhere'], /cannot be read \(ENOENT\)/],
    ['a part that is empty', ['--format', 'mime', '--part', 'empty'], /The part \S+\/empty is empty\./],
    [
      'a part that is compressed',
      ['--format', 'mime', '--part', 'part.gz'],
      /part\.gz is not UTF-8\.\n {2}Give/,
    ],
    [
      'a part of no type',
      ['--format', 'mime', '--part', 'note'],
      /\/note is cannot be told .*\n {2}Begin it with \S+, #! or [^N]*words\.$/m,
    ],
    ['a rate that is none', ['--rate', 'ten'], /such as 10\/1h/],
    [
      'an address that is none',
      ['--server-url', 'http://o'],
      /'--server-url <url>' .* Write https:\/\/HOST or/,
    ],
    ['a port that is none', ['--server-url', 'https://o:99999'], /'--server-url <url>' .* at most 65535/],
    [
      'a pattern that no machine fits',
      ['--vm-id-pattern', 'web*'],
      /'--vm-id-pattern <glob>' .* vm-<hostname>/,
    ],
    ['an empty command', ['--token-from', ''], /'--token-from <command>' .* It is one line/],
    ['an address for itself alone', ['--token-from', 'x', '--url', 'https://o/path'], /--server-url https:/],
    ['a token and a way to get one', ['--token-from', 'x', '--uses', '3'], /cannot be used with/],
  ])('refuses %s as a wrong call, before it makes a token', async (_, words, message) => {
    const files = {
      'big.sh': `#!/bin/sh\n${'x'.repeat(17_000)}`,
      empty: '',
      'part.gz': gzipSync('#cloud-config\n'),
      note: 'hello',
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(scratch, name), content);
    const before = (await tokens()).length;
    const { code, stdout, stderr } = await run(
      ...words.map((word) => (Object.hasOwn(files, word) ? join(scratch, word) : word)),
    );
    expect(code).toBe(2);
    expect(stdout.toString()).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/contentType|parts\.|url:/);
    expect(await tokens()).toHaveLength(before);
  });
});

describe('a token with a rate', () => {
  const enrollBy = async (token: string) =>
    register(orchestrator, registration(token, (await makeCsr()).csr));

  it('enrolls so many machines at once and no more, whoever comes first [token-1]', async () => {
    const { id, token } = await createToken(orchestrator, { uses: 100, rate: { uses: 3, window_s: 3600 } });
    const answers = await Promise.all(Array.from({ length: 8 }, () => enrollBy(token)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 201, 201, 429, 429, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({
      code: 'token_rate_limited',
      detail: expect.stringMatching(/at most 3 machines within 3600 s; try again in \d+ s/),
      hint: expect.stringContaining('the token was not used'),
    });
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(3000);
    expect((await tokens()).find((found) => found.id === id)).toMatchObject({ used: 3, uses: 100 });
  });

  it('enrolls again when its time is over', async () => {
    const { token } = await createToken(orchestrator, { uses: 100, rate: { uses: 1, window_s: 1 } });
    expect((await enrollBy(token)).status).toBe(201);
    expect((await enrollBy(token)).status).toBe(429);
    await expect.poll(async () => (await enrollBy(token)).status, { timeout: 10_000 }).toBe(201);
  });

  it('answers a machine that it enrolled, however many there were', async () => {
    const { token } = await createToken(orchestrator, { uses: 100, rate: { uses: 1, window_s: 3600 } });
    const body = registration(token, (await makeCsr()).csr);
    expect((await register(orchestrator, body)).status).toBe(201);
    expect((await register(orchestrator, body)).status).toBe(200);
  });
});
