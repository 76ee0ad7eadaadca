/** What takes a text of others, on texts that were made to hold it up: its work grows as they do. */
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../agent/files/glob.ts';
import { plainText } from '../../agent/files/plain-text.ts';
import { journalLine } from '../../agent/log-text.ts';
import { createLogEngine } from '../../agent/logs/engine/engine.ts';
import { compileGrep } from '../../agent/logs/grep.ts';
import { shown } from '../../agent/logs/insights/mask.ts';
import { MAX_LINE_BYTES } from '../../agent/logs/sources/line-splitter.ts';
import { createRedactor } from '../../cli/bundle/redact.ts';
import { normalizeOutput } from '../../orchestrator/jobs/group-text.ts';
import { parseSshSignature, sshEd25519Key } from '../../proof/sshsig.ts';
import { parseRoleUri } from '../../protocol/certificate-profile.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { vmIdHostPart } from '../../protocol/ids.ts';
import { parseJson } from '../../protocol/json-text.ts';
import { parseProvisioningToken } from '../../protocol/provisioning-token.ts';
import { parseSelector } from '../../protocol/selector.ts';
import { textMatches } from '../../protocol/text-pattern.ts';
import { growthOf, MOST_GROWTH } from './growth.ts';

interface Reader {
  name: string;
  read: (text: string) => unknown;
  /** The longest text that reaches it. */
  most: number;
}

/** Refusals are answers. */
const tried = (work: () => unknown) => {
  try {
    return work();
  } catch {
    return undefined;
  }
};

function readLog(lines: readonly string[]): void {
  const engine = createLogEngine({ nowMs: 0, onEvent: () => undefined });
  for (const line of lines) engine.push(line);
  engine.end();
}

const LONG = 64 * 1024;
const READERS: Reader[] = [
  { name: 'an SSH signature', read: parseSshSignature, most: 16_384 },
  { name: 'an SSH key', read: sshEd25519Key, most: LONG },
  {
    name: 'the output of a command, to compare it',
    read: (text) => normalizeOutput(text, { vmId: 'vm-web-1-a1b2c3', hostname: 'web-1' }),
    most: LONG,
  },
  { name: 'a line of the journal', read: (text) => journalLine(JSON.stringify({ msg: text })), most: LONG },
  { name: 'a file of a support bundle', read: (text) => createRedactor([]).redact(text), most: LONG },
  { name: 'a text that is shown masked', read: (text) => shown(text, 500), most: LONG },
  { name: 'plain text', read: plainText, most: LONG },
  { name: 'a line of a log', read: (text) => readLog([text, 'x', text]), most: MAX_LINE_BYTES },
  {
    name: 'a line inside a key in a log',
    read: (text) => readLog(['-----BEGIN PRIVATE KEY-----', text, text]),
    most: MAX_LINE_BYTES,
  },
  { name: 'what a search of logs reads', read: compileGrep('(a+)+$|(\\s*)*x'), most: 32 * 1024 },
  { name: 'a glob', read: (text) => tried(() => compileGlob(text.slice(0, 1000))('a/b')), most: LONG },
  { name: 'a path, for a glob', read: compileGlob('**/*a*a*a*b'), most: LONG },
  { name: 'a selector', read: (text) => tried(() => parseSelector(text)), most: LONG },
  { name: 'a provisioning token', read: parseProvisioningToken, most: LONG },
  { name: 'a name in a certificate', read: parseRoleUri, most: LONG },
  { name: 'a duration', read: parseDuration, most: LONG },
  { name: 'a host’s name', read: vmIdHostPart, most: LONG },
  { name: 'JSON', read: (text) => tried(() => parseJson(text)), most: LONG },
  { name: 'a text, for a pattern', read: (text) => textMatches('*a*a*a*b', text), most: LONG },
];

/** What is repeated, between a beginning that draws a parser in and an end that disappoints it. */
const PUMPS = [
  ' ',
  '\t',
  '\n',
  ' \n',
  '\0',
  'a',
  'aA0',
  '0',
  '1.',
  '-',
  '=',
  '/',
  '"',
  '\\"',
  '[',
  '{,',
  ',',
  'a=,',
  'a@b.',
  '+A',
  'a://',
  'TOKEN',
  '"token":',
  'token=',
  '"cmd":[',
  'COOKIE:\0',
  'curl -u=',
  '\u001b[',
  '\u001b]0;',
  '%2f',
  '/org/',
  '(1) x, ',
  'é',
];
const ENDS: readonly (readonly [string, string])[] = [
  ['', '\u0001'],
  ['', 'x'],
  ['-----BEGIN SSH SIGNATURE----- ', '!'],
  ['ssh-ed25519 ', ' '],
  ['spiffe://t/', '#'],
  ['prov_', '_'],
  ['{"msg":"', ''],
  ['2024-03-05T01:00:07Z INFO ', ''],
];

describe('[attack-12] a text that was made to hold a program up', () => {
  it.each(READERS)(
    '$name: work grows as the text does',
    ({ read, most }) => {
      const grown = PUMPS.flatMap((pump) =>
        ENDS.map(([begin, end]) => {
          const make = (length: number) => `${begin}${pump.repeat(Math.ceil(length / pump.length))}${end}`;
          return { text: make(20), growth: growthOf(read, make, most) };
        }),
      );
      expect(grown.filter(({ growth }) => growth > MOST_GROWTH)).toEqual([]);
    },
    120_000,
  );

  it('is seen where work grows with the square of it', () => {
    const make = (length: number) => `${' '.repeat(length)}x`;
    expect(growthOf((text) => text.replace(/[ \t]+$/gm, ''), make, LONG)).toBeGreaterThan(MOST_GROWTH);
    expect(growthOf((text) => text.replace(/(?<![ \t])[ \t]+$/gm, ''), make, LONG)).toBeLessThan(MOST_GROWTH);
  });
});
