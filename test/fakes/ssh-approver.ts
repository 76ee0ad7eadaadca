import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const string = (bytes: Uint8Array | string): Buffer => {
  const data = Buffer.from(bytes as Uint8Array);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, data]);
};
const TYPE = 'ssh-ed25519';

/** An approver with an SSH key, who signs as `ssh-keygen -Y sign` does. */
export function createSshApprover(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const blob = Buffer.concat([string(TYPE), string(raw)]);
  return {
    approver: { name, key: `${TYPE} ${blob.toString('base64')} ${name}@laptop` },
    sign(message: string, namespace = 'vm-agent-approval') {
      const head = [string(namespace), string(''), string('sha512')];
      const hash = createHash('sha512').update(message).digest();
      const signature = sign(null, Buffer.concat([Buffer.from('SSHSIG'), ...head, string(hash)]), privateKey);
      const bytes = Buffer.concat([
        Buffer.from('SSHSIG'),
        Buffer.from([0, 0, 0, 1]),
        string(blob),
        ...head,
        string(Buffer.concat([string(TYPE), string(signature)])),
      ]);
      return {
        kind: 'ssh',
        signature: `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64')}\n-----END SSH SIGNATURE-----\n`,
      } as const;
    },
  };
}
