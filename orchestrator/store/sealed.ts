import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../base/atomic-file.ts';
import { AppError } from '../../protocol/errors.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Private keys rest in the store sealed with a key that is not in it: a copied database opens nothing. */
export interface Sealer {
  /** `name` is bound to the secret: a sealed text that was moved to another row does not open. */
  seal(name: string, secret: Uint8Array): string;
  /** @throws when it was changed, moved, or sealed with another key. */
  open(name: string, sealed: string): Buffer;
}

/** AES-256-GCM with a random nonce; text is `v1.<base64url of nonce, tag, bytes>`. */
export function createSealer(key: Uint8Array): Sealer {
  return {
    seal(name, secret) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name));
      const bytes = Buffer.concat([cipher.update(secret), cipher.final()]);
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString('base64url')}`;
    },
    open(name, sealed) {
      if (!sealed.startsWith('v1.'))
        throw new Error(`${name} is sealed in a form that this version does not know`);
      const all = Buffer.from(sealed.slice(3), 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(name));
      decipher.setAuthTag(all.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(all.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      } catch (cause) {
        throw new AppError('unavailable', {
          detail: `${name} does not open with this master.key: it belongs to another store.`,
          hint: PUT_BACK,
          cause,
        });
      }
    },
  };
}

/** docs/operations.md, Incidents. */
const PUT_BACK =
  'Put the copy back that was kept apart, or take a backup that holds the key: `vm-orchestrator restore --from FILE --data DIR --passphrase-file FILE --force`.';

/**
 * Reads the master key, or makes it (0600) when `mayCreate`. Whatever number of processes start, one of them makes
 * it and the others read it: the name appears at once with all its bytes.
 */
export async function loadMasterKey(path: string, options: { mayCreate: boolean }): Promise<Buffer> {
  const present = await readKey(path);
  if (present !== undefined) return present;
  if (!options.mayCreate) {
    throw new AppError('unavailable', {
      detail: `${path} is missing, and the store beside it is sealed with it.`,
      hint: PUT_BACK,
    });
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(randomBytes(KEY_BYTES).toString('hex'));
    await handle.sync();
    await handle.close();
    await link(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  } finally {
    await unlink(temporary);
  }
  const made = await readKey(path);
  if (made === undefined) throw new Error(`${path} vanished while it was being made`);
  return made;
}

async function readKey(path: string): Promise<Buffer | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  if (!/^[0-9a-f]{64}\s*$/.test(text))
    throw new AppError('unavailable', {
      detail: `${path} does not hold a master key (64 hex digits).`,
      hint: PUT_BACK,
    });
  await chmod(path, 0o600);
  return Buffer.from(text.trim(), 'hex');
}
