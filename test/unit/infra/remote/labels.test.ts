import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { LABEL_FUNCTIONS } from '../../../../infra/remote/labels.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vm-agent-labels-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

const file = () => join(folder, 'agent_config.yaml');
const sh = (script: string): string =>
  execFileSync('sh', ['-euc', `config=${file()}\n${LABEL_FUNCTIONS}\n${script}`], { encoding: 'utf8' });
const host = (text: string): string => {
  writeFileSync(file(), text);
  return sh('label vm-agent.host').trim();
};
const forget = (text: string): string => {
  writeFileSync(file(), text, { mode: 0o640 });
  sh('forget_labels');
  return readFileSync(file(), 'utf8');
};

it.each([
  ['agent:\n  labels:\n    vm-agent.host: p.s.web-1\n', 'p.s.web-1'],
  ['agent:\n  labels:\n    vm-agent.host: "1.2"\n', '1.2'],
  ["agent:\n  labels:\n    'vm-agent.host': 'p.s.web-10' # ours\n", 'p.s.web-10'],
  ['agent:\n  labels: { role: web, vm-agent.host: p.s.web, a: b }\n', 'p.s.web'],
  ['agent:\n  labels:\n    xvm-agent.host: a\n    vm-agentxhost: b\n    vm-agent.hosts: c\n', ''],
  ['agent:\n  labels:\n    # vm-agent.host: p.s.web\n    role: p.s.web\n', ''],
])('the host that a configuration names: %j', (text, value) => {
  expect(host(text)).toBe(value);
});

it('there is no label in a file that is not there', () => {
  expect(sh('label vm-agent.host')).toBe('');
  expect(sh('forget_labels')).toBe('');
});

it('forgets the labels of an installation and nothing else', () => {
  const rest = '# Labels: vm-agent.host: x\nserver:\n  port: 8080\n';
  const ours = '    vm-agent.host: p.s.web\n    "vm-agent.deployment": "20261127T120000Z"\n';
  expect(forget(`agent:\n  id: a\n  labels:\n    role: web\n${ours}${rest}`)).toBe(
    `agent:\n  id: a\n  labels:\n    role: web\n${rest}`,
  );
  expect(forget(`agent:\n  labels:\n${ours}    role: web\n${rest}`)).toBe(
    `agent:\n  labels:\n    role: web\n${rest}`,
  );
  expect(forget(`agent:\n  labels:\n    role: web\n${rest}`)).toBe(
    `agent:\n  labels:\n    role: web\n${rest}`,
  );
  expect(statSync(file()).mode & 0o777).toBe(0o640);
});

it('leaves no key without a value, which the next installation could not add a label to', () => {
  for (const labels of [
    'labels:\n    vm-agent.host: p.s.web\n    vm-agent.deployment: x\n',
    'labels: { vm-agent.host: p.s.web, vm-agent.deployment: x }\n',
  ]) {
    for (const after of ['', '  id: a\n', 'server: {}\n']) {
      const document = parseDocument(forget(`agent:\n  name: n\n  ${labels}${after}`));
      document.setIn(['agent', 'labels', 'vm-agent.host'], 'p.s.next');
      expect(parse(document.toString())).toMatchObject({
        agent: { name: 'n', labels: { 'vm-agent.host': 'p.s.next' } },
      });
      expect(document.toString()).not.toContain('p.s.web');
    }
  }
});
