import { createHash, createPublicKey, verify } from 'node:crypto';

// Signatures of `ssh-keygen -Y sign`: OpenSSH's PROTOCOL.sshsig, for Ed25519 keys. The namespace is part of what is
// signed, so that a signature made for something else (a git commit, a file) is worth nothing here.

const MAGIC = 'SSHSIG';
const KEY_TYPE = 'ssh-ed25519';
/** DER of a SubjectPublicKeyInfo for Ed25519, up to the 32 bytes of the key (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
/** No two of its parts take the same character: what is none must be refused as fast as it is long. */
const ARMOR = /^-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----$/;

/** Reads the strings and numbers of SSH's wire format; undefined where the bytes end too early. */
function reader(bytes: Buffer) {
  let at = 0;
  return {
    u32(): number | undefined {
      if (at + 4 > bytes.length) return undefined;
      at += 4;
      return bytes.readUInt32BE(at - 4);
    },
    string(): Buffer | undefined {
      const length = this.u32();
      if (length === undefined || at + length > bytes.length) return undefined;
      at += length;
      return bytes.subarray(at - length, at);
    },
    atEnd: () => at === bytes.length,
  };
}

const sshString = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** `string type, string bytes` and nothing else: a key, or a signature. */
function typed(blob: Buffer, type: string, length: number): Buffer | undefined {
  const read = reader(blob);
  const named = read.string()?.toString('latin1');
  const bytes = read.string();
  return named === type && bytes?.length === length && read.atEnd() ? bytes : undefined;
}

/** The 32 bytes of an OpenSSH public key line (`ssh-ed25519 AAAA… comment`); undefined for any other. */
export function sshEd25519Key(line: string): Buffer | undefined {
  const [type, blob] = line.trim().split(/\s+/, 2);
  if (type !== KEY_TYPE || blob === undefined) return undefined;
  return typed(Buffer.from(blob, 'base64'), KEY_TYPE, 32);
}

/** The name of a key as `ssh-keygen -l` prints it. */
export function sshFingerprint(line: string): string | undefined {
  const key = sshEd25519Key(line);
  if (key === undefined) return undefined;
  const blob = Buffer.concat([sshString(Buffer.from(KEY_TYPE)), sshString(key)]);
  return `SHA256:${createHash('sha256')
    .update(blob)
    .digest('base64')
    .replace(/={1,2}$/, '')}`;
}

export interface SshSignature {
  /** The 32 bytes of the key that it says it is by. */
  key: Buffer;
  namespace: string;
  hash: 'sha256' | 'sha512';
  signature: Buffer;
}

/** What an armored signature holds; undefined for what is none, or is by another kind of key. */
export function parseSshSignature(armored: string): SshSignature | undefined {
  const body = ARMOR.exec(armored.trim())?.[1];
  if (body === undefined) return undefined;
  const bytes = Buffer.from(body.replace(/\s+/g, ''), 'base64');
  if (bytes.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) return undefined;
  const read = reader(bytes.subarray(MAGIC.length));
  const version = read.u32();
  const [key, namespace, reserved, hash, signature] = [1, 2, 3, 4, 5].map(() => read.string());
  if (version !== 1 || !key || !namespace || !reserved || !hash || !signature || !read.atEnd())
    return undefined;
  const hashName = hash.toString('latin1');
  const publicKey = typed(key, KEY_TYPE, 32);
  const bare = typed(signature, KEY_TYPE, 64);
  if (publicKey === undefined || bare === undefined) return undefined;
  if (hashName !== 'sha256' && hashName !== 'sha512') return undefined;
  return { key: publicKey, namespace: namespace.toString('utf8'), hash: hashName, signature: bare };
}

/** Whether `armored` is a signature over `message`, in this namespace, by this key (a public key line). */
export function isSshSignature(options: {
  armored: string;
  message: string;
  namespace: string;
  publicKey: string;
}): boolean {
  const { armored, message, namespace, publicKey } = options;
  const parsed = parseSshSignature(armored);
  const key = sshEd25519Key(publicKey);
  if (parsed === undefined || key === undefined) return false;
  if (parsed.namespace !== namespace || !parsed.key.equals(key)) return false;
  const signed = Buffer.concat([
    Buffer.from(MAGIC),
    sshString(Buffer.from(namespace)),
    sshString(Buffer.alloc(0)),
    sshString(Buffer.from(parsed.hash)),
    sshString(createHash(parsed.hash).update(message).digest()),
  ]);
  const spki = createPublicKey({ key: Buffer.concat([SPKI_HEAD, key]), format: 'der', type: 'spki' });
  return verify(null, signed, spki, parsed.signature);
}
