import { AppError } from '../protocol/errors.ts';
import type { CheckedPart } from './params.ts';

/** What cloud-init tells a part's type by, when nobody says it: the beginning of its first line. */
const TYPES: readonly (readonly [start: string, type: string])[] = [
  ['#cloud-config-archive', 'text/cloud-config-archive'],
  ['#cloud-config-jsonp', 'text/cloud-config-jsonp'],
  ['#cloud-config', 'text/cloud-config'],
  ['#cloud-boothook', 'text/cloud-boothook'],
  ['#include-once', 'text/x-include-once-url'],
  ['#include', 'text/x-include-url'],
  ['#upstart-job', 'text/upstart-job'],
  ['#part-handler', 'text/part-handler'],
  ['## template: jinja', 'text/jinja2'],
  ['#!', 'text/x-shellscript'],
];

/** Lists are joined, so that both parts' `runcmd` and `write_files` happen; where both say a value, yours stays. */
const MERGE = 'list(append)+dict(no_replace,recurse_list)+str()';

const BOUNDARY = 'vm-agent-user-data';

/** A multipart archive: the given parts in their order, then ours. Everything stays plain text. */
export function mimeOf(parts: readonly CheckedPart[], config: string): string {
  const all = [
    ...parts.map((part, index) => ({
      type: part.contentType ?? typeOf(part, index),
      name: part.filename ?? `part-${index + 1}`,
      content: part.content,
      merge: undefined,
    })),
    { type: 'text/cloud-config', name: 'vm-agent.yaml', content: config, merge: MERGE },
  ];
  // A boundary that no part holds.
  let boundary = BOUNDARY;
  for (let n = 1; all.some(({ content }) => content.includes(`--${boundary}`)); n++)
    boundary = `${BOUNDARY}-${n}`;
  const sections = all.map(({ type, name, content, merge }) =>
    [
      `--${boundary}`,
      `Content-Type: ${type}; charset="utf-8"`,
      'MIME-Version: 1.0',
      'Content-Transfer-Encoding: 8bit',
      `Content-Disposition: attachment; filename="${name}"`,
      ...(merge === undefined ? [] : [`X-Merge-Type: ${merge}`]),
      '',
      content,
    ].join('\n'),
  );
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    ...sections,
    `--${boundary}--`,
    '',
  ].join('\n');
}

/** What cloud-init takes a part for, from its first line; undefined when it would ignore it. */
export const typeFromText = (content: string): string | undefined =>
  TYPES.find(([start]) => content.startsWith(start))?.[1];

function typeOf(part: CheckedPart, index: number): string {
  const found = typeFromText(part.content);
  if (found !== undefined) return found;
  throw new AppError('bad_request', {
    detail: `What part ${index + 1}${part.filename === undefined ? '' : ` (${part.filename})`} is cannot be told from its first line.`,
    hint: 'Begin it with #cloud-config, #! or another of cloud-init’s words, or name its contentType.',
  });
}
