// The file that people send when they ask for help: useful, and without a secret.
import { appendFile, mkdir, readFile, stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Journal } from '../../agent/commands/journal.ts';
import { diskLayout, journalFile } from '../../protocol/disk-layout.ts';
import { createAgentHome } from '../fakes/agent-home.ts';
import { CLI, runProgram } from './support/installer.ts';

const CANARY = 'c4n4ryc4n4ryc4n4ry';

describe('vm-agent support-bundle', () => {
  it('[secret-1] holds none of the secrets that were put wherever they could be', async () => {
    await using home = await createAgentHome();
    const layout = diskLayout(home.path);
    new Journal(journalFile(layout)).close();
    const lines = [
      JSON.stringify({ msg: 'x', command: `mysql -p${CANARY}` }),
      `prov_ab12cd34ef56_${CANARY}_0123456789abcdef0123456789abcdef`,
      `vmo_${CANARY}`,
      `http://ana:${CANARY}@proxy:3128`,
      home.apiKey,
      await readFile(`${layout.security}/vm_agent.key`, 'utf8'),
    ];
    for (const name of ['agent.log', 'audit.log'])
      await appendFile(`${layout.log}/${name}`, `${lines.join('\n')}\n`);
    await home.writeConfig(`agent:\n  name: "vmk_${CANARY}"\nserver:\n  port: 1\n# password: ${CANARY}\n`);
    await mkdir(`${home.path}/out`);
    const file = `${home.path}/out/bundle.tar.gz`;
    const { code, out, err } = await runProgram(
      [process.execPath, CLI, 'support-bundle', '--home', home.path, '--output', file],
      {
        env: { https_proxy: `http://ana:${CANARY}@proxy:3128` },
      },
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/Secrets removed: (1[4-9]|[2-9]\d) /);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const { out: names } = await runProgram(['tar', '-tzf', file]);
    for (const name of [
      'diagnosis.json',
      'config/agent_config.yaml',
      'agent.log',
      'audit.log',
      'journal-db.json',
      'os-release',
    ])
      expect(names).toContain(`/${name}\n`);
    expect(names).not.toMatch(/api_key|vm_agent\.key/);
    const { out: text } = await runProgram(['tar', '-xzOf', file]);
    expect(text).toContain('"commands": []');
    const key = (await readFile(`${layout.security}/vm_agent.key`, 'utf8')).split('\n')[1] ?? '';
    for (const secret of [CANARY, home.apiKey, key]) expect(text.split(secret).length - 1).toBe(0);
  });
});
