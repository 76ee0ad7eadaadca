import { createHash } from 'node:crypto';
import { parsePolicy } from '../../../agent/policy/source.ts';
import { loadConfig } from '../../../base/config-file.ts';
import { sha256 } from '../../../base/dsse.ts';
import { checkParams } from '../../../cloud-init/params.ts';
import { renderUserData } from '../../../cloud-init/render.ts';
import { logInExport } from '../../../orchestrator/audit/export.ts';
import { verifyLog } from '../../../orchestrator/audit/verify.ts';
import { readCsr } from '../../../orchestrator/ca/sign-csr.ts';
import { parseByteRange } from '../../../orchestrator/calls/byte-range.ts';
import { numberCursor, readCursor, writeCursor } from '../../../orchestrator/http/cursor.ts';
import { parseTiming } from '../../../orchestrator/schedules/occurrences.ts';
import { AsciicastEvents } from '../../../orchestrator/terminals/asciicast.ts';
import { parseSshSignature, sshEd25519Key, sshFingerprint } from '../../../proof/sshsig.ts';
import { assertionProblem } from '../../../proof/webauthn.ts';
import { agentConfigSchema } from '../../../protocol/agent-config.ts';
import { parseRoleUri, roleUri } from '../../../protocol/certificate-profile.ts';
import { parseDuration } from '../../../protocol/duration.ts';
import { AppError } from '../../../protocol/errors.ts';
import { linesOf } from '../../../protocol/lines.ts';
import {
  formatProvisioningToken,
  parseProvisioningToken,
  parseRate,
} from '../../../protocol/provisioning-token.ts';
import { parseSelector, selectorMatches } from '../../../protocol/selector.ts';
import { parseVerifierKey, readCheckpoint } from '../../../protocol/signed-note.ts';
import { openManifest, parseReleaseKeys, rotatedKeys } from '../../../provision/release.ts';
import { type FuzzTarget, hold } from '../target.ts';

const token = `prov_${'a1b2c3'.repeat(2)}_${'x'.repeat(40)}_${'0f'.repeat(16)}`;

/** What it gives, or its own refusal; anything else that is thrown is a failure. */
function refused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AppError) return undefined;
    throw cause;
  }
}
async function refusedLater<T>(work: () => Promise<T>): Promise<T | undefined> {
  return work().catch((cause: unknown) => {
    if (cause instanceof AppError) return undefined;
    throw cause;
  });
}
const of =
  (run: (text: string) => void | Promise<void>) =>
  (input: Buffer): void | Promise<void> =>
    run(input.toString('utf8'));

const CSR =
  'MIH6MIGhAgEAMCcxDTALBgNVBAMTBHJvb3QxFjAUBgNVBAoTDXNvbWVib2R5IGVsc2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASUmD4OeyO7ww/G3Zo194VEFWM0CkBv6IQ80QjeSylhrY2NwwtRJjblH8sfk79ToaWVicFp4/HQdao0vJDxN124oBgwFgYJKoZIhvcNAQkOMQkwBzAFBgNVHRMEADAKBggqhkjOPQQDAgNIADBFAiEA';

