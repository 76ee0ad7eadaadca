import { expect, it } from 'vitest';
import { isInAgentsCgroup } from '../../../../provision/removal/inside-agent.ts';
import { isOurUnit, stopOrder } from '../../../../provision/removal/service.ts';

it('knows the units that are the agent’s, and no other that is called nearly so', () => {
  const ours = [
    'vm-agent.service',
    'vm-agent-exec.socket',
    'vm-agent-enroll.service',
    'vm-agent-exec@3-1234-0.service',
    'vm-agent-cmd-cmd_1.service',
    'vm-agent-rollback.timer',
    'vmagent.slice',
  ];
  expect(ours.filter((name) => !isOurUnit(name))).toEqual([]);
  expect(['vm-agent-uninstall.service', 'vm-agentx.service', 'vmagents.service'].filter(isOurUnit)).toEqual(
    [],
  );
});

it('stops what starts others before what they would start', () => {
  expect(
    stopOrder(['vmagent.slice', 'vm-agent-cmd-1.service', 'vm-agent.service', 'vm-agent-exec.socket']),
  ).toEqual([['vm-agent-exec.socket'], ['vm-agent.service'], ['vm-agent-cmd-1.service'], ['vmagent.slice']]);
});

it('sees by its control group that it runs as a command of the agent', () => {
  expect(isInAgentsCgroup('0::/system.slice/vm-agent.service\n')).toBe(true);
  expect(isInAgentsCgroup('0::/vmagent.slice/vm-agent-cmd-x.service\n')).toBe(true);
  expect(isInAgentsCgroup('1:name=systemd:/system.slice/vm-agent-exec@0-1-0.service\n')).toBe(true);
  expect(isInAgentsCgroup('0::/user.slice/user-0.slice/session-1.scope\n')).toBe(false);
});
