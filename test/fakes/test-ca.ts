import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import {
  agentSubjectAltNames,
  orchestratorSubjectAltNames,
  roleUri,
} from '../../protocol/certificate-profile.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const { subtle } = webcrypto;

/** A certificate with its key, both PEM; `certificate` carries the issuing one behind it. */
export interface Issued {
  certificate: string;
  key: string;
}

export interface Validity {
  notBefore?: Date;
  notAfter?: Date;
}

/** A root and an issuing certificate as the orchestrator makes them, for tests that need genuine TLS. */
export interface TestCa {
  trustDomain: string;
  orgId: string;
  rootPem: string;
  issuingPem: string;
  /** SHA-256 of the root's DER, hex. */
  rootPin: string;
  agent(agentId: string, options?: Validity & { orgId?: string; publicKeyOfCsr?: string }): Promise<Issued>;
  client(id: string, options?: Validity & { orgId?: string }): Promise<Issued>;
  orchestrator(options?: Validity & { dns?: string[] }): Promise<Issued>;
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

const newKeys = () =>
  subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

let serial = 1;
const nextSerial = () => (serial++).toString(16).padStart(8, '0');
const DAY = 24 * 3600 * 1000;

export async function createTestCa(options: { trustDomain?: string; orgId: string }): Promise<TestCa> {
  const { orgId, trustDomain = 'test.internal' } = options;
  const now = Date.now();
  const long = { notBefore: new Date(now - DAY), notAfter: new Date(now + 300 * DAY) };
  const rootKeys = await newKeys();
  const caUsage = new x509.KeyUsagesExtension(
    x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
    true,
  );
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: nextSerial(),
    name: [{ CN: ['Test root'] }],
    ...long,
    signingAlgorithm: ALGORITHM,
    keys: rootKeys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true), caUsage],
  });
  const issuingKeys = await newKeys();
  const issuing = await x509.X509CertificateGenerator.create({
    serialNumber: nextSerial(),
    subject: [{ CN: ['Test issuing'] }],
    issuer: root.subjectName,
    ...long,
    signingAlgorithm: ALGORITHM,
    publicKey: issuingKeys.publicKey,
    signingKey: rootKeys.privateKey,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), caUsage],
  });

  async function issue(
    name: string,
    san: { uris: string[]; dns: string[]; ips: string[] },
    more: Validity & { publicKeyOfCsr?: string },
  ): Promise<Issued> {
    const keys = await newKeys();
    const publicKey =
      more.publicKeyOfCsr === undefined
        ? keys.publicKey
        : await new x509.Pkcs10CertificateRequest(more.publicKeyOfCsr).publicKey.export();
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: nextSerial(),
      subject: [{ CN: [name] }],
      issuer: issuing.subjectName,
      notBefore: more.notBefore ?? new Date(now - 600_000),
      notAfter: more.notAfter ?? new Date(now + 30 * DAY),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: issuingKeys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.clientAuth,
          x509.ExtendedKeyUsage.serverAuth,
        ]),
        new x509.SubjectAlternativeNameExtension([
          ...san.uris.map((value) => ({ type: 'url', value }) as const),
          ...san.dns.map((value) => ({ type: 'dns', value }) as const),
          ...san.ips.map((value) => ({ type: 'ip', value }) as const),
        ]),
      ],
    });
    return {
      certificate: `${leaf.toString('pem')}\n${issuing.toString('pem')}\n`,
      key: more.publicKeyOfCsr === undefined ? await pemOfKey(keys.privateKey) : '',
    };
  }

  return {
    trustDomain,
    orgId,
    rootPem: `${root.toString('pem')}\n`,
    issuingPem: `${issuing.toString('pem')}\n`,
    rootPin: Buffer.from(await root.getThumbprint('SHA-256')).toString('hex'),
    agent: (agentId, more = {}) =>
      issue(agentId, agentSubjectAltNames({ trustDomain, orgId: more.orgId ?? orgId, agentId }), more),
    client: (id, more = {}) =>
      issue(
        id,
        {
          uris: [roleUri({ role: 'client', trustDomain, orgId: more.orgId ?? orgId, id })],
          dns: [],
          ips: [],
        },
        more,
      ),
    orchestrator: (more = {}) =>
      issue(
        'orchestrator',
        orchestratorSubjectAltNames({ trustDomain, dns: more.dns ?? ['localhost'], ips: ['127.0.0.1'] }),
        more,
      ),
  };
}
