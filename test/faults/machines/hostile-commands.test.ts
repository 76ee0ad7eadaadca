// Commands that a machine has to survive: what they print, hold open and leave behind. What ignores SIGTERM or leaves
// its session is in test/integration/agent-commands.test.ts; what needs control groups in test/vm/ and test/host/.
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentHome } from '../../fakes/agent-home.ts';
import type { AgentProcess } from '../../fakes/agent-process.ts';
import { type AgentRig, startAgentRig } from '../../fakes/agent-rig.ts';
import type { SignedCommand } from '../../fakes/command-signer.ts';
import type { FakeOrchestrator } from '../../fakes/fake-orchestrator.ts';
import { isAlive } from '../../fakes/processes.ts';
import { peakMiB, report } from '../support/figures.ts';
import { size } from '../support/size.ts';

const MIB = 2 ** 20;
const CAP_BYTES = size({ short: 128, full: 1024 }) * MIB;
const MAX_RSS_MIB = 150;
/** From the sources a process carries their text and a parser for it as well. */
const SOURCES_MIB = 40;

let home: AgentHome;
let server: FakeOrchestrator;
let agent: AgentProcess;
let rig: AgentRig;

beforeAll(async () => {
  rig = await startAgentRig({ orchestrator: { keepOutput: false, heartbeatInterval: 1 } });
  ({ home, server, agent } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

/** How far the gaps between heartbeats were from a second, at most (ms), by the agent's own clock. */
function jitter(from: number): number {
  const times = server.messages
    .slice(from)
    .flatMap((m) => (m.type === 'heartbeat' ? [Date.parse(m.at)] : []));
  return Math.max(0, ...times.slice(1).map((time, n) => Math.abs(time - (times[n] ?? time) - 1000)));
}

const pidsOf = async (command: SignedCommand): Promise<string> => {
  const id = command.payload.command_id;
  await server.until(() => server.sizeOf(id, 'stderr') > 0);
  return id;
};

describe('[fault-17] a command that prints without end', () => {
  it.each(['head -c 10G /dev/zero', 'yes', 'yes >&2 & yes'])(
    'is ended at its cap, which is said: %s',
    async (text) => {
      const from = server.messages.length;
      const command = home.signer.shell(text, { limits: { timeout_s: 600, output_bytes: CAP_BYTES } });
      const result = await server.run(command);
      const id = command.payload.command_id;
      expect(result).toMatchObject({
        state: 'failed',
        reason: 'output_limit',
        error: { code: 'payload_too_large' },
      });
      const kept = (result.stdout?.size ?? 0) + (result.stderr?.size ?? 0);
      expect(kept).toBe(CAP_BYTES);
      expect(server.sizeOf(id, 'stdout') + server.sizeOf(id, 'stderr')).toBe(CAP_BYTES);
      expect((result.stdout?.omitted ?? 0) + (result.stderr?.omitted ?? 0)).toBeGreaterThan(CAP_BYTES - MIB);
      const peak = peakMiB(agent.pid);
      report(`output of ${text}`, {
        capped_mib: CAP_BYTES / MIB,
        agent_peak_mib: peak,
        heartbeat_jitter_ms: jitter(from),
      });
      expect(peak).toBeLessThan(MAX_RSS_MIB + SOURCES_MIB);
      expect((await server.run(home.signer.shell('echo works'))).state).toBe('succeeded');
      expect(server.connections).toBe(1);
    },
  );
});

describe('[fault-17] a command that takes what it can', () => {
  it('closes its output and goes on: it is waited for, and ended at its time', async () => {
    const command = home.signer.shell('echo $$ >&2; exec >&- 2>&-; sleep 4731', {
      limits: { timeout_s: 1, output_bytes: MIB },
    });
    const result = await server.run(command);
    expect(result.state).toBe('timed_out');
    const pid = Buffer.from(result.stderr?.head ?? '', 'base64')
      .toString()
      .trim();
    expect(isAlive(pid)).toBe(false);
  });

  it('closes its output and ends: its exit code comes', async () => {
    const result = await server.run(home.signer.shell('exec >&- 2>&-; exit 9'));
    expect(result).toMatchObject({ state: 'failed', exit_code: 9 });
  });

  it('holds 10,000 files open: the agent has no more than before, and others run', async () => {
    const open = () => readdirSync(`/proc/${agent.pid}/fd`).length;
    await server.run(home.signer.shell('true'));
    const before = open();
    const opener = `const fs=require('fs');try{for(let n=0;n<10000;n++)fs.openSync('/dev/null')}catch{};console.error(process.pid);setInterval(()=>{},1000)`;
    const command = home.signer.shell(`ulimit -n 10100 2>/dev/null; exec ${process.execPath} -e "${opener}"`);
    server.sendCommand(command);
    const id = await pidsOf(command);
    expect((await server.run(home.signer.shell('echo works'))).state).toBe('succeeded');
    server.cancel(command);
    expect((await server.resultOf(id)).state).toBe('cancelled');
    // Pipes that are at hand are files too; they are few.
    expect(open()).toBeLessThan(before + 20);
  });

  it('leaves 200 processes of its own sessions behind, each deaf to SIGTERM: none survives', async () => {
    const one = `setsid sh -c 'trap "" TERM; exec sleep 4732' >/dev/null 2>&1 &`;
    const command = home.signer.shell(
      `n=0; while [ $n -lt 200 ]; do n=$((n+1)); ${one} done; echo up >&2; wait`,
    );
    server.sendCommand(command);
    const id = await pidsOf(command);
    server.cancel(command);
    expect((await server.resultOf(id)).state).toBe('cancelled');
    const { stdout } = await server.run(home.signer.shell('pgrep -c -f "[s]leep 4732"'));
    expect(Buffer.from(stdout?.head ?? '', 'base64').toString()).toBe('0\n');
  });
});
