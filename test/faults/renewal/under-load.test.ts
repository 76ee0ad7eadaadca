import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { connect } from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { ask } from '../../../agent/client/mcp-call.ts';
import { type Credentials, readCredentials } from '../../../agent/identity/credentials.ts';
import { belong } from '../../../agent/identity/pair.ts';
import { writeFileAtomic } from '../../../base/atomic-file.ts';
import { securityEntry } from '../../../protocol/disk-layout.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG, outputPath, readJob, submitJob } from '../../integration/support/fleet.ts';
import { followStream } from '../../integration/support/follow.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';
import { connectionsOf, switchesOf } from './connections.ts';
import { type EnrolledHome, enrolledHome, isConnected } from './machine.ts';
import { watchModes } from './watch-modes.ts';

const LIFE_S = size({ short: 5, full: 60 });
const RENEWALS = size({ short: 5, full: 20 });
/** Commands that run at any time. */
const AT_ONCE = 3;
const LINES = 20;
const KEYS = /^vm_agent\.key/;

const orchestrator = await startOrchestrator({ args: ['--agent-certificate-ttl', `${LIFE_S}s`] });
afterAll(() => orchestrator.stop());

function certificatesOf(at: OrchestratorProcess, vmId: string): number {
  const database = new DatabaseSync(`${at.dataDir}/orchestrator.db`, { readOnly: true });
  try {
    const row = database
      .prepare(
        'SELECT count(*) AS n FROM certificates c JOIN agents a ON a.id = c.agent_id WHERE a.vm_id = ?',
      )
      .get(vmId);
    return Number(row?.['n']);
  } finally {
    database.close();
  }
}

const addressOf = (port: number, own: Credentials) => ({
  url: `https://127.0.0.1:${port}`,
  apiKey: own.apiKey,
  tls: { ca: own.roots, servername: `${own.agentId}.agent.internal` },
});

/** Calls by MCP, each so long that two renewals fall into it: what a switch cuts off gets no answer. */
async function longCalls(port: number, own: Credentials, enough: () => boolean): Promise<number> {
  let calls = 0;
  for (; !enough(); calls++) {
    const answer = await ask(addressOf(port, own), 'tools/call', {
      name: 'execute_shell_command',
      arguments: { command: `sleep ${1.3 * LIFE_S}; echo to the end` },
    });
    expect(JSON.stringify(answer)).toContain('to the end');
  }
  return calls;
}

/** Fingerprint of what a new local client meets. */
function shownAt(port: number, own: Credentials): Promise<string> {
  const { ca, servername } = addressOf(port, own).tls;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: [...ca], servername }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none');
      socket.end();
    });
    socket.on('error', reject);
  });
}

/** One command after the other, each with output on its way, until `enough`. Resolves with their ids. */
async function steadyStream(
  machine: EnrolledHome,
  lane: number,
  until: { enough(): boolean; each(): Promise<void> },
): Promise<string[]> {
  const marks: string[] = [];
  while (!until.enough()) {
    const mark = `${lane}-${marks.length}`;
    const command = `echo ${mark} >> ${machine.join('ran')}; for i in $(seq ${LINES}); do echo "${mark} $i"; sleep 0.02; done`;
    const { id } = await submitJob(orchestrator, { arguments: { command } });
    await using events = await followStream(orchestrator, {
      path: `${ORG}/jobs/${id}/events`,
      token: orchestrator.credentials.api_token,
    });
    await events.ended;
    const [done] = (await readJob(orchestrator, id)).commands;
    expect([mark, done?.state]).toEqual([mark, 'succeeded']);
    if (done !== undefined) {
      const output = await orchestrator.call({ path: outputPath(done.id) });
      expect(output.text.trimEnd().split('\n')).toEqual(
        Array.from({ length: LINES }, (_, line) => `${mark} ${line + 1}`),
      );
    }
    marks.push(mark);
    await until.each();
  }
  return marks;
}

describe('renewals in a row under load', () => {
  it(`${RENEWALS} of certificates of ${LIFE_S} s: no command is dropped or run twice, no session begins anew [cert-2]`, async () => {
    await using machine = await enrolledHome(orchestrator);
    const first = await readCredentials(machine.layout);
    const modes = watchModes(machine.layout.security, KEYS);
    await using agent = machine.start();
    await agent.logged(isConnected);
    const port = await agent.port();
    const renewals = () => certificatesOf(orchestrator, machine.vmId) - 1;
    const enough = () => renewals() >= RENEWALS;

    const calls = longCalls(port, first, enough);
    const each = async () => {
      const { key, certificate } = await readCredentials(machine.layout);
      expect(belong(certificate, key)).toBe(true);
    };
    const lanes = Array.from({ length: AT_ONCE }, (_, lane) => steadyStream(machine, lane, { enough, each }));
    const marks = (await Promise.all(lanes)).flat();
    expect(await calls).toBeGreaterThan(0);

    const ran = (await readFile(machine.join('ran'), 'utf8')).trimEnd().split('\n');
    expect(ran.toSorted()).toEqual(marks.toSorted());
    const switches = switchesOf(connectionsOf(orchestrator.log(), machine.vmId));
    const seen = await modes.looks();
    process.stderr.write(
      `${renewals()} renewals, ${marks.length} commands, ${seen} looks at modes, ${JSON.stringify(switches)}\n`,
    );
    expect(switches).toMatchObject({ begun: 1, lost: 0, beside: 0 });
    expect(switches.moved).toBeGreaterThanOrEqual(RENEWALS - 1);

    // New local clients meet the newest certificate, without a restart.
    const now = await readCredentials(machine.layout);
    expect(await shownAt(port, first)).toBe(new X509Certificate(now.certificate).fingerprint256);
    expect(now.key).not.toBe(first.key);
    expect((await stat(securityEntry(machine.layout, 'key').path)).mode & 0o777).toBe(0o600);
    expect(await modes.stop()).toEqual([]);
  });

  it('sees a key that others could read for an instant', async () => {
    await using home = await createTempHome();
    const modes = watchModes(home.path, KEYS);
    for (let round = 0; round < 200; round++)
      await writeFileAtomic(home.join(`vm_agent.key.${round}`), 'x', { mode: 0o644 });
    expect((await modes.stop()).length).toBeGreaterThan(0);
  });
});
