import { approvalDigest } from '../../proof/approval-signature.ts';
import { merkleTree } from '../../proof/merkle.ts';
import { approvalText, inTreeOrder, targetLeaf } from '../../protocol/approval.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Approval, ApprovalDetail } from '../../protocol/rest-approvals.ts';
import { table, timeText } from './print.ts';

/** Text that may hold anything, on lines of its own; control sequences do nothing on the reader's terminal. */
const indented = (text: string): string =>
  text
    .split('\n')
    .map((line) => `  | ${line.replace(/\p{Cc}|\p{Bidi_Control}/gu, '?')}\n`)
    .join('');

/** What runs, as people read it. */
function commandLines({ tool, arguments: args }: Pick<Approval, 'tool' | 'arguments'>): string {
  const { command, ...rest } = args;
  if (typeof command !== 'string') return `  ${tool}\n${indented(JSON.stringify(args, undefined, 2))}`;
  const more = Object.keys(rest).length === 0 ? '' : indented(JSON.stringify(rest, undefined, 2));
  return `  ${tool}\n${indented(command)}${more}`;
}

/**
 * The bytes that approvers sign, made here from what the orchestrator shows: machines and command are those that a
 * signature will name, or nothing is signed. @throws AppError `approval_mismatch`
 */
export function checkedText(detail: ApprovalDetail): string {
  const { subject, target_list: targets } = detail;
  const text = approvalText(subject);
  const root = targets.length === 0 ? '' : merkleTree(inTreeOrder(targets).map(targetLeaf)).root;
  const same =
    text === detail.text &&
    approvalDigest(subject).toString('hex') === detail.digest &&
    subject.targets.root === root &&
    subject.targets.count === targets.length;
  if (same) return text;
  throw new AppError('approval_mismatch', {
    detail: 'What the orchestrator shows is not what would be signed. Nothing was signed.',
    hint: 'Do not sign what it gives you by other ways; have somebody look at the orchestrator.',
  });
}

const MOST_MACHINES = 20;

export function detailText(detail: ApprovalDetail): string {
  const { subject, target_list: targets, rules, signatures, decisions } = detail;
  const shown = targets.slice(0, MOST_MACHINES).map(({ vm_id }) => vm_id);
  const more = targets.length > shown.length ? `, and ${targets.length - shown.length} more` : '';
  const needs = [
    ...rules.map(({ name, given, needed }) => `  rule "${name}": ${given} of ${needed}`),
    ...signatures.map(
      ({ approvers, needed, signed_by, vm_ids }) =>
        `  own signatures of ${approvers.join(', ')}: ${signed_by.length} of ${needed} (policy of ${vm_ids.length === 1 ? vm_ids[0] : `${vm_ids.length} machines`})`,
    ),
  ];
  const given = decisions.map(
    ({ actor, decision, comment, at, signed }) =>
      `  ${timeText(at)} ${actor.name} ${decision === 'approve' ? 'approved' : 'denied'}${signed ? ', signed' : ''}${comment === '' ? '' : `: ${comment}`}`,
  );
  return [
    `${detail.id}  ${detail.state}${detail.detail === null ? '' : ` (${detail.detail})`}`,
    `job        ${detail.job_id}`,
    `asked by   ${detail.requester.name}, ${timeText(detail.created_at)}${detail.description === '' ? '' : `: ${detail.description}`}`,
    `decide by  ${timeText(detail.expires_at)}`,
    `machines   ${targets.length} (${detail.selector}): ${shown.join(', ')}${more}`,
    `limits     ${subject.limits.timeout_s} s, not after ${timeText(subject.expires_at)}`,
    'command',
    `${commandLines(subject).trimEnd()}`,
    'needs',
    ...needs,
    ...(given.length === 0 ? [] : ['decisions', ...given]),
    `digest     ${detail.digest}`,
    '',
  ].join('\n');
}

const oneLine = ({ tool, arguments: args }: Pick<Approval, 'tool' | 'arguments'>): string =>
  (typeof args['command'] === 'string' ? args['command'] : `${tool} ${JSON.stringify(args)}`)
    .replaceAll('\n', ' ⏎ ')
    .slice(0, 70);

export const listText = (items: readonly Approval[]): string =>
  table(
    ['APPROVAL', 'STATE', 'ASKED BY', 'DECIDE BY', 'MACHINES', 'COMMAND'],
    items.map((item) => [
      item.id,
      item.state,
      item.requester.name,
      timeText(item.expires_at),
      String(item.targets),
      oneLine(item),
    ]),
  );
