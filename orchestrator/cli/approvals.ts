import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { APPROVAL_NAMESPACE, type ApprovalSignature } from '../../protocol/approval.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type ApprovalDetail,
  approvalDetailSchema,
  approvalListSchema,
} from '../../protocol/rest-approvals.ts';
import { checkedText, detailText, listText } from './approvals-text.ts';
import { approvalArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, write } from './print.ts';

/** By its own id, or by that of the job that waits for it. @throws AppError `not_found` */
async function readApproval(client: RestClient, id: string): Promise<ApprovalDetail> {
  let own = id;
  if (id.startsWith('job-')) {
    const query = { job_id: id, state: 'all' };
    const { items } = await client.call({ path: '/approvals', query, answer: approvalListSchema });
    const [found] = items;
    if (found === undefined) throw new AppError('not_found', { detail: `The job ${id} needs no approval.` });
    own = found.id;
  }
  return client.call({ path: `/approvals/${own}`, answer: approvalDetailSchema });
}

async function list(deps: CliDeps, flags: ClientFlags & { state: string }): Promise<void> {
  const client = await clientFor(deps, flags);
  const query = { state: flags.state, limit: 200 };
  const page = await client.call({ path: '/approvals', query, answer: approvalListSchema });
  if (flags.json) return printJson(deps.stdout, page);
  if (page.items.length === 0) return write(deps.stdout, 'Nothing waits for an approval.\n');
  await write(deps.stdout, listText(page.items));
}

async function show(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const detail = await readApproval(await clientFor(deps, flags), id);
  if (flags.json) return printJson(deps.stdout, detail);
  checkedText(detail);
  await write(deps.stdout, detailText(detail));
}

async function readSignature(file: string): Promise<ApprovalSignature> {
  const text = await (file === '-' ? buffer(process.stdin).then(String) : readFile(file, 'utf8')).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new AppError('bad_request', {
        detail: `The signature ${file} cannot be read (${cause.code ?? 'unknown error'}).`,
        cause,
      });
    },
  );
  if (!text.includes('-----BEGIN SSH SIGNATURE-----'))
    throw new AppError('approval_signature_invalid', {
      detail: `${file} holds no SSH signature.`,
      hint: `Sign what \`vm-orchestrator approvals challenge\` prints: ssh-keygen -Y sign -n ${APPROVAL_NAMESPACE} -f KEY`,
    });
  return { kind: 'ssh', signature: text };
}

/** Whoever sits at a terminal sees what it is and is asked. */
async function isWanted(deps: CliDeps, detail: ApprovalDetail, yes: true | undefined, question: string) {
  if (yes || deps.confirm === undefined) return true;
  deps.stderr.write(detailText(detail));
  if (await deps.confirm(question)) return true;
  deps.stderr.write('Nothing was done.\n');
  deps.exitWith(1);
  return false;
}

const stateSentence = ({ id, state, rules, signatures }: ApprovalDetail): string => {
  if (state !== 'pending') return `${id} is ${state}\n`;
  const open = [
    ...rules
      .filter(({ given, needed }) => given < needed)
      .map(({ name }) => `another approval by the rule "${name}"`),
    ...signatures
      .filter(({ signed_by, needed }) => signed_by.length < needed)
      .map(({ approvers }) => `the own signature of ${approvers.join(' or ')}`),
  ];
  return `${id} is pending; it still needs ${open.join(' and ')}\n`;
};

interface DecideFlags extends ClientFlags {
  comment: string;
  yes?: true;
  signature?: string;
}

async function decide(
  deps: CliDeps,
  id: string,
  flags: DecideFlags,
  verb: 'approve' | 'deny',
): Promise<void> {
  const client = await clientFor(deps, flags);
  const detail = await readApproval(client, id);
  checkedText(detail);
  const signature = flags.signature === undefined ? undefined : await readSignature(flags.signature);
  const asked = verb === 'approve' ? 'Approve it?' : 'Deny it?';
  if (flags.signature !== '-' && !(await isWanted(deps, detail, flags.yes, asked))) return;
  const { comment } = flags;
  const after = await client.call({
    method: 'POST',
    path: `/approvals/${detail.id}/${verb}`,
    body:
      verb === 'deny'
        ? { comment }
        : { comment, digest: detail.digest, ...(signature === undefined ? {} : { signature }) },
    answer: approvalDetailSchema,
  });
  if (flags.json) return printJson(deps.stdout, after);
  await write(deps.stdout, stateSentence(after));
}

