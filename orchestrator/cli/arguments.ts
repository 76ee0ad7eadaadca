import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../../protocol/duration.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  agentIdSchema,
  apiTokenIdSchema,
  approvalIdSchema,
  approvalRuleIdSchema,
  commandIdSchema,
  jobIdSchema,
  lockIdSchema,
  terminalIdSchema,
  vmIdSchema,
} from '../../protocol/ids.ts';
import {
  labelKeySchema,
  parseLabel,
  parseRate,
  type TokenRate,
  vmIdPatternSchema,
} from '../../protocol/provisioning-token.ts';
import { createOrganizationRequestSchema } from '../../protocol/rest-fleet.ts';
import { type Permission, permissionSchema, ROLES, type Role } from '../../protocol/roles.ts';
import { parseSelector } from '../../protocol/selector.ts';

// What the orchestrator would refuse is refused here first, in the words of the options.

/** `90`, `5m`, `24h` → seconds; the limits are written as people write them. */
export const durationArgument =
  (option: string, limits: { least?: string; most: string }) =>
  (text: string): number => {
    const seconds = parseDuration(text);
    if (seconds === undefined || seconds <= 0)
      throw new InvalidArgumentError('Write seconds, or a number with s, m, h or d: 90, 5m, 24h.');
    if (limits.least !== undefined && seconds < (parseDuration(limits.least) ?? 0))
      throw new InvalidArgumentError(`${option} is at least ${limits.least}.`);
    if (seconds > (parseDuration(limits.most) ?? 0))
      throw new InvalidArgumentError(`${option} is at most ${limits.most}.`);
    return seconds;
  };

export function labelArgument(text: string, before: Record<string, string> = {}): Record<string, string> {
  const label = parseLabel(text);
  if (label === undefined)
    throw new InvalidArgumentError(
      'Write key=value: the key of a–z 0–9 . _ / -, the value of A–Z a–z 0–9 . _ -, each at most 63 long.',
    );
  const [key, value] = label;
  if (Object.hasOwn(before, key)) throw new InvalidArgumentError(`The label ${key} is given twice.`);
  return { ...before, [key]: value };
}

/** `key=value` sets a label, `key-` removes it. */
export function labelChangeArgument(
  text: string,
  before: Record<string, string | null> = {},
): Record<string, string | null> {
  const removed = labelKeySchema.safeParse(text.replace(/-$/, '')).data;
  const [key, value] =
    text.endsWith('-') && !text.includes('=') && removed !== undefined
      ? [removed, null]
      : (Object.entries(labelArgument(text))[0] ?? ['', null]);
  if (Object.hasOwn(before, key)) throw new InvalidArgumentError(`The label ${key} is given twice.`);
  return { ...before, [key]: value };
}

/** A file of an agent, as scp writes it. */
export function remoteFileArgument(text: string): { agent: string; path: string } {
  const [, agent = '', path = ''] = /^([^:/]+):(\/.*)$/s.exec(text) ?? [];
  if (agent === '')
    throw new InvalidArgumentError('Write AGENT:/absolute/path, the agent by its vm_id or agent_id.');
  return { agent: agentArgument(agent), path };
}

export function rateArgument(text: string): TokenRate {
  const rate = parseRate(text);
  if (rate === undefined)
    throw new InvalidArgumentError('Write a number and a time of at most 30d, such as 10/1h.');
  return rate;
}

