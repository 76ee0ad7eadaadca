import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { isSshSignature, parseSshSignature, sshEd25519Key, sshFingerprint } from '../../../proof/sshsig.ts';
import { createTempHome } from '../../fakes/temp-home.ts';

const run = promisify(execFile);
const NAMESPACE = 'vm-agent-approval';
const MESSAGE = 'what is approved\nwith a second line\n';

/** A key of ssh-keygen's own, and what it signs with it. */
async function sshKey(type = 'ed25519') {
  const home = await createTempHome();
  const path = home.join('id');
  await run('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'alice@laptop', '-f', path]);
  return {
    line: await readFile(`${path}.pub`, 'utf8'),
    fingerprint: (await run('ssh-keygen', ['-l', '-f', path])).stdout.split(' ')[1] ?? '',
    async sign(message: string, namespace = NAMESPACE, ...more: string[]) {
      const file = home.join('message');
      await writeFile(file, message);
      await run('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, ...more, '-f', path, file]);
      const armored = await readFile(`${file}.sig`, 'utf8');
      await import('node:fs/promises').then(({ rm }) => rm(`${file}.sig`));
      return armored;
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

describe('signatures of ssh-keygen', () => {
  let alice: Awaited<ReturnType<typeof sshKey>>;
  let armored: string;
  beforeAll(async () => {
    alice = await sshKey();
    armored = await alice.sign(MESSAGE);
    return () => alice[Symbol.asyncDispose]();
  });
  const check = (over: Partial<Parameters<typeof isSshSignature>[0]> = {}) =>
    isSshSignature({ armored, message: MESSAGE, namespace: NAMESPACE, publicKey: alice.line, ...over });

  it('are believed over the very message, in the namespace, by the key; by either hash', async () => {
    expect(check()).toBe(true);
    expect(check({ armored: await alice.sign(MESSAGE, NAMESPACE, '-O', 'hashalg=sha256') })).toBe(true);
    expect(check({ armored: armored.replaceAll('\n', '\r\n') })).toBe(true);
    expect(sshFingerprint(alice.line)).toBe(alice.fingerprint);
  });

  it('are not believed over another message, in another namespace, or by another key', async () => {
    expect(check({ message: MESSAGE.trim() })).toBe(false);
    // What was signed for git is no approval, even if somebody renames it.
    const git = await alice.sign(MESSAGE, 'git');
    expect(check({ armored: git })).toBe(false);
    const renamed = Buffer.from(git.replace(/-----[^-]+-----/g, '').replaceAll('\n', ''), 'base64');
    expect(parseSshSignature(git)?.namespace).toBe('git');
    expect(check({ armored: armor(renamed) })).toBe(false);
    await using mallory = await sshKey();
    expect(check({ armored: await mallory.sign(MESSAGE) })).toBe(false);
    expect(check({ publicKey: mallory.line })).toBe(false);
  });

  it('are not believed with any byte changed, cut off or added', () => {
    const body = Buffer.from(armored.replace(/-----[^-]+-----/g, '').replaceAll('\n', ''), 'base64');
    for (let at = 0; at < body.length; at++) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(check({ armored: armor(changed) }), `byte ${at}`).toBe(false);
      expect(check({ armored: armor(body.subarray(0, at)) }), `cut at ${at}`).toBe(false);
    }
    expect(check({ armored: armor(Buffer.concat([body, Buffer.from([0])])) })).toBe(false);
    for (const text of ['', 'x', '-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----', `${armored}x`])
      expect(check({ armored: text })).toBe(false);
  });

  it('by keys of other kinds are not understood', async () => {
    await using other = await sshKey('ecdsa');
    expect(parseSshSignature(await other.sign(MESSAGE))).toBeUndefined();
    expect(sshEd25519Key(other.line)).toBeUndefined();
    expect(check({ publicKey: other.line })).toBe(false);
  });
});

const armor = (bytes: Uint8Array) =>
  `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/(.{70})/g, '$1\n')}\n-----END SSH SIGNATURE-----\n`;