export const TEXT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'provisioning-token',
    seeds: [token, ` ${token}\n`, 'eyJhbGciOiJFUzI1NiJ9.e30.x'],
    dictionary: ['prov_', '_'],
    run: of((text) => {
      const parsed = parseProvisioningToken(text);
      if (parsed !== undefined)
        hold(formatProvisioningToken(parsed) === text.trim(), 'written, it is another one');
    }),
  },
  {
    name: 'selector',
    seeds: ['all', 'env=prod,role!=db', 'id=vm-a-000001|agt-1', 'agent.rack=b1', ' all , env='],
    dictionary: ['all', 'id=', 'agent.', '!=', '|', ','],
    run: of((text) => {
      const selector = refused(() => parseSelector(text));
      if (selector === undefined) return;
      const nobody = { agent_id: 'a', vm_id: 'b', labels: {}, reported_labels: {} };
      // No name of a key reaches what every object inherits.
      const wants = selector.some((term) => term.kind === 'label' && !term.negated);
      if (wants) hold(!selectorMatches(selector, nobody), 'matches who has no labels');
    }),
  },
  {
    name: 'cron',
    seeds: ['30 3 * * 1-5', '*/5 * * * *', '0 0 29 2 *', '@daily', '0 0 L * *', '0 0 * * 5#2'],
    dictionary: ['*', '/', '-', ',', 'L', '#', '?', 'JAN', 'SUN', '@yearly'],
    run: of(
      (text) => void refused(() => parseTiming({ cron: text.slice(0, 200), time_zone: 'Europe/Berlin' })),
    ),
  },
  {
    name: 'time-zone',
    seeds: ['Europe/Berlin', 'UTC', '+02:00'],
    run: of((text) => void refused(() => parseTiming({ cron: '0 0 * * *', time_zone: text }))),
  },
  {
    name: 'cursor',
    seeds: [writeCursor('42'), writeCursor('["a","b"]'), ''],
    run: of((text) => {
      const key = refused(() => readCursor(text));
      if (key !== undefined) hold(writeCursor(key) === text, 'written, it is another one');
      const number = refused(() => numberCursor(text));
      if (number !== undefined) hold(Number.isSafeInteger(number), 'no number');
    }),
  },
  {
    name: 'byte-range',
    seeds: ['bytes=0-99', 'bytes=-5', 'bytes=5-', 'bytes=0-1,3-4', 'items=1-2'],
    dictionary: ['bytes=', '-'],
    run: of((text) => {
      const range = parseByteRange(text);
      if (range === undefined) return;
      hold(Number.isSafeInteger(range.from), 'no number');
      if (range.to !== undefined) hold(range.to > range.from && range.from >= 0, 'backwards');
    }),
  },
  {
    name: 'duration-rate',
    seeds: ['30s', '1h', '10/1h', '2d12h', '1.5h'],
    run: of((text) => {
      const seconds = parseDuration(text);
      if (seconds !== undefined) hold(Number.isFinite(seconds) && seconds >= 0, `${seconds} s`);
      const rate = parseRate(text);
      if (rate !== undefined) hold(rate.uses > 0 && rate.window_s > 0, 'no rate');
    }),
  },
  {
    name: 'role-uri',
    seeds: [
      'spiffe://t.internal/org/org-1/agent/agt-1',
      'spiffe://t.internal/orchestrator',
      'spiffe://t.internal/org/o/client/c',
    ],
    dictionary: ['spiffe://', '/org/', '/agent/', '/client/', '/orchestrator', '%2f', '//', '?', '#'],
    run: of((text) => {
      const role = parseRoleUri(text);
      // Two writings of one role would let one name pass where another was checked.
      if (role !== undefined) hold(roleUri(role) === text, `also written ${roleUri(role)}`);
    }),
  },
  {
    name: 'csr',
    seeds: [
      Buffer.from(CSR, 'base64'),
      '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n',
    ],
    run: async (input) => void (await refusedLater(() => readCsr(input))),
  },
  {
    name: 'policy',
    seeds: [
      'version: 1\ngrants:\n  orchestrator:\n    tools: ["*"]\n',
      'default: deny\n',
      'a: &a [x]\nb: *a\n',
      '{"version":1}',
    ],
    dictionary: ['grants:', 'orchestrator:', 'tools:', '&a', '*a', '<<:', '!!js/function', '- ', '\n  '],
    run: of((text) => void refused(() => parsePolicy(text, 'policy.yaml'))),
  },
  {
    name: 'agent-config',
    seeds: [
      'server:\n  host: 127.0.0.1\n  port: 8443\n',
      'orchestrator:\n  heartbeat_interval: 30\nlog:\n  level: info\n',
    ],
    dictionary: ['server:', 'host:', 'port:', 'log:', '&a', '*a', '<<: *a', '!!binary', '\n  '],
    run: of(
      (text) =>
        void refused(() =>
          loadConfig({ schema: agentConfigSchema, file: text, source: 'agent_config.yaml' }),
        ),
    ),
  },
  {
    name: 'user-data-params',
    seeds: [
      JSON.stringify({ url: 'https://o.example:8443', token, labels: { env: 'prod' } }),
      JSON.stringify({
        url: 'https://[::1]',
        tokenFrom: 'cat /t',
        format: 'mime',
        parts: [{ content: '#!/bin/sh\n' }],
      }),
    ],
    dictionary: ['$(id)', '`id`', "'", '"', '$\x7bx}', '\\n', 'https://'],
    run: of((text) => {
      let params: unknown;
      try {
        params = JSON.parse(text);
      } catch {
        return;
      }
      const checked = refused(() => checkParams(params));
      if (checked === undefined) return;
      const rendered = refused(() => renderUserData(params as never));
      if (rendered !== undefined) hold(!/[`]|\$\(id\)/.test(checked.url), 'a shell would read the address');
    }),
  },
  {
    name: 'audit-export',
    seeds: [
      '{"type":"head","log":"x","key":"k","after":0,"checkpoint":""}\n',
      '{"type":"event","seq":1,"leaf":"AAAA"}\n\n',
      'not json\n',
    ],
    dictionary: ['{"type":', '"head"', '"event"', '"checkpoint"', '\n'],
    run: async (input) =>
      void (await refusedLater(async () => {
        const report = await verifyLog(
          await logInExport(
            linesOf(
              (async function* () {
                yield input;
              })(),
            ),
            { pinned: undefined, witnesses: [] },
          ),
        );
        return report;
      })),
  },
  {
    name: 'signed-note',
    seeds: ['log\n5\nAAAA\n\n— log 1234567=\n', 'name+0123abcd+AQID'],
    dictionary: ['\n\n', '— ', '+'],
    run: of((text) => {
      readCheckpoint(text);
      parseVerifierKey(sha256, text);
    }),
  },
  {
    name: 'ssh-signature',
    seeds: [
      '-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n',
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA a@b',
    ],
    run: of((text) => {
      parseSshSignature(text);
      sshEd25519Key(text);
      sshFingerprint(text);
    }),
  },
  {
    name: 'release',
    seeds: [
      JSON.stringify({ payload_type: 'x', payload: 'e30=', signatures: [{ kid: 'a', sig: 'AAAA' }] }),
      JSON.stringify({ version: 1, keys: [] }),
      JSON.stringify({ updates: [] }),
    ],
    run(input) {
      const keys = refused(() => parseReleaseKeys(input));
      const none = { version: 1, keys: [] } as never;
      refused(() => rotatedKeys(keys ?? none, input));
      hold(
        refused(() => openManifest(input, none, 0)) === undefined,
        'a release that nobody signed was opened',
      );
    },
  },
  {
    name: 'asciicast',
    seeds: ['hello\r\n', '\x1b[31m\u2028€', Buffer.from([0xe2, 0x82])],
    run(input) {
      const events = new AsciicastEvents();
      const lines = [
        events.output(1, input.subarray(0, input.length >> 1)),
        events.output(2, input.subarray(input.length >> 1)),
        events.end(3),
      ];
      const texts = lines
        .filter((line) => line !== '')
        .map((line) => {
          hold(line.endsWith('\n') && !line.slice(0, -1).includes('\n'), 'more than a line');
          return (JSON.parse(line) as [number, string, string])[2];
        });
      hold(texts.join('') === input.toString('utf8'), 'not what was shown');
    },
  },
  {
    name: 'webauthn',
    seeds: [JSON.stringify({ type: 'webauthn.get', challenge: 'eA', origin: 'https://a.example' })],
    run(input) {
      const credential = { credential_id: 'AAAA', public_key: 'AAAA', rp_id: 'a.example' };
      const authenticator = Buffer.concat([
        createHash('sha256').update('a.example').digest(),
        Buffer.from([5, 0, 0, 0, 1]),
      ]);
      const assertion = {
        credential_id: 'AAAA',
        authenticator_data: authenticator.toString('base64url'),
        client_data_json: input.toString('base64url'),
        signature: input.toString('base64url'),
      };
      hold(
        assertionProblem(assertion, credential, Buffer.from('x')) !== undefined,
        'nobody’s assertion counts',
      );
    },
  },
];