export function vmIdPatternArgument(text: string): string {
  if (vmIdPatternSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError(
    'No vm_id is so: they look like vm-<hostname>-<6 hex digits>. Write a–z 0–9 - and * ?, such as vm-web-*.',
  );
}

export const countArgument =
  (option: string, most: number) =>
  (text: string): number => {
    const count = Number(text);
    if (!Number.isSafeInteger(count) || count < 1)
      throw new InvalidArgumentError('Write a number from 1 on.');
    if (count > most) throw new InvalidArgumentError(`${option} is at most ${most}.`);
    return count;
  };

const DESCRIPTION_LENGTH = 256;

export function descriptionArgument(text: string): string {
  if (text.length > DESCRIPTION_LENGTH)
    throw new InvalidArgumentError(`--description is at most ${DESCRIPTION_LENGTH} characters long.`);
  return text;
}

export function selectorArgument(text: string): string {
  try {
    parseSelector(text);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw new InvalidArgumentError(`${cause.message} ${cause.hint ?? ''}`);
  }
  return text;
}

const identifier =
  (fits: (text: string) => boolean, otherwise: string) =>
  (text: string): string => {
    if (fits(text)) return text;
    throw new InvalidArgumentError(otherwise);
  };
const isJob = (text: string) => jobIdSchema.safeParse(text).success;
const isCommand = (text: string) => commandIdSchema.safeParse(text).success;

export const jobArgument = identifier(
  isJob,
  'A job’s id is job- and 26 characters; vm-orchestrator jobs lists them.',
);
export const commandArgument = identifier(
  (text) => isJob(text) || isCommand(text),
  'Write the id of a job (job-…; vm-orchestrator jobs lists them) or of a command (cmd-…; jobs show JOB lists them).',
);
export const agentArgument = identifier(
  (text) => vmIdSchema.safeParse(text).success || agentIdSchema.safeParse(text).success,
  'Write a vm_id (vm-…) or an agent_id (agt-…); vm-orchestrator agents lists them.',
);
export const approvalArgument = identifier(
  (text) => approvalIdSchema.safeParse(text).success || isJob(text),
  'Write the id of an approval (apv-…) or of the job that waits for it (job-…); vm-orchestrator approvals lists them.',
);
export const approvalRuleArgument = identifier(
  (text) => approvalRuleIdSchema.safeParse(text).success,
  'A rule’s id is apr- and 26 characters; vm-orchestrator approval-rules list shows them.',
);
export const lockArgument = identifier(
  (text) => lockIdSchema.safeParse(text).success,
  'A lock’s id is lck- and 26 characters; vm-orchestrator locks list shows them.',
);
/** The same option several times. */
export const several = (text: string, before: string[] = []): string[] => [...before, text];
export const recordingArgument = identifier(
  (text) => terminalIdSchema.safeParse(text).success,
  'A recording’s id is trm- and 26 characters; vm-orchestrator recordings lists them.',
);
export const tokenArgument = identifier(
  (text) => /^[a-z0-9]{12}$/.test(text),
  'A token’s id has 12 characters of a–z 0–9; vm-orchestrator token list shows them.',
);
export const apiTokenArgument = identifier(
  (text) => apiTokenIdSchema.safeParse(text).success,
  'An API token’s id is api- and 26 characters; vm-orchestrator api-tokens list shows them.',
);

export function roleArgument(text: string): Role {
  const role = ROLES.find((one) => one === text);
  if (role !== undefined) return role;
  throw new InvalidArgumentError(`Write one of ${ROLES.join(', ')}.`);
}

export function scopeArgument(text: string, before: Permission[] = []): Permission[] {
  const scopes = text.split(',').map((word) => permissionSchema.safeParse(word.trim()).data);
  if (scopes.every((scope) => scope !== undefined)) return [...before, ...scopes];
  throw new InvalidArgumentError(
    `Write rights such as agents.read, joined by commas. There are: ${permissionSchema.options.join(', ')}.`,
  );
}

export function organizationArgument(text: string): string {
  const { error } = createOrganizationRequestSchema.safeParse({ name: text });
  if (error === undefined) return text;
  throw new InvalidArgumentError(`${error.issues[0]?.message ?? 'It is no name of an organization'}.`);
}

/** As openssl prints it, with or without colons. */
export function certificateArgument(text: string): string {
  const id = text.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{8,128}$/.test(id))
    throw new InvalidArgumentError('Give a fingerprint (SHA-256) or a serial number, in hex.');
  return id;
}
