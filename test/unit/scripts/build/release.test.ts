import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ed25519PublicKey, openEnvelope } from '../../../../base/dsse.ts';
import { envelopeSchema, PAYLOAD_TYPE } from '../../../../protocol/dsse.ts';
import { releaseKeysSchema, releaseManifestSchema } from '../../../../protocol/release-manifest.ts';
import { writeRelease } from '../../../../scripts/build/release.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vm-agent-release-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (name: string) => readFileSync(join(folder, name));
const pair = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { path: 'a test', privateKey, publicKey: publicKey.export({ type: 'spki', format: 'der' }) };
};
const bodies = { agent: Buffer.from('agent archive'), runtime: Buffer.from('runtime archive') };

function release(now = Date.UTC(2026, 0, 1)): string[] {
  return writeRelease({
    folder,
    version: '1.2.3',
    now,
    key: pair(),
    artifacts: [
      { kind: 'agent', body: bodies.agent },
      { kind: 'runtime', platform: 'linux-x64', body: bodies.runtime },
    ],
  });
}

function publishedKeys() {
  const { keys } = releaseKeysSchema.parse(JSON.parse(read('release-keys.json').toString()));
  return new Map(keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
}

function openManifest(keys = publishedKeys()) {
  const envelope = envelopeSchema.parse(JSON.parse(read('manifest.json').toString()));
  const payload = openEnvelope(envelope, PAYLOAD_TYPE.release, keys);
  return payload && releaseManifestSchema.parse(JSON.parse(payload.toString()));
}

describe('writeRelease', () => {
  it('names each archive by its SHA-256 and lists it in the manifest', () => {
    release();
    const manifest = openManifest();
    expect(manifest).toMatchObject({ version: '1.2.3', created_at: '2026-01-01T00:00:00.000Z' });
    for (const file of manifest?.files ?? []) {
      const body = read(file.name);
      expect(file).toMatchObject({
        sha256: createHash('sha256').update(body).digest('hex'),
        size: body.length,
      });
      expect(body).toEqual(bodies[file.kind]);
    }
    expect(manifest?.files.map(({ kind, platform }) => [kind, platform])).toEqual([
      ['agent', undefined],
      ['runtime', 'linux-x64'],
    ]);
  });

  it('signs with the published key, and no other key opens the manifest', () => {
    release();
    const [[kid = ''] = []] = [...publishedKeys()];
    const stranger = new Map([[kid, ed25519PublicKey(pair().publicKey.toString('base64'))]]);
    expect(openManifest()).toBeDefined();
    expect(openManifest(stranger)).toBeUndefined();
  });

  it('gives a later release a higher sequence', () => {
    release();
    const first = openManifest()?.sequence ?? Number.POSITIVE_INFINITY;
    release(Date.UTC(2026, 0, 2));
    expect(openManifest()?.sequence).toBeGreaterThan(first);
  });

  it('lists the same files for a shell, and answers everything that it wrote', () => {
    const written = release();
    const lines = read('manifest.txt').toString().trimEnd().split('\n');
    expect(lines).toEqual(
      openManifest()?.files.map((f) => `${f.sha256} ${f.size} ${f.kind} ${f.platform ?? '-'}`),
    );
    for (const name of written) expect(read(name).length).toBeGreaterThan(0);
  });
});
