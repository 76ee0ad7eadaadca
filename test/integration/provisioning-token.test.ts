// The script that makes a provisioning token: told by flags and environment, or asked at a terminal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type Cli, cliFor } from './support/cli.ts';
import { runProgram } from './support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

const SCRIPT = join(ROOT, 'scripts/provisioning-token.mts');

let orchestrator: OrchestratorProcess;
let cli: Cli;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
});
afterAll(async () => {
  await cli?.close();
  await orchestrator?.stop();
});

const run = (words: readonly string[], env: Record<string, string> = {}) =>
  runProgram([process.execPath, SCRIPT, ...words], { env });

describe('without a terminal', () => {
  it('takes flags and environment, and prints the line or JSON', async () => {
    const { code, out, err } = await run(
      ['--uses', '3', '--ttl', '15m', '--label', 'env=test', '--json'],
      cli.env,
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({
      token: expect.stringMatching(/^prov_/),
      one_liner: expect.stringContaining('curl'),
    });
    expect((await run([], cli.env)).out).toContain('Enroll a machine by running there, as root:');
  });

  it('hands the limits on', async () => {
    const limits = ['--rate', '10/1h', '--cidr', '10.0.0.0/8', '--vm-id-pattern', 'vm-web-*'];
    const { code, out } = await run([...limits, '--json'], cli.env);
    expect(code).toBe(0);
    const { id } = JSON.parse(out) as { id: string };
    const { stdout } = await cli.run(['token', 'list']);
    const line = stdout
      .toString()
      .split('\n')
      .find((text) => text.startsWith(id));
    expect(line).toMatch(/ 0\/1 \(10\/1h\) +vm-web-\* 10\.0\.0\.0\/8 +- /);
  });

  it('refuses limits that say nothing', async () => {
    for (const [words, message] of [
      [['--rate', 'ten'], 'such as 10/1h'],
      [['--vm-id-pattern', 'web*'], 'such as vm-web-*'],
    ] as const) {
      const { code, err } = await run(words, cli.env);
      expect(code).toBe(2);
      expect(err).toContain(message);
    }
  });

  it('names what is missing, with exit code 2', async () => {
    const { code, out, err } = await run([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('--url or VM_ORCHESTRATOR_URL');
    expect(err).toContain('VM_ORCHESTRATOR_API_TOKEN');
  });
});

describe('at a terminal', () => {
  it('asks for what it needs, again where the answer will not do, and never shows the API token', async () => {
    const { VM_ORCHESTRATOR_URL: url = '', VM_ORCHESTRATOR_API_TOKEN: apiToken = '' } = cli.env;
    const dialogue: [prompt: RegExp, answer: string][] = [
      [/HOST:PORT\): $/, 'http://no'],
      [/Write https.*\n.*HOST:PORT\): $/s, url],
      [/not shown\): $/, apiToken],
      [/CA file.*: $/, cli.env['VM_ORCHESTRATOR_CA_FILE'] ?? ''],
      [/Organization \[default\]: $/, ''],
      [/Machines.*\[1\]: $/, '2'],
      [/Valid for \[24h\]: $/, '1h'],
      [/Labels.*: $/, 'env=test,role=web'],
    ];
    const command = `'${process.execPath}' '${SCRIPT}' --json`;
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { PATH: process.env['PATH'] ?? '', TERM: 'dumb' },
    });
    let seen = '';
    let whole = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
      whole += text;
      const [next] = dialogue;
      if (next === undefined || !next[0].test(stripVTControlCharacters(seen))) return;
      dialogue.shift();
      seen = '';
      child.stdin.write(`${next[1]}\r`);
    });
    const [code] = await once(child, 'close');
    expect({ code, left: dialogue.length, whole: code === 0 ? '' : whole }).toEqual({
      code: 0,
      left: 0,
      whole: '',
    });
    expect(whole).not.toContain(apiToken);
    expect(whole).toMatch(/"token":"prov_/);
  });
});
