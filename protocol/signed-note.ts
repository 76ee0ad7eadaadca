import type { Sha256 } from './merkle.ts';

/**
 * Checkpoints in the form of C2SP: a tlog-checkpoint (https://c2sp.org/tlog-checkpoint) inside a signed note
 * (https://c2sp.org/signed-note) with an Ed25519 signature, so that other people's verifiers read them too. Text and
 * bytes alone; the cryptography is handed in.
 */
export interface NoteCrypto {
  sha256: Sha256;
  /** `publicKey`: the 32 raw bytes. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface Checkpoint {
  /** The log's name, which is also its key's. */
  origin: string;
  /** Events in the log. */
  size: number;
  /** Root of the tree over them. */
  root: Uint8Array;
  /** Events up to this one were dropped on purpose; 0: none. An extension line, so it is signed too. */
  retained: number;
}

/** Who may sign a log's checkpoints: `<name>+<8 hex>+<base64 of 0x01 and the key>`. */
export interface NoteKey {
  name: string;
  /** The 32 raw bytes. */
  publicKey: Uint8Array;
}

const ALGORITHM_ED25519 = 1;
const encoder = new TextEncoder();
const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return toBase64(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The first four bytes of the SHA-256 over name, newline, algorithm and key. */
function keyHash(sha256: Sha256, { name, publicKey }: NoteKey): Uint8Array {
  const head = encoder.encode(`${name}\n`);
  const bytes = new Uint8Array(head.length + 1 + publicKey.length);
  bytes.set(head, 0);
  bytes[head.length] = ALGORITHM_ED25519;
  bytes.set(publicKey, head.length + 1);
  return sha256(bytes).slice(0, 4);
}

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export const formatVerifierKey = (sha256: Sha256, key: NoteKey): string =>
  `${key.name}+${hex(keyHash(sha256, key))}+${toBase64(Uint8Array.from([ALGORITHM_ED25519, ...key.publicKey]))}`;

/** Undefined when the text is no key, or its hash does not fit. */
export function parseVerifierKey(sha256: Sha256, text: string): NoteKey | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  const bytes = fromBase64(match?.[3] ?? '');
  if (match === null || bytes === undefined || bytes.length !== 33 || bytes[0] !== ALGORITHM_ED25519)
    return undefined;
  const key = { name: match[1] ?? '', publicKey: bytes.slice(1) };
  return hex(keyHash(sha256, key)) === match[2] ? key : undefined;
}

export const checkpointBody = ({ origin, size, root, retained }: Checkpoint): string =>
  `${origin}\n${size}\n${toBase64(root)}\n${retained > 0 ? `retained ${retained}\n` : ''}`;

/** `sign` makes the Ed25519 signature over the body. */
export function signCheckpoint(
  sha256: Sha256,
  checkpoint: Checkpoint,
  key: NoteKey & { sign(message: Uint8Array): Uint8Array },
): string {
  const body = checkpointBody(checkpoint);
  const signature = Uint8Array.from([...keyHash(sha256, key), ...key.sign(encoder.encode(body))]);
  return `${body}\n— ${key.name} ${toBase64(signature)}\n`;
}

function parseBody(body: string): Checkpoint | undefined {
  const [origin = '', sizeText = '', rootText = '', ...rest] = body.split('\n');
  const root = fromBase64(rootText);
  const size = Number(sizeText);
  if (origin === '' || !/^(0|[1-9]\d*)$/.test(sizeText) || !Number.isSafeInteger(size)) return undefined;
  if (root === undefined || root.length !== 32) return undefined;
  const line = rest.find((text) => text.startsWith('retained '));
  const retained = line === undefined ? 0 : Number(line.slice('retained '.length));
  return Number.isSafeInteger(retained) && retained >= 0 && retained <= size
    ? { origin, size, root, retained }
    : undefined;
}

/** What a note says, without asking who signed it. */
export function readCheckpoint(note: string): Checkpoint | undefined {
  const end = note.indexOf('\n\n');
  return end === -1 ? undefined : parseBody(note.slice(0, end + 1));
}

/** What a note says, if one of its signatures is this key's and it is about this key's log. */
export function openCheckpoint(crypto: NoteCrypto, note: string, key: NoteKey): Checkpoint | undefined {
  const end = note.indexOf('\n\n');
  if (end === -1) return undefined;
  const body = note.slice(0, end + 1);
  const wanted = keyHash(crypto.sha256, key);
  const genuine = note
    .slice(end + 2)
    .split('\n')
    .some((line) => {
      const match = /^— (\S+) (\S+)$/.exec(line);
      const bytes = match?.[1] === key.name ? fromBase64(match[2] ?? '') : undefined;
      if (bytes === undefined || bytes.length !== 68) return false;
      return (
        wanted.every((byte, at) => byte === bytes[at]) &&
        crypto.verifyEd25519(key.publicKey, encoder.encode(body), bytes.slice(4))
      );
    });
  const checkpoint = genuine ? parseBody(body) : undefined;
  return checkpoint?.origin === key.name ? checkpoint : undefined;
}
