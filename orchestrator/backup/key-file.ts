import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { type SealedMasterKey, sealedMasterKeySchema } from '../../protocol/backup.ts';
import { AppError } from '../../protocol/errors.ts';
import { createSealer } from '../store/sealed.ts';

/** 128 MiB and some tenths of a second for each guess (RFC 7914; OWASP's parameters). */
const COST = { n: 2 ** 17, r: 8, p: 1 } as const;
const NAME = 'backup:master.key';
/** A passphrase of fewer characters is guessed. */
const SHORTEST = 12;

type Derive = (
  passphrase: string,
  salt: Buffer,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer>;
const derive = promisify(scrypt) as Derive;

const keyOf = (passphrase: string, salt: Buffer, cost: { n: number; r: number; p: number }) =>
  derive(passphrase, salt, 32, { N: cost.n, r: cost.r, p: cost.p, maxmem: 256 * cost.n * cost.r });

/** @throws AppError `config_invalid` when the passphrase is too short. */
export async function sealMasterKey(key: Uint8Array, passphrase: string): Promise<SealedMasterKey> {
  if ([...passphrase].length < SHORTEST)
    throw new AppError('config_invalid', {
      detail: `The passphrase has fewer than ${SHORTEST} characters.`,
      hint: 'Make one: openssl rand -base64 24',
    });
  const salt = randomBytes(16);
  const sealer = createSealer(await keyOf(passphrase, salt, COST));
  return { kdf: 'scrypt', ...COST, salt: salt.toString('base64'), sealed: sealer.seal(NAME, key) };
}

/** @throws AppError `config_invalid` when the passphrase is another. */
export async function openMasterKey(text: string, passphrase: string): Promise<Buffer> {
  const sealed = sealedMasterKeySchema.parse(JSON.parse(text));
  const sealer = createSealer(await keyOf(passphrase, Buffer.from(sealed.salt, 'base64'), sealed));
  try {
    return sealer.open(NAME, sealed.sealed);
  } catch (cause) {
    throw new AppError('config_invalid', {
      detail: 'The passphrase does not open the master key of this backup.',
      hint: 'Give the passphrase that it was made with, or --master-key FILE.',
      cause,
    });
  }
}
