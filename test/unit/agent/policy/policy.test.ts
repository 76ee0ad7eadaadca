import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../agent/policy/evaluate.ts';
import { PolicySource, parsePolicy } from '../../../../agent/policy/source.ts';
import { readFileTool } from '../../../../agent/tools/file-read.ts';
import { createRegistry } from '../../../../agent/tools/registry.ts';
import { systemClock } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { DEFAULT_POLICY } from '../../../../protocol/policy.ts';
import { DEFAULT_POLICY_TEXT } from '../../../../provision/default-policy.ts';
import { fileOptions } from '../../../fakes/call-tool.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const parse = (text: string) => parsePolicy(text, 'policy.yaml');
const LOOKER =
  'version: 1\ngrants:\n  client:ops: {tools: {allow: [read_file], deny: []}, roots: {read: [/var/log]}}\n';

describe('the policy', () => {
  it('that the installer writes is the one that holds without it', () => {
    expect(parse(DEFAULT_POLICY_TEXT)).toEqual(DEFAULT_POLICY);
  });

  it('grants nothing to who is not named, not even by a name of every object', () => {
    for (const grant of ['orchestrator', 'client:other', '__proto__', 'constructor'])
      expect(evaluate(parse(LOOKER), grant, 'read_file')).toMatchObject({ allowed: false });
    expect(evaluate(DEFAULT_POLICY, 'client:ops', 'read_file')).toMatchObject({ allowed: false });
  });

  it('allows the tools that it names, in the folders that it names', () => {
    const policy = parse(LOOKER);
    expect(evaluate(policy, 'client:ops', 'read_file')).toEqual({
      allowed: true,
      read: ['/var/log'],
      write: [],
      runAs: undefined,
      limits: {},
    });
    expect(evaluate(policy, 'client:ops', 'write_file')).toMatchObject({ allowed: false });
  });

  it('lets a denial win', () => {
    const policy = parse('version: 1\ngrants: {local-api: {tools: {allow: ["*"], deny: [write_file]}}}');
    expect(evaluate(policy, 'local-api', 'write_file')).toMatchObject({ allowed: false });
    expect(evaluate(policy, 'local-api', 'read_file')).toMatchObject({ allowed: true, read: [] });
  });

  it.each([
    [
      'an unknown key',
      'version: 1\ngrants: {local-api: {tools: {alow: []}}}',
      /alow: unknown key.*did you mean/s,
    ],
    [
      'an unknown caller',
      'version: 1\ngrants: {everyone: {tools: {allow: []}}}',
      /everyone: must be orchestrator/,
    ],
    [
      'a relative root',
      'version: 1\ngrants: {local-api: {tools: {allow: []}, roots: {read: [tmp]}}}',
      /absolute/,
    ],
    [
      'a root with ..',
      'version: 1\ngrants: {local-api: {tools: {allow: []}, roots: {read: [/a/../b]}}}',
      /plain/,
    ],
    ['another version', 'version: 2\ngrants: {}', /version: must be 1/],
    ['no YAML', 'version: [', /policy.yaml is not valid/],
  ])('is refused with %s', (_what, text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});

describe('[policy-1] the policy in force', () => {
  const me = { owners: [userInfo().uid] };

  it('is read again when its file changes, and refuses all while it is invalid', async () => {
    await using home = await createTempHome();
    const path = home.join('policy.yaml');
    const states: string[] = [];
    const source = new PolicySource({ ...me, path, onState: ({ kind }) => states.push(kind) });
    const mayRead = (grant: string) => source.decide(grant, 'read_file').allowed;
    expect(mayRead('local-api')).toBe(true);
    await writeFile(path, LOOKER, { mode: 0o644 });
    expect([mayRead('local-api'), mayRead('client:ops')]).toEqual([false, true]);
    expect([source.grantOf('ops'), source.grantOf('x')]).toEqual(['client:ops', undefined]);
    await writeFile(path, `${LOOKER}bogus: 1\n`);
    expect([mayRead('orchestrator'), mayRead('client:ops')]).toEqual([false, false]);
    await rm(path);
    expect(mayRead('local-api')).toBe(true);
    expect(states).toEqual(['default', 'file', 'invalid', 'default']);
  });

  it('is invalid when others could have written it', async () => {
    await using home = await createTempHome();
    const path = home.join('policy.yaml');
    await writeFile(path, DEFAULT_POLICY_TEXT);
    await chmod(path, 0o666);
    const refused = expect.objectContaining({ allowed: false, why: expect.stringContaining('chmod 644') });
    expect(new PolicySource({ ...me, path }).decide('local-api', 'x')).toEqual(refused);
    await chmod(path, 0o644);
    expect(new PolicySource({ owners: [54_321], path }).decide('local-api', 'x')).toEqual(refused);
  });

  it('is asked for every call, and gives the tool its folders', async () => {
    await using home = await createTempHome();
    await mkdir(home.join('log'));
    for (const name of ['log/a', 'b']) await writeFile(home.join(name), name);
    const policy = parse(
      `version: 1\ngrants:\n  local-api: {tools: {allow: [read_file]}, roots: {read: [${home.join('log')}]}}\n`,
    );
    const registry = createRegistry([readFileTool(fileOptions())], (grant, tool) =>
      evaluate(policy, grant, tool),
    );
    const read = (grant: string, name: string) =>
      registry.prepare('read_file', { file_path: home.join(name) }).run({
        id: 'cmd-1',
        clock: systemClock,
        log: silentLogger,
        signal: new AbortController().signal,
        output: () => undefined,
        caller: { door: 'channel', id: 'x', grant },
        progress: () => undefined,
      });
    expect(await read('local-api', 'log/a')).toMatchObject({ text: 'log/a' });
    await expect(read('local-api', 'b')).rejects.toMatchObject({ code: 'path_refused' });
    await expect(read('orchestrator', 'log/a')).rejects.toMatchObject({ code: 'policy_refused' });
  });
});
