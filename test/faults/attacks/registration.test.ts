import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCsr } from '../../../orchestrator/ca/sign-csr.ts';
import { auditListSchema } from '../../../protocol/rest-audit.ts';
import { tokenListSchema } from '../../../protocol/rest-fleet.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { createToken, enroll, register, registration } from '../../integration/support/enroll.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { makeCsr } from '../../integration/support/machine-key.ts';
import { randomNumbers } from '../../unit/agent/logs/engine/read-log.ts';
import { size } from '../support/size.ts';
import { der, derOf, mutatedDer, sequence } from './support/der.ts';
import { exchange } from './support/raw.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let temp: TempHome;
beforeAll(async () => {
  temp = await createTempHome();
  stage = await startStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  await temp?.remove();
});

const run = promisify(execFile);
const used = async (id: string) => {
  const { body } = await stage.orchestrator.call({ path: `${ORG}/provisioning-tokens` });
  return tokenListSchema.parse(body).items.find((token) => token.id === id)?.used;
};
const audited = async () => {
  const { body } = await stage.orchestrator.call({ path: `${ORG}/audit?limit=500` });
  return auditListSchema.parse(body).items;
};
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Requests that openssl makes, and shapes that none makes. */
async function monstrous(): Promise<[string, Buffer][]> {
  const genuine = derOf((await makeCsr()).csr);
  const openssl = async (name: string, ...args: string[]) => {
    const file = temp.join(`${name}.der`);
    await run('openssl', [
      'req',
      '-new',
      '-nodes',
      '-keyout',
      temp.join(`${name}.key`),
      '-outform',
      'DER',
      '-out',
      file,
      ...args,
    ]);
    return readFile(file);
  };
  await run('openssl', [
    'ecparam',
    '-name',
    'prime256v1',
    '-genkey',
    '-noout',
    '-param_enc',
    'explicit',
    '-out',
    temp.join('explicit.key'),
  ]);
  // A key of 16,384 bits takes minutes to make and a public half of that size nothing: nobody signs with it here.
  const modulus = Buffer.concat([Buffer.from([0, 0xc1]), randomBytes(2047)]);
  const rsa = sequence(
    sequence(der(6, Buffer.from('2a864886f70d010101', 'hex')), der(5)),
    der(3, Buffer.concat([Buffer.from([0]), sequence(der(2, modulus), der(2, Buffer.from([1, 0, 1])))])),
  );
  const request = (key: Buffer) =>
    sequence(
      sequence(der(2, Buffer.from([0])), sequence(), key, der(0xa0)),
      sequence(der(6, Buffer.from('2a8648ce3d040302', 'hex'))),
      der(3, Buffer.alloc(73)),
    );
  const nested = (depth: number) => {
    let bytes: Buffer = Buffer.alloc(0);
    for (let i = 0; i < depth; i++) bytes = sequence(bytes);
    return bytes;
  };
  return [
    ['nothing', Buffer.alloc(0)],
    ['empty sequences', sequence(sequence(), sequence(), sequence())],
    ['a length of 4 GiB', Buffer.from('3084ffffffff020100', 'hex')],
    ['a length of 2^63', Buffer.from('30887fffffffffffffff020100', 'hex')],
    ['sequences 2,000 deep', nested(2000)],
    ['indefinite lengths', Buffer.alloc(8000, Buffer.from([0x30, 0x80]))],
    ['5,000 NULLs', sequence(Buffer.alloc(10_000, Buffer.from([5, 0])))],
    ['an identifier of 10 KB', sequence(der(6, Buffer.alloc(10_000, 0x81)))],
    ['RSA with 2,048 bits', await openssl('rsa2048', '-newkey', 'rsa:2048', '-subj', '/CN=x')],
    ['RSA with 16,384 bits', request(rsa)],
    ['Ed25519', await openssl('ed', '-newkey', 'ed25519', '-subj', '/CN=x')],
    [
      'explicit parameters of the curve',
      await openssl('explicit', '-key', temp.join('explicit.key'), '-subj', '/CN=x'),
    ],
    [
      'a key that is no point of the curve',
      Buffer.concat([
        genuine.subarray(0, genuine.indexOf(Buffer.from('03420004', 'hex')) + 4),
        Buffer.alloc(64, 0xff),
        genuine.subarray(genuine.indexOf(Buffer.from('03420004', 'hex')) + 68),
      ]),
    ],
    ['two requests', Buffer.concat([genuine, genuine.subarray(0, 40)])],
    ['a certificate', Buffer.from(new X509Certificate(stage.orchestrator.ca).raw)],
    [
      'a public key alone',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }),
    ],
  ];
}

