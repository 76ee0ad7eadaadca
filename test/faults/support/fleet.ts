import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { systemClock } from '../../../base/clock.ts';
import { diskLayout, SECURITY_FILES } from '../../../protocol/disk-layout.ts';
import { enrollHome } from '../../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { untilOnline } from '../../integration/support/machine.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

/** One machine: a real agent behind a proxy of its own. */
export interface Member {
  readonly vmId: string;
  readonly home: string;
  readonly proxy: FaultProxy;
  agent: AgentProcess;
  /** Of every process that it had, see {@link processName}. */
  readonly processes: string[];
  readonly kills: number[];
  /** Times at which a connection was welcomed, and at which one was lost (ms since the epoch). */
  links(): { at: number; up: boolean; transport?: unknown }[];
  kill(): Promise<void>;
  restart(entry?: Entry): void;
}

/** Another program than the usual one, which changes something and then starts that. */
export interface Entry {
  script: string;
  env?: Record<string, string>;
}

export interface Fleet extends AsyncDisposable {
  readonly temp: TempHome;
  orchestrator: OrchestratorProcess;
  readonly members: readonly Member[];
  /** When there was none. */
  readonly down: { from: number; to: number }[];
  killOrchestrator(): Promise<void>;
  /** With the data of the one that was killed; on a free port, to which all links lead from then on. @throws when it ends before it listens. */
  restartOrchestrator(entry?: Entry): Promise<void>;
}

/** A process's number with the time of its start: numbers come again when thousands of processes have ended. */
export const processName = (pid: number): string =>
  `${pid}:${readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21]}`;

const SERVE = ['--rate-limit', 'off'];
/** Each program starts many times: what is compiled once is kept. */
const envOf = (temp: TempHome, entry?: Entry) => ({
  NODE_COMPILE_CACHE: temp.join('compiled'),
  ...entry?.env,
});
const CONFIG = 'server:\n  host: 127.0.0.1\n  port: 0\n';

async function createMember(fleet: Fleet, number: number, usual?: Entry): Promise<Member> {
  const { orchestrator, temp } = fleet;
  const made = await orchestrator.call<{ token: string }>({ path: `${ORG}/provisioning-tokens`, body: {} });
  const home = temp.join(`agent-${number}`);
  const vmId = await enrollHome({
    home,
    url: orchestrator.url,
    token: made.body.token,
    hostname: `m${number}`,
  });
  const proxy = await startFaultProxy({ port: () => Number(new URL(fleet.orchestrator.url).port) });
  const layout = diskLayout(home);
  const url = `wss://127.0.0.1:${proxy.port}/api/v1/agents/${vmId}/ws`;
  await writeFile(`${layout.security}/${SECURITY_FILES.websocketUrl}`, `${url}\n`, { mode: 0o600 });
  await writeFile(`${layout.config}/agent_config.yaml`, CONFIG);
  const lives: AgentProcess[] = [];
  const start = (entry?: Entry) => {
    const agent = startAgent({ home, ...entry, env: envOf(temp, entry) });
    lives.push(agent);
    member.processes.push(processName(agent.pid));
    return agent;
  };
  const member: Member = {
    vmId,
    home,
    proxy,
    processes: [],
    kills: [],
    agent: undefined as unknown as AgentProcess,
    links: () =>
      [
        ...lives.flatMap(({ log }) =>
          log.flatMap((line) => {
            const up = line['msg'] === 'connected to the orchestrator';
            const lost = line['condition'] === 'websocket' && line['ok'] === false;
            return up || lost
              ? [{ at: timeOf(line), up, ...(up ? { transport: line['transport'] } : {}) }]
              : [];
          }),
        ),
        ...member.kills.map((at) => ({ at, up: false })),
      ].toSorted((a, b) => a.at - b.at),
    async kill() {
      member.kills.push(systemClock.now());
      member.agent.signal('SIGKILL');
      await member.agent.exited;
    },
    restart(entry = usual) {
      member.agent = start(entry);
    },
  };
  member.restart();
  return member;
}

const timeOf = (line: Record<string, unknown>): number => Date.parse(String(line['time']));

/** A real orchestrator and real agents, each behind a proxy that can break its link. All are killed and started at will. */
export async function startFleet(options: { agents: number; entry?: Entry }): Promise<Fleet> {
  const temp = await createTempHome('vma-fire-');
  const dataDir = temp.join('orchestrator');
  await mkdir(dataDir, { mode: 0o700 });
  const orchestrator = await startOrchestrator({ dataDir, args: SERVE, env: envOf(temp) });
  const members: Member[] = [];
  let downSince: number | undefined;
  const fleet: Fleet = {
    temp,
    orchestrator,
    members,
    down: [],
    async killOrchestrator() {
      downSince ??= systemClock.now();
      await fleet.orchestrator.kill();
    },
    async restartOrchestrator(entry) {
      const { credentials } = orchestrator;
      fleet.orchestrator = await startOrchestrator({
        dataDir,
        credentials,
        args: SERVE,
        ...entry,
        env: envOf(temp, entry),
      });
      fleet.down.push({ from: downSince ?? 0, to: systemClock.now() });
      downSince = undefined;
    },
    async [Symbol.asyncDispose]() {
      for (const { agent, proxy } of members) {
        await agent[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      }
      await fleet.orchestrator.kill();
      await rm(temp.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
  try {
    for (let number = 0; number < options.agents; number += 1)
      members.push(await createMember(fleet, number, options.entry));
    for (const { vmId } of members) await untilOnline(orchestrator, vmId);
    return fleet;
  } catch (cause) {
    await fleet[Symbol.asyncDispose]();
    throw cause;
  }
}
