import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import type { Socket } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { readCredentials } from '../../../agent/identity/credentials.ts';
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

/** Asks the agent over one connection that stays; resolves with that connection. */
function localClient(port: number, ca: string, agentId: string) {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca,
    servername: `${agentId}.agent.internal`,
    maxCachedSessions: 0,
  });
  return {
    ask: () =>
      new Promise<Socket>((resolve, reject) => {
        const sent = request({ agent, host: '127.0.0.1', port, path: '/health' }, (response) => {
          const { socket } = response;
          text(response).then(() => resolve(socket), reject);
        });
        sent.on('error', reject);
        sent.end();
      }),
    close: () => agent.destroy(),
  };
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
    const local = localClient(await agent.port(), first.roots.join(''), first.agentId);
    const renewals = () => certificatesOf(orchestrator, machine.vmId) - 1;
    const enough = () => renewals() >= RENEWALS;

    const before = await local.ask();
    const each = async () => {
      // The very connection of the beginning: a switch of certificates cuts no local client off.
      expect(await local.ask()).toBe(before);
      const { key, certificate } = await readCredentials(machine.layout);
      expect(belong(certificate, key)).toBe(true);
    };
    const lanes = Array.from({ length: AT_ONCE }, (_, lane) => steadyStream(machine, lane, { enough, each }));
    const marks = (await Promise.all(lanes)).flat();

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
    local.close();
    const fresh = localClient(await agent.port(), first.roots.join(''), first.agentId);
    const shown = ((await fresh.ask()) as TLSSocket).getPeerX509Certificate()?.fingerprint256;
    fresh.close();
    const now = await readCredentials(machine.layout);
    expect(shown).toBe(new X509Certificate(now.certificate).fingerprint256);
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
