import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken } from './enroll.ts';
import { CLI, ended, runProgram, setupWords, startProgram } from './installer.ts';
import type { OrchestratorProcess } from './orchestrator.ts';

/** An agent of these sources that the real installer enrolled in user mode, connected. */
export async function installAgent(
  orchestrator: OrchestratorProcess,
  options: { labels?: Record<string, string> } = {},
) {
  const home = await createTempHome();
  const { token } = await createToken(orchestrator, { labels: options.labels ?? {} });
  const installed = await runProgram(setupWords({ url: orchestrator.url, home: home.path }), {
    input: `${token}\n`,
  });
  if (installed.code !== 0) throw new Error(`not installed:\n${installed.out}${installed.err}`);
  const child = startProgram([process.execPath, CLI, 'server', '--home', home.path]);
  const stopped = ended(child);
  if (child.stdout === null) throw new Error('no stdout');
  for await (const line of createInterface({ input: child.stdout })) {
    if (/websocket: connected|"websocket","ok":true/.test(line)) break;
  }
  return {
    home: home.path,
    policy: join(home.path, 'config/policy.yaml'),
    async stop() {
      child.kill('SIGTERM');
      await stopped;
      await home.remove();
    },
  };
}
