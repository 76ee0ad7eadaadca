import { describe, expect, it } from 'vitest';
import { ConfigError, envOverrides, loadConfig } from '../../../base/config-file.ts';
import { agentConfigSchema, CONFIG_ENV_PREFIX } from '../../../protocol/agent-config.ts';

const load = (file: string, env: Record<string, string> = {}, flags: Record<string, unknown> = {}) =>
  loadConfig({
    schema: agentConfigSchema,
    source: 'agent_config.yaml',
    file,
    env: envOverrides(env, CONFIG_ENV_PREFIX),
    flags,
  });

function problemsOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('configuration', () => {
  it('[attack-10] is refused by name when its aliases mean nothing, or multiply without end', () => {
    expect(problemsOf(() => load('server: *nobody\n')).message).toMatch(/agent_config.yaml.*\n.*alias/i);
    const bomb = [
      'a: &a [1,1,1,1,1,1,1,1,1]',
      ...[...'bcdefghi'].map(
        (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`,
      ),
    ];
    expect(problemsOf(() => load(bomb.join('\n'))).message).toMatch(/alias/i);
  });

  it('is the file, overruled by the environment, overruled by flags', () => {
    const config = load(
      'server: {port: 1, host: a}\nlogging: {level: debug}',
      {
        VM_AGENT_SERVER__PORT: '2',
        VM_AGENT_SERVER__HOST: 'b',
        VM_AGENT_ORCHESTRATOR__URL: 'https://o.example',
      },
      { server: { host: 'c' } },
    );
    expect(config.server).toMatchObject({ port: 2, host: 'c' });
    expect(config.logging.level).toBe('DEBUG');
    expect(config.orchestrator.url).toBe('https://o.example');
  });

  it('reads nested and list overrides as YAML would', () => {
    expect(
      envOverrides(
        { VM_AGENT_SERVER__SSL__ENABLED: 'false', VM_AGENT_X__Y: '[a, b]', VM_AGENT_HOME: '/x' },
        'VM_AGENT_',
      ),
    ).toEqual({
      server: { ssl: { enabled: false } },
      x: { y: ['a', 'b'] },
    });
  });

  it('names every problem at once: the key, the value, and the nearest known key', () => {
    const error = problemsOf(() => load('server: {prot: 8080, port: seventy}\norchestrater: {url: x}'));
    expect(error.problems.map(({ key, nearest }) => [key, nearest])).toEqual(
      expect.arrayContaining([
        ['server.prot', 'server.port'],
        ['server.port', undefined],
        ['orchestrater', 'orchestrator'],
      ]),
    );
    expect(error.message).toContain('server.prot: unknown key (is 8080); did you mean "server.port"?');
    expect(error.message).toContain('"seventy"');
  });

  it('says where YAML itself is broken', () => {
    expect(problemsOf(() => load('server: [1')).message).toMatch(/line 1|at line/);
  });
});