/** ssh-keygen asks for the key's password, or the agent, by itself. */
function sshSign(key: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'ssh-keygen',
      ['-q', '-Y', 'sign', '-n', APPROVAL_NAMESPACE, '-f', key],
      (cause, stdout, stderr) => {
        if (cause === null) return resolve(stdout);
        const missing = (cause as { code?: unknown }).code === 'ENOENT';
        reject(
          new AppError('unavailable', {
            detail: missing
              ? 'ssh-keygen is not installed here.'
              : `ssh-keygen did not sign: ${stderr.trim().split('\n').at(-1)}`,
            cause,
          }),
        );
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(text);
  });
}

async function sign(
  deps: CliDeps,
  id: string,
  flags: ClientFlags & { key: string; yes?: true },
): Promise<void> {
  const detail = await readApproval(await clientFor(deps, flags), id);
  const text = checkedText(detail);
  if (!(await isWanted(deps, detail, flags.yes, `Sign this with ${flags.key}?`))) return;
  const signature = await sshSign(flags.key, text);
  if (flags.json) return printJson(deps.stdout, { id: detail.id, digest: detail.digest, signature });
  await write(deps.stdout, signature);
}

/** `vm-orchestrator approvals …`: what waits for another person. */
export function register(program: Command, deps: CliDeps): void {
  const approvals = program
    .command('approvals')
    .description('look at jobs that wait for another person, and decide');
  const comment = () => new Option('--comment <text>', 'why; kept in the audit log').default('');
  withClientFlags(
    approvals
      .command('list', { isDefault: true })
      .description('list what waits')
      .addOption(
        new Option('--state <state>', 'which').choices(['pending', 'ended', 'all']).default('pending'),
      ),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags & { state: string }) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    approvals
      .command('show')
      .description('show the exact command, its machines, and what it still needs')
      .argument('<id>', 'of the approval, or of its job', approvalArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => show(deps, id, flags)));
  withClientFlags(
    approvals
      .command('approve')
      .description('approve it, as another person than who asked')
      .argument('<id>', 'of the approval, or of its job', approvalArgument)
      .addOption(comment())
      .option('--signature <file>', 'your own signature, where machines demand one; - is stdin')
      .option('--yes', 'do not ask'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}

Examples:
  vm-orchestrator approvals approve apv-… --comment 'seen the ticket'
  vm-orchestrator approvals sign apv-… --key ~/.ssh/id_ed25519 | vm-orchestrator approvals approve apv-… --signature -`,
    )
    .action((id: string, flags: DecideFlags) =>
      reporting(deps, flags, () => decide(deps, id, flags, 'approve')),
    );
  withClientFlags(
    approvals
      .command('deny')
      .description('deny it: the job ends and nothing is run')
      .argument('<id>', 'of the approval, or of its job', approvalArgument)
      .addOption(comment())
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: DecideFlags) =>
      reporting(deps, flags, () => decide(deps, id, flags, 'deny')),
    );
  withClientFlags(
    approvals
      .command('challenge')
      .description('print the bytes that approvers sign, checked against what is shown')
      .argument('<id>', 'of the approval, or of its job', approvalArgument),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}

Example:
  vm-orchestrator approvals challenge apv-… > what
  ssh-keygen -Y sign -n ${APPROVAL_NAMESPACE} -f ~/.ssh/id_ed25519 what
  vm-orchestrator approvals approve apv-… --signature what.sig`,
    )
    .action((id: string, flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const detail = await readApproval(await clientFor(deps, flags), id);
        const text = checkedText(detail);
        if (flags.json) return printJson(deps.stdout, { id: detail.id, digest: detail.digest, text });
        await write(deps.stdout, text);
      }),
    );
  withClientFlags(
    approvals
      .command('sign')
      .description('show what is signed, and sign it with an SSH key; prints the signature')
      .argument('<id>', 'of the approval, or of its job', approvalArgument)
      .requiredOption('--key <file>', 'private key, or public one whose private half the ssh-agent has')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { key: string; yes?: true }) =>
      reporting(deps, flags, () => sign(deps, id, flags)),
    );
}
