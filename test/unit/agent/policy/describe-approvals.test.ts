import { expect, it } from 'vitest';
import { describeApprovals } from '../../../../agent/policy/describe-approvals.ts';
import { type Policy, policySchema } from '../../../../protocol/policy.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5jc0ad5VyXK0ILx7uBPtJP4K4KM/fnZ1pGr9ZWLZ0b alice';
const AROUND = 'open_terminal, write_file, edit_file, upload_file, move_file, delete_file, upgrade_agent';

function warningsOf(
  required: unknown[],
  { upgrade, ...grant }: { upgrade?: Policy['upgrade']; tools?: object; roots?: object } = {},
): string[] {
  const policy = policySchema.parse({
    version: 1,
    grants: {
      orchestrator: {
        tools: { allow: ['*'] },
        roots: { read: ['/'], write: ['/'] },
        run_as: 'deploy',
        approval: { required, approvers: [{ name: 'alice', key: KEY }] },
        ...grant,
      },
    },
    ...(upgrade === undefined ? {} : { upgrade }),
  });
  return describeApprovals(policy).warnings;
}

it('names every tool that gets around signatures for shell commands', () => {
  expect(warningsOf(['execute_shell_command'])).toEqual([
    `execute_shell_command needs approvals, but these tools do not and can do the same: ${AROUND}; add them to approval.required, or to tools.deny`,
  ]);
  const [, around] = warningsOf([{ tool: 'execute_shell_command', command: '*systemctl*' }]);
  expect(around).toContain(AROUND);
});

it('is silent where they are held, denied, or reach nothing that runs', () => {
  const held = ['execute_shell_command', 'open_terminal', '*_file', 'upgrade_agent'];
  expect(warningsOf(held)).toEqual([]);
  expect(warningsOf(['*'])).toEqual([]);
  const deny = ['open_terminal', 'write_file', 'edit_file', 'upload_file', 'move_file', 'delete_file'];
  expect(warningsOf(['execute_shell_command'], { tools: { allow: ['*'], deny }, upgrade: 'deny' })).toEqual(
    [],
  );
  const narrow = { tools: { allow: ['*'], deny: ['open_terminal'] }, upgrade: { versions: ['1.2.3'] } };
  expect(warningsOf(['execute_shell_command'], { ...narrow, roots: { write: ['/srv/data'] } })).toEqual([]);
});

it.each([['/etc/cron.d'], ['/usr'], ['/var'], ['/home/deploy']])('counts writing below %s', (root) => {
  const [warning] = warningsOf(['execute_shell_command', 'open_terminal', 'upgrade_agent'], {
    roots: { write: [root] },
  });
  expect(warning).toContain('write_file');
});
