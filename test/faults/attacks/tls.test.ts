import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TLS_GROUPS } from '../../../protocol/certificate-profile.ts';
import { freePort } from '../../fakes/free-port.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { isFull } from '../support/size.ts';
import { negotiatedGroup } from './support/server-hello.ts';
import { type Stage, startStage } from './support/stage.ts';

/** https://www.iana.org/assignments/tls-parameters: X25519MLKEM768. */
const HYBRID = 0x11ec;
const TESTSSL = ['/usr/bin/testssl', '/usr/local/bin/testssl.sh'].find((path) => existsSync(path));

/** Passes bytes on and keeps what each server says first. */
async function startTap() {
  const first: Buffer[] = [];
  let target = 0;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    far.once('data', (piece: Buffer) => first.push(piece));
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    groups: () => first.map(negotiatedGroup),
    lead(port: number) {
      target = port;
    },
    close: () => server.close(),
  };
}

let tap: Awaited<ReturnType<typeof startTap>>;
let stage: Stage;
beforeAll(async () => {
  tap = await startTap();
  const port = await freePort();
  tap.lead(port);
  stage = await startStage({ port, args: ['--public-url', `https://127.0.0.1:${tap.port}`] });
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  tap?.close();
});

describe('[attack-11] the key exchange', () => {
  it('is X25519MLKEM768 between an agent and its orchestrator, as both put it on the wire', async () => {
    await stage.expectHealthy();
    expect(tap.groups().length).toBeGreaterThan(0);
    expect(new Set(tap.groups())).toEqual(new Set([HYBRID]));
  });

  it('is X25519MLKEM768 at the agent’s own port', async () => {
    const before = tap.groups().length;
    tap.lead(await stage.machine.agent.port());
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: tap.port,
      ca: stage.orchestrator.ca,
      servername: 'localhost',
      ecdhCurve: TLS_GROUPS,
    });
    await once(socket, 'secureConnect');
    socket.destroy();
    tap.lead(stage.target.port);
    expect(tap.groups().slice(before)).toEqual([HYBRID]);
  });

  it('is told from another one: the tap sees X25519 where nothing else is offered', async () => {
    const before = tap.groups().length;
    tap.lead(stage.target.port);
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: tap.port,
      ca: stage.orchestrator.ca,
      servername: 'agents.vm-agent.internal',
      ecdhCurve: 'X25519',
    });
    await once(socket, 'secureConnect');
    socket.destroy();
    expect(tap.groups().slice(before)).toEqual([0x001d]);
  });
});

/**
 * What a private CA always shows: the tool knows no root of ours and finds no list of revocations, which live in the
 * orchestrator's own store. The rest is about names, since it comes by an address.
 */
const OF_A_PRIVATE_CA: ReadonlySet<string> = new Set([
  'cert_chain_of_trust',
  'cert_trust',
  'cert_crlDistributionPoints',
  'cert_ocspURL',
  'cert_revocation',
  'OCSP_stapling',
  'DNS_CAArecord',
  'certificate_transparency',
  'cert_extlifeSpan',
]);
/** An agent's certificate lives 30 days and renews itself; the tool warns of what has less than that left. */
const OF_A_SHORT_LIFE: ReadonlySet<string> = new Set(['cert_expirationStatus', 'cert_notAfter']);

describe.skipIf(TESTSSL === undefined || !isFull)(
  '[attack-11] testssl.sh (at full size, where it is installed)',
  () => {
    it.each(['orchestrator', 'agent'])(
      'finds nothing below its “ok” at the port of the %s',
      { timeout: 300_000 },
      async (name) => {
        await using folder = await createTempHome();
        const port = name === 'agent' ? await stage.machine.agent.port() : stage.target.port;
        const file = folder.join('found.json');
        const flags = [
          '-p',
          '-s',
          '-f',
          '-S',
          '-U',
          '--quiet',
          '--color',
          '0',
          '--warnings',
          'off',
          '--nodns',
          'none',
          '--connect-timeout',
          '30',
          '--openssl-timeout',
          '30',
          '--jsonfile',
          file,
        ];
        await promisify(execFile)(TESTSSL ?? '', [...flags, `127.0.0.1:${port}`], {
          timeout: 280_000,
          maxBuffer: 1 << 26,
        }).catch((error: { code?: unknown }) => error);
        const found = JSON.parse(await readFile(file, 'utf8')) as {
          id: string;
          severity: string;
          finding: string;
        }[];
        expect(found.length).toBeGreaterThan(30);
        expect(found.find(({ id }) => id === 'TLS1_3')).toMatchObject({ severity: 'OK' });
        // Tickets are off, so that there is none to come back with: the tool sometimes says that it could not try.
        const untried = ({ id, finding }: { id: string; finding: string }) =>
          id === 'sessionresumption_ticket' && finding.startsWith('check failed');
        const remarks = found.filter((item) => !['OK', 'INFO'].includes(item.severity) && !untried(item));
        process.stdout.write(
          `${name}: ${found.length} findings, remarks: ${remarks.map(({ id }) => id).join(', ')}\n`,
        );
        const worse = remarks.filter(({ id }) => {
          const what = id.replace(/ .*/, '');
          return !OF_A_PRIVATE_CA.has(what) && !(name === 'agent' && OF_A_SHORT_LIFE.has(what));
        });
        expect(worse).toEqual([]);
        await stage.expectHealthy();
      },
    );
  },
);