describe('[attack-7] certificate requests', () => {
  it('that are mutated are refused, quickly, and spend no token', async () => {
    const genuine = derOf((await makeCsr()).csr);
    const random = randomNumbers(7);
    const control: number[] = [];
    for (let i = 0; i < 50; i++) {
      const began = performance.now();
      await readCsr(genuine);
      control.push(performance.now() - began);
    }
    // In this process: what the reader itself does and takes, for each of them.
    let worst = { ms: 0, input: '' };
    let accepted = 0;
    const inputs = size({ short: 450, full: 9_900 });
    for (let i = 0; i < inputs; i++) {
      const input = mutatedDer(genuine, random);
      const attempt = () =>
        readCsr(input).then(
          ({ publicKey }) => publicKey,
          (error: { code?: string }) => error.code,
        );
      let outcome: Awaited<ReturnType<typeof attempt>>;
      let ms = Number.POSITIVE_INFINITY;
      // The collector falls on inputs by chance: only one that is slow again and again is slow.
      for (let tries = 0; tries < 4 && ms > 20; tries++) {
        const began = performance.now();
        outcome = await attempt();
        ms = Math.min(ms, performance.now() - began);
      }
      if (ms > worst.ms) worst = { ms, input: input.toString('base64').slice(0, 80) };
      // What is still good is the same request, with bytes changed that its signature does not cover.
      if (typeof outcome === 'object') accepted++;
      else expect([input.toString('hex'), outcome]).toEqual([input.toString('hex'), 'invalid_csr']);
    }
    process.stdout.write(
      `${inputs} mutated requests: worst ${worst.ms.toFixed(1)} ms, genuine ${median(control).toFixed(2)} ms, ${accepted} still genuine\n`,
    );
    expect(accepted).toBeLessThan(inputs / 20);
    expect(worst.ms / median(control)).toBeLessThan(200);

    // And over the wire, with a token that is good.
    const { id, token } = await createToken(stage.orchestrator, { uses: 1000 });
    const shapes = await monstrous();
    await stage.attack(`${shapes.length} monstrous requests and some mutated ones`, async () => {
      for (let i = 0; i < size({ short: 50, full: 100 }); i++)
        shapes.push(['mutated', mutatedDer(genuine.subarray(0, -1 - random(40)), random)]);
      for (const [what, input] of shapes) {
        const answer = await register(
          stage.orchestrator,
          registration(token, '', { csr_base64: input.toString('base64') }),
        );
        expect([what, answer.status, answer.body.code]).toEqual([what, 400, 'invalid_csr']);
      }
    });
    expect(await used(id)).toBe(0);
  });

  it('get the server’s values whatever they ask for', async () => {
    const config = temp.join('wishes.cnf');
    await writeFile(
      config,
      `[req]\ndistinguished_name=dn\nreq_extensions=v3\nprompt=no\n[dn]\nO=other-organization\nCN=agt-00000000000000000000000000\n[v3]\nbasicConstraints=critical,CA:TRUE,pathlen:5\nkeyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=serverAuth,codeSigning,emailProtection\nsubjectAltName=DNS:*,DNS:*.internal,DNS:agents.vm-agent.internal,IP:0.0.0.0,URI:spiffe://x/orchestrator,email:root@example.com\nnameConstraints=permitted;DNS:.\ncertificatePolicies=1.2.3.4\n`,
    );
    const [key, out] = [temp.join('wishes.key'), temp.join('wishes.pem')];
    await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
    await run('openssl', ['req', '-new', '-key', key, '-config', config, '-out', out]);
    const { token } = await createToken(stage.orchestrator);
    const answer = await register(stage.orchestrator, registration(token, await readFile(out, 'utf8')));
    expect(answer.status).toBe(201);
    const { certificate, agent_id: id, organization_id: org, trust_domain: domain } = answer.body;
    const leaf = new X509Certificate(certificate);
    await writeFile(temp.join('leaf.pem'), certificate);
    const text = (await run('openssl', ['x509', '-in', temp.join('leaf.pem'), '-noout', '-text'])).stdout;
    expect(leaf.ca).toBe(false);
    expect(leaf.subject).toBe(`O=${org}\nCN=${id}`);
    expect(leaf.subjectAltName?.split(', ')).toEqual([
      `URI:spiffe://${domain}/org/${org}/agent/${id}`,
      `DNS:${id}.agent.internal`,
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
    ]);
    expect(/X509v3 Key Usage: critical\n\s+(.*)/.exec(text)?.[1]).toBe('Digital Signature');
    expect(/X509v3 Extended Key Usage: ?\n\s+(.*)/.exec(text)?.[1]).toBe(
      'TLS Web Client Authentication, TLS Web Server Authentication',
    );
    for (const wish of [
      'CA:TRUE',
      'pathlen',
      'Code Signing',
      '*',
      'Name Constraints',
      'Certificate Policies',
      'email:',
    ])
      expect(text).not.toContain(wish);
  });

  it('for a renewal of another agent are refused, and recorded once', async () => {
    const [one, other] = [await enroll(stage.orchestrator), await enroll(stage.orchestrator)];
    const csr_base64 = Buffer.from((await makeCsr()).csr).toString('base64');
    for (let i = 0; i < 3; i++) {
      const answer = await stage.orchestrator.call({
        path: `/api/v1/agents/${other.response.vm_id}/renew`,
        body: { csr_base64 },
        token: null,
        ...one.tls,
      });
      expect([answer.status, answer.body['code']]).toEqual([403, 'wrong_agent']);
    }
    const events = (await audited()).filter(({ action }) => action === 'agent.wrong_agent_refused');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      target: one.response.agent_id,
      detail: { alarm: true, wanted: other.response.vm_id },
    });
  });
});

