import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import type { JobId } from '../../../protocol/ids.ts';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import type { JobEvent } from '../../../protocol/rest-jobs.ts';
import { type ConnectProxy, startConnectProxy } from '../../fakes/connect-proxy.ts';
import { type Cli, cliFor } from '../../integration/support/cli.ts';
import { ORG, outputPath, readJob, submitJob } from '../../integration/support/fleet.ts';
import { followStream } from '../../integration/support/follow.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { connectTerminal } from '../../integration/support/terminal-client.ts';
import { type BoxedAgent, enrollBehindBox } from '../support/behind-middlebox.ts';
import { isFull, size } from '../support/size.ts';

let orchestrator: OrchestratorProcess;
let machine: BoxedAgent;
let silent: BoxedAgent;
let proxy: ConnectProxy;
let cli: Cli;
/** A WebSocket is tried again after so many seconds, give or take a fifth. */
const OFTEN = {
  VM_AGENT_ORCHESTRATOR__WEBSOCKET_RETRY_INTERVAL: '1',
  VM_AGENT_ORCHESTRATOR__COMMAND_POLL_INTERVAL: '1',
};

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
  machine = await enrollBehindBox(() => orchestrator);
  machine.box.webSockets = 'refuse';
  machine.start();
  // It finds out slowly, so it begins before the others are looked at.
  proxy = await startConnectProxy();
  silent = await enrollBehindBox(() => orchestrator, proxy.url);
  silent.box.webSockets = 'swallow';
  silent.start();
  await machine.connected('poll');
});
afterAll(async () => {
  await silent?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
  await cli?.close();
  await orchestrator?.stop();
});

const seenAgent = async (vmId = machine.vmId) =>
  (await orchestrator.call<Agent>({ path: `${ORG}/agents/${vmId}` })).body;
const submit = (command: string, vmId = machine.vmId) =>
  submitJob(orchestrator, { selector: `id=${vmId}`, arguments: { command } });
const follow = (id: JobId) =>
  followStream<JobEvent>(orchestrator, {
    path: `${ORG}/jobs/${id}/events`,
    token: orchestrator.credentials.api_token,
  });

/** Each answer comes over the network, so this is no busy loop. */
async function ended(jobId: JobId) {
  for (;;) {
    const [command] = (await readJob(orchestrator, jobId)).commands;
    if (command?.ended_at) return command;
  }
}
async function restartOrchestrator(): Promise<void> {
  await orchestrator.kill();
  const { url, dataDir, credentials } = orchestrator;
  orchestrator = await startOrchestrator({ dataDir, credentials, listen: new URL(url).host });
}
const linesOf = (file: string): string[] => readFileSync(file, 'utf8').trim().split('\n');

/** Commands that each write their own name, and what became of them. */
async function runMany(count: number, file: string, disturb: () => Promise<void>) {
  const jobs = [];
  for (let i = 0; i < count; i++) jobs.push((await submit(`echo ${i} >> ${file}; echo ${i}`)).id);
  await disturb();
  const states = new Map<string, string>();
  for (const [i, id] of jobs.entries()) states.set(String(i), (await ended(id)).state);
  const ran = Map.groupBy(linesOf(file), (line) => line);
  return { states, ran };
}

