import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { readSecurityFile } from '../../agent/identity/credentials.ts';
import type { Clock } from '../../base/clock.ts';
import type { InstallContext } from '../context.ts';
import { lastWords } from '../last-words.ts';
import { NODE_FLAGS } from '../node-flags.ts';
import { askHealth, waitUntilOnline } from '../probe.ts';
import { readEnrolment, writeEnrolment } from '../records.ts';
import type { Step } from '../step.ts';

const START_MS = 60_000;
const STOP_MS = 10_000;

/** User mode: there is no systemd, so the agent is started to see that it works, and stopped again. */
export function trialRun(
  ctx: Pick<InstallContext, 'layout' | 'host' | 'clock' | 'orchestrator' | 'owners'>,
): Step {
  const { layout, host, clock } = ctx;
  return {
    id: 'service',
    title: 'Verification',
    isDone: async () => (await readEnrolment(layout))?.complete === true,
    async apply() {
      const { port } = (await loadAgentConfig({ layout, env: {} })).server;
      const running = await askHealth(port, clock);
      const isOurs = running !== undefined && running.vm_id === (await readSecurityFile(layout, 'vmId'));
      const trial = isOurs ? undefined : start();
      try {
        await waitUntilOnline({
          ctx,
          port,
          withinMs: START_MS,
          alive: async () => trial?.child.exitCode === null || trial === undefined,
          diagnosis: async () => trial?.lastWords() ?? '',
          hint: `Start it by hand to see more: ${serverCommand(layout.root)}`,
        });
      } finally {
        if (trial !== undefined) await stop(trial.child, clock);
      }
      const begun = await readEnrolment(layout);
      if (begun !== undefined) await writeEnrolment(layout, { ...begun, complete: true }, await ctx.owners());
      return trial === undefined
        ? 'the agent is already running, healthy and online'
        : 'started, seen healthy and online, stopped';
    },
    undo: async () => undefined,
  };

  function start(): { child: ChildProcess; lastWords: () => string } {
    const child = spawn(
      join(layout.current, 'runtime/node'),
      [...NODE_FLAGS['vm-agent'], join(layout.current, 'vm-agent.mjs'), 'server', '--home', layout.root],
      { env: host.env, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-4000);
      });
    }
    // Without a listener a program that cannot be started would end the installer; `alive` and the text tell it.
    child.on('error', (cause) => {
      said += cause.message;
    });
    return { child, lastWords: () => lastWords(said) };
  }
}

/** What starts an agent that was installed in user mode. */
export const serverCommand = (home: string): string => `${home}/current/bin/vm-agent server --home ${home}`;

async function stop(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = clock.setTimer(STOP_MS, () => child.kill('SIGKILL'));
  await gone;
  timer.cancel();
}
