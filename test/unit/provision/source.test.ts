import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { describe, expect, it } from 'vitest';
import { keyId, signEnvelope } from '../../../base/dsse.ts';
import { PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import { downloadedSource } from '../../../provision/source.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';

const NOW = Date.UTC(2026, 10, 23);
const DAY = 86_400_000;

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { kid: keyId(spki), privateKey, key: spki.toString('base64') };
}
const releaseKey = newKey();

const tarGz = async (name: string, body: string) =>
  gzipSync(await packTar([{ header: { name, size: Buffer.byteLength(body), mode: 0o755 }, body }]));

/** A release with an agent and a runtime, downloaded into `home`, and what the orchestrator says about it. */
async function release(home: TempHome, change: { signer?: typeof releaseKey; expires?: number } = {}) {
  const bodies = { agent: await tarGz('vm-agent.mjs', 'agent'), runtime: await tarGz('node', 'node') };
  const files = [];
  for (const kind of ['agent', 'runtime'] as const) {
    const sha256 = createHash('sha256').update(bodies[kind]).digest('hex');
    await writeFile(home.join(`${sha256}.tar.gz`), bodies[kind]);
    const platform = kind === 'runtime' ? { platform: 'linux-x64' } : {};
    files.push({ name: `${sha256}.tar.gz`, kind, sha256, size: bodies[kind].length, ...platform });
  }
  const manifest = {
    version: '9.9.9',
    sequence: 1,
    created_at: new Date(NOW - DAY).toISOString(),
    expires_at: new Date(change.expires ?? NOW + DAY).toISOString(),
    files,
  };
  const { kid, key } = releaseKey;
  const texts: Record<string, unknown> = {
    'release-keys.json': { version: 1, keys: [{ kid, key }] },
    'manifest.json': signEnvelope(PAYLOAD_TYPE.release, manifest, change.signer ?? releaseKey),
  };
  const source = (arch = 'x64') =>
    downloadedSource({
      orchestrator: {
        artifact: async (name) => (name in texts ? Buffer.from(JSON.stringify(texts[name])) : undefined),
      },
      clock: { now: () => NOW },
      folder: home.path,
      platform: 'linux',
      arch,
    });
  return { source, files };
}

describe('a downloaded release', () => {
  it('is unpacked when a release key signed it and the files are the ones that it names', async () => {
    await using home = await createTempHome();
    const { source } = await release(home);
    expect(await source().identify()).toMatchObject({ version: '9.9.9' });
    await mkdir(home.join('into'));
    await source().stage(home.join('into'));
    expect(await readFile(home.join('into/vm-agent.mjs'), 'utf8')).toBe('agent');
    expect(await readFile(home.join('into/runtime/node'), 'utf8')).toBe('node');
  });

  it('is refused when another key signed it, though it claims the name of the right one', async () => {
    await using home = await createTempHome();
    const { source } = await release(home, { signer: { ...newKey(), kid: releaseKey.kid } });
    await expect(source().identify()).rejects.toThrow(
      expect.objectContaining({ code: 'signature_invalid', message: expect.stringContaining('not signed') }),
    );
  });

  it('is refused after its end', async () => {
    await using home = await createTempHome();
    const { source } = await release(home, { expires: NOW });
    await expect(source().identify()).rejects.toThrow(/expired/);
  });

  it('is refused when a file was changed after the download', async () => {
    await using home = await createTempHome();
    const { source, files } = await release(home);
    await writeFile(home.join(files[0]?.name ?? ''), await tarGz('vm-agent.mjs', 'evil'));
    await expect(source().identify()).rejects.toThrow(
      expect.objectContaining({ code: 'signature_invalid', message: expect.stringContaining('agent') }),
    );
  });

  it('is refused by name where it has no runtime for this machine', async () => {
    await using home = await createTempHome();
    const { source } = await release(home);
    await expect(source('arm64').identify()).rejects.toThrow(
      expect.objectContaining({
        code: 'artifact_not_available',
        hint: expect.stringContaining('--all-platforms'),
      }),
    );
  });
});