describe('an agent whose WebSockets are refused on the way', () => {
  it('[poll-1] says on the machine and at the orchestrator how it is connected, and why', async () => {
    const info = await fetch(`http://127.0.0.1:${await machine.agent().port()}/info`);
    const { transport, conditions } = (await info.json()) as {
      transport: string;
      conditions: { name: string; ok: boolean; detail: string }[];
    };
    expect(transport).toBe('poll');
    const condition = conditions.find(({ name }) => name === 'websocket');
    expect(condition).toMatchObject({ ok: true });
    expect(condition?.detail).toContain('by long polling');
    expect(condition?.detail).toContain('HTTP status 403, not by the orchestrator');
    expect(await seenAgent()).toMatchObject({ online: true, transport: 'poll' });
    // Its heartbeats arrive.
    while ((await seenAgent()).load === null);
  });

  it('[poll-1] runs a command, whose 5 MB of output come live and to the byte', async () => {
    const [first, second] = [randomBytes(2_500_000), randomBytes(2_500_000)];
    writeFileSync(machine.join('first'), first);
    writeFileSync(machine.join('second'), second);
    const go = machine.join('go');
    const wait = `while [ ! -e ${go} ]; do sleep 0.05; done`;
    const job = await submit(`cat ${machine.join('first')}; ${wait}; cat ${machine.join('second')}`);
    await using events = await follow(job.id);
    // It cannot go on before its first half was seen.
    await events.until((event) => event.type === 'output');
    writeFileSync(go, '');
    expect((await ended(job.id)).state).toBe('succeeded');
    await events.ended;
    const pieces = events.events.flatMap((event) =>
      event.type === 'output' ? [Buffer.from(event.data, 'base64')] : [],
    );
    expect(Buffer.concat(pieces).equals(Buffer.concat([first, second]))).toBe(true);
  });

  it('[poll-1] is told at once that a command is cancelled', async () => {
    const job = await submit('sleep 600');
    await using events = await follow(job.id);
    await events.until((event) => event.type === 'state' && event.state === 'running');
    const before = performance.now();
    await orchestrator.call({ path: `${ORG}/jobs/${job.id}/cancel`, body: {} });
    expect((await ended(job.id)).state).toBe('cancelled');
    console.info(`cancelled in ${Math.round(performance.now() - before)} ms`);
  });

  it('[poll-1] takes a file of 3 MB, and gives it back', async () => {
    const [from, to] = [machine.join('up.bin'), machine.join('there.bin')];
    writeFileSync(from, randomBytes(3_000_000));
    const put = await cli.run(['files', 'put', from, `${machine.vmId}:${to}`]);
    expect(put.code, put.stderr).toBe(0);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    const back = machine.join('back.bin');
    const got = await cli.run(['files', 'get', `${machine.vmId}:${to}`, back]);
    expect(got.code, got.stderr).toBe(0);
    expect(readFileSync(back).equals(readFileSync(from))).toBe(true);
  });

  it('[poll-1] tells changed labels by a link that takes over', async () => {
    const from = machine.agent().log.length;
    const yaml = 'server:\n  host: 127.0.0.1\n  port: 0\nagent:\n  labels:\n    rack: r1\n';
    writeFileSync(`${diskLayout(machine.home).config}/agent_config.yaml`, yaml);
    machine.agent().signal('SIGHUP');
    expect(await machine.connected('poll', from)).toMatchObject({ resumed: true });
    expect(await seenAgent()).toMatchObject({ online: true, reported_labels: { rack: 'r1' } });
  });

  it('[poll-1] gives people a terminal', async () => {
    const headers = { authorization: `Bearer ${orchestrator.credentials.api_token}` };
    const first = { type: 'open', rows: 24, cols: 80, command: 'PS1="ready> " exec sh -i' } as const;
    const at = await connectTerminal(orchestrator, { agent: machine.vmId, first, headers });
    if ('status' in at) throw new Error(`refused: ${at.code}`);
    await at.until('ready> ');
    const before = performance.now();
    at.type('expr 20 + 22\r');
    await at.until(/^42\r?$/m);
    console.info(`a typed line was answered in ${Math.round(performance.now() - before)} ms`);
    at.type('exit\r');
    await at.ended();
  });

  it('[poll-2] loses and doubles nothing when answers are lost on the way', async () => {
    const count = size({ short: 20, full: 500 });
    const lost = () => machine.box.seen.filter((what) => what.endsWith('lost')).length;
    const disturb = async () => {
      for (let i = 0; i < 5; i++) {
        machine.box.loseAnswers = 2;
        await machine.box.next(/lost/);
      }
    };
    const { states, ran } = await runMany(count, machine.join('lost-answers'), disturb);
    expect(lost()).toBeGreaterThanOrEqual(5);
    expect([...new Set(states.values())]).toEqual(['succeeded']);
    expect([...ran.values()].map((lines) => lines.length)).toEqual(Array(count).fill(1));
  });

  it('[poll-2] brings the result of what ended while the orchestrator was killed, once', async () => {
    for (let round = 0; round < size({ short: 1, full: 20 }); round++) {
      const file = machine.join(`killed-${round}`);
      const job = await submit(`sleep 0.3; echo ran >> ${file}; echo said`);
      await using events = await follow(job.id);
      await events.until((event) => event.type === 'state' && event.state === 'running');
      await restartOrchestrator();
      const command = await ended(job.id);
      expect(command.state).toBe('succeeded');
      expect(linesOf(file)).toEqual(['ran']);
      expect((await orchestrator.call({ path: outputPath(command.id) })).text).toBe('said\n');
    }
  });

  it('[poll-2] starts nothing twice when the agent is killed in the middle of its polls', async () => {
    const count = size({ short: 10, full: 200 });
    machine.box.webSockets = 'strip';
    const disturb = async () => {
      for (let i = 0; i < size({ short: 1, full: 10 }); i++) {
        machine.agent().signal('SIGKILL');
        await machine.agent().exited;
        machine.start(OFTEN);
        await machine.connected('poll');
      }
    };
    const { states, ran } = await runMany(count, machine.join('killed-agent'), disturb);
    expect([...ran.values()].filter((lines) => lines.length > 1)).toEqual([]);
    // What is said to have worked has run; every other one says that it did not, or that nobody can know.
    for (const [name, state] of states) {
      if (state === 'succeeded') expect(ran.get(name)).toHaveLength(1);
      else expect(['failed', 'unknown']).toContain(state);
    }
    const info = await fetch(`http://127.0.0.1:${await machine.agent().port()}/info`);
    expect(await info.text()).toContain('reached the orchestrator without its upgrade');
  });

  it('[poll-3] goes back to a WebSocket when one passes, and to polls when not, in the middle of an output', async () => {
    const bytes = randomBytes(3_000_000);
    writeFileSync(machine.join('moving'), bytes);
    const go = machine.join('go-on');
    const step = (n: number) =>
      `while [ ! -e ${go}-${n} ]; do sleep 0.05; done; cat ${machine.join('moving')}`;
    const job = await submit(`cat ${machine.join('moving')}; ${step(1)}; ${step(2)}`);
    await using events = await follow(job.id);
    await events.until((event) => event.type === 'output');
    let from = machine.agent().log.length;
    machine.box.webSockets = 'pass';
    const resumed = { resumed: true };
    expect(await machine.connected('websocket', from)).toMatchObject(resumed);
    expect(await seenAgent()).toMatchObject({ online: true, transport: 'websocket' });
    writeFileSync(`${go}-1`, '');
    from = machine.agent().log.length;
    machine.box.webSockets = 'cut';
    machine.box.cutAll();
    expect(await machine.connected('poll', from)).toMatchObject(resumed);
    writeFileSync(`${go}-2`, '');
    const command = await ended(job.id);
    expect(command.state).toBe('succeeded');
    const whole = await orchestrator.call({ path: outputPath(command.id, '?limit=1') });
    expect(whole.headers['x-output-size']).toBe(String(3 * bytes.length));
    await events.ended;
    const pieces = events.events.flatMap((event) =>
      event.type === 'output' ? [Buffer.from(event.data, 'base64')] : [],
    );
    expect(Buffer.concat(pieces).equals(Buffer.concat([bytes, bytes, bytes]))).toBe(true);
  });

  it('[poll-3] keeps its polls while WebSockets open but pass no frame', async () => {
    machine.box.webSockets = 'swallow';
    const from = machine.agent().log.length;
    await machine.box.next(/upgrade/);
    const job = await submit('echo still here');
    expect((await ended(job.id)).state).toBe('succeeded');
    expect(
      machine
        .agent()
        .log.slice(from)
        .filter((line) => line['session_id'] !== undefined),
    ).toEqual([]);
  });

  it('[poll-4] lives with a proxy that waits for whole answers, and not for long', async () => {
    const from = machine.agent().log.length;
    machine.box.patienceMs = 2100;
    const late = machine.box.next(/GET 504/);
    // What was asked before is answered by this; the next poll meets the proxy.
    await submit('true');
    await late;
    // The next ones are shorter than its patience.
    await machine.box.next(/GET 200/);
    await machine.box.next(/GET 200/);
    const job = await submit('echo through');
    expect((await ended(job.id)).state).toBe('succeeded');
    machine.box.patienceMs = undefined;
    expect(
      machine
        .agent()
        .log.slice(from)
        .filter((line) => line['session_id'] !== undefined),
    ).toEqual([]);
  });
});