describe('[attack-8] guesses of a provisioning token', () => {
  it('are counted by the socket’s address, whatever a header says and whatever token is guessed', async () => {
    const { token } = await createToken(stage.orchestrator);
    const { csr } = await makeCsr();
    const guesses = size({ short: 400, full: 10_000 });
    const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
    const text = (length: number) => Array.from(randomBytes(length), (byte) => letters[byte % 36]).join('');
    const statuses: number[] = [];
    await stage.attack(`${guesses} guesses`, async () => {
      for (let i = 0; i < guesses; i++) {
        const address = `198.51.100.${i % 250}`;
        const guess = `prov_${text(12)}_${text(40)}_${token.slice(-32)}`;
        const answer = await stage.orchestrator.call({
          path: '/api/v1/agents/register',
          body: registration(guess, csr),
          token: null,
          headers: { 'x-forwarded-for': address, forwarded: `for=${address}`, 'x-real-ip': address },
        });
        statuses.push(answer.status);
      }
    });
    const first = statuses.indexOf(429);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(100);
    const after = statuses.slice(first);
    expect(after.filter((status) => status === 429).length / after.length).toBeGreaterThanOrEqual(0.99);
    // Who has a good token is not held up by who guesses at the same address.
    expect((await register(stage.orchestrator, registration(token, csr))).status).toBe(201);
    // And the audit log does not grow with what is turned away.
    expect((await audited()).filter(({ action }) => action === 'token.refused').length).toBeLessThanOrEqual(
      110,
    );
  });

  it('find nothing in the store to compare with but a hash', async () => {
    const { token } = await createToken(stage.orchestrator);
    const secret = token.split('_')[2] ?? '';
    const names = ['orchestrator.db', 'orchestrator.db-wal'];
    const files = await Promise.all(names.map((name) => readFile(`${stage.orchestrator.dataDir}/${name}`)));
    const data = Buffer.concat(files);
    expect(data.includes(createHash('sha256').update(secret).digest('hex'))).toBe(true);
    expect(data.includes(secret)).toBe(false);
  });
});

describe('[attack-9] the setup script', () => {
  it('is the same bytes, whatever the request says', async () => {
    const plain = await exchange(
      stage.target,
      'GET /setup.sh HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(plain.status).toBe(200);
    const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n'));
    const marks = [
      '$(id)',
      '`id`',
      '";id;"',
      "';id;'",
      '%0d%0aX-Evil:%201',
      '|id',
      '&id',
      '$\x7bIFS\x7d',
      '\\u0024(id)',
      '../../etc/passwd',
    ];
    for (const mark of marks) {
      const query = encodeURI(mark).replaceAll('#', '%23').replaceAll("'", '%27');
      for (const request of [
        `GET /setup.sh?token=${query}&host=${query}&version=${query} HTTP/1.1\r\nHost: a\r\n`,
        `GET /setup.sh HTTP/1.1\r\nHost: ${mark}\r\n`,
        `GET /setup.sh HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: ${mark}\r\nX-Forwarded-Proto: ${mark}\r\nForwarded: host=${mark}\r\n`,
        `GET https://${mark}/setup.sh HTTP/1.1\r\nHost: a\r\n`,
      ]) {
        const { status, text } = await exchange(stage.target, `${request}Connection: close\r\n\r\n`);
        if (status === 200) expect(bodyOf(text)).toBe(bodyOf(plain.text));
        else {
          expect([request, status >= 400 && status < 500]).toEqual([request, true]);
          expect(text).toContain('application/problem+json');
        }
        expect(text.toLowerCase()).not.toContain('\r\nx-evil');
      }
    }
    await stage.expectHealthy();
  });
});
