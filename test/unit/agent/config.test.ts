import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadAgentConfig } from '../../../agent/config.ts';
import { ConfigError, knownKeys } from '../../../base/config-file.ts';
import { agentConfigSchema } from '../../../protocol/agent-config.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';

const EXAMPLE = join(import.meta.dirname, '../../../docs/agent_config.example.yaml');

async function withFile(home: TempHome, text: string) {
  const layout = diskLayout(home.path);
  await mkdir(layout.config);
  await writeFile(`${layout.config}/agent_config.yaml`, text);
  return layout;
}

const paths = (value: unknown, prefix = ''): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, child]) => [
        `${prefix}${key}`,
        ...paths(child, `${prefix}${key}.`),
      ])
    : [];

describe('the configuration of an agent', () => {
  it('comes from file, then environment, then flags', async () => {
    await using home = await createTempHome();
    const layout = await withFile(home, 'server: {port: 1001, host: 127.0.0.1}\nlogging: {level: debug}\n');
    const env = { VM_AGENT_SERVER__PORT: '1002', VM_AGENT_LOGGING__LEVEL: 'error', VM_AGENT_HOME: '/x' };
    const config = await loadAgentConfig({ layout, env, flags: { server: { port: 1003 } } });
    expect(config.server).toMatchObject({ port: 1003, host: '127.0.0.1' });
    expect(config.logging.level).toBe('ERROR');
    expect(config.tools.shell_executor.timeout).toBe(300);
  });

  it('cannot be changed once it is loaded', async () => {
    await using home = await createTempHome();
    const config = await loadAgentConfig({ layout: diskLayout(home.path), env: {} });
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(config.agent.labels, { a: 'b' })).toThrow(TypeError);
  });

  it('is refused with all its problems at once, each with its key', async () => {
    await using home = await createTempHome();
    const layout = await withFile(
      home,
      'server: {prot: 1}\nlogging: {level: LOUD}\ntools: {shel_executor: {}}\n',
    );
    const failure = await loadAgentConfig({ layout, env: {} }).catch((cause: unknown) => cause);
    expect(failure).toBeInstanceOf(ConfigError);
    const { problems } = failure as ConfigError;
    expect(problems.map(({ key }) => key).sort()).toEqual([
      'logging.level',
      'server.prot',
      'tools.shel_executor',
    ]);
    expect(problems.find(({ key }) => key === 'server.prot')?.nearest).toBe('server.port');
  });

  it('must exist when another file is named', async () => {
    await using home = await createTempHome();
    const missing = loadAgentConfig({ layout: diskLayout(home.path), file: home.join('no.yaml'), env: {} });
    await expect(missing).rejects.toThrow(/no\.yaml.*\n.*cannot be read \(ENOENT\)/);
  });

  it('has an example that loads and explains every key', async () => {
    await using home = await createTempHome();
    await expect(
      loadAgentConfig({ layout: diskLayout(home.path), file: EXAMPLE, env: {} }),
    ).resolves.toBeDefined();
    const shown = paths(parse(await readFile(EXAMPLE, 'utf8')));
    expect(knownKeys(agentConfigSchema).filter((key) => !shown.includes(key))).toEqual([]);
  });
});