describe('an agent whose WebSockets open and pass nothing', () => {
  it('[poll-1] polls after the second welcome that did not come', async () => {
    await silent.connected('poll');
    const info = await fetch(`http://127.0.0.1:${await silent.agent().port()}/info`);
    expect(await info.text()).toContain('no frame passed through it');
    // All of it went through a tunnel of a proxy.
    const tunnels = [...new Set(proxy.tunnels)];
    expect(tunnels).toEqual([new URL(silent.box.url).host]);
    const job = await submit('echo hello', silent.vmId);
    expect((await ended(job.id)).state).toBe('succeeded');
  });

  it.runIf(isFull)(
    '[poll-4] sees a dead way within 30 s at both ends, and brings the result after it',
    async () => {
      const file = silent.join('dead');
      const job = await submit(`sleep 1; echo ran >> ${file}`, silent.vmId);
      await using events = await follow(job.id);
      await events.until((event) => event.type === 'state' && event.state === 'running');
      const before = performance.now();
      const seconds = () => (performance.now() - before) / 1000;
      silent.box.dead = true;
      const { log, logged } = silent.agent();
      const from = log.length;
      const [agentSaw, orchestratorSaw] = await Promise.all([
        logged(
          (line) => log.indexOf(line) >= from && line['condition'] === 'websocket' && line['ok'] === false,
        ).then(seconds),
        (async () => {
          while ((await seenAgent(silent.vmId)).online);
          return seconds();
        })(),
      ]);
      console.info(`dead after ${agentSaw.toFixed(1)} s here and ${orchestratorSaw.toFixed(1)} s there`);
      expect(Math.max(agentSaw, orchestratorSaw)).toBeLessThan(31);
      silent.box.dead = false;
      silent.box.cutAll();
      expect((await ended(job.id)).state).toBe('succeeded');
      expect(linesOf(file)).toEqual(['ran']);
    },
  );
});

describe('an agent that polls and is revoked', () => {
  it('[poll-5] is told within a second, and may not ask again', async () => {
    const before = performance.now();
    const sinceAsked = () => Math.round(performance.now() - before);
    const told = machine.box.next(/^GET 200/).then(sinceAsked);
    await orchestrator.call({ method: 'DELETE', path: `${ORG}/agents/${machine.vmId}` });
    const answered = sinceAsked();
    const over = await told;
    console.info(`revocation answered after ${answered} ms, the waiting poll ended after ${over} ms`);
    expect(over - answered).toBeLessThan(1000);
    await machine.agent().logged((line) => line['close_code'] === 4006);
    machine.box.webSockets = 'refuse';
    expect(await machine.box.next(/^POST/)).toBe('POST 403');
  });
});
