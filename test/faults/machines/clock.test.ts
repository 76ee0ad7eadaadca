// A machine's clock is wrong when the agent starts, or is set while it runs. Needs libfaketime.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AgentHome, createAgentHome } from '../../fakes/agent-home.ts';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { serveHome } from '../../fakes/agent-rig.ts';
import { fakeTime, hasFaketime } from '../support/fake-time.ts';
import { isFull } from '../support/size.ts';

/** Its identity: names and contents of the security folder. */
function identityOf(home: AgentHome): string {
  const folder = `${home.path}/security`;
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(`${folder}/${name}`));
  return hash.digest('hex');
}

const cannotConnect = (agent: AgentProcess, from = 0) =>
  agent.logged(
    (line) =>
      agent.log.indexOf(line) >= from && String(line['msg']).startsWith('cannot connect to the orchestrator'),
  );

// Of the certificates here the authorities' live longer than a day, and none lives for years.
const LEAPS = [
  { leap: '+5m', connects: true, skew: '300 s ahead' },
  { leap: '+1d', connects: true, skew: '86400 s ahead' },
  { leap: '-1d', connects: false, skew: '86400 s behind' },
  { leap: '+10y', connects: false, skew: 'ahead' },
  { leap: '-10y', connects: false, skew: 'behind' },
  { leap: '@1970-01-01 00:00:10', connects: false, skew: 'behind' },
] as const;

const SHORT: readonly string[] = ['+1d', '-10y'];
const tried = LEAPS.filter(({ leap }) => isFull || SHORT.includes(leap));

describe.skipIf(!hasFaketime)('a clock that is wrong (needs libfaketime)', { concurrent: true }, () => {
  it.each(tried)(
    '[fault-15] set to $leap while a command runs: its time limit holds, new ones say why, all is well after',
    async ({ leap, skew }) => {
      await using home = await createAgentHome();
      const time = fakeTime(home.path);
      await using server = await serveHome(home);
      await using _agent = startAgent({ home: home.path, env: time.env });
      await server.connected();
      const before = identityOf(home);
      const limited = home.signer.shell('sleep 60', { limits: { timeout_s: 3, output_bytes: 1024 } });
      server.sendCommand(limited);
      await server.until(() => server.messages.some((m) => m.type === 'state' && m.state === 'running'));
      time.set(leap);
      const result = await server.resultOf(limited.payload.command_id);
      expect(result.state).toBe('timed_out');
      expect(result.duration_ms).toBeGreaterThanOrEqual(3000);
      expect(result.duration_ms).toBeLessThan(30_000);
      const life = { expires_at: new Date(Date.now() + 60_000).toISOString() };
      const refused = await server.run(home.signer.shell('true', life));
      expect(refused).toMatchObject({
        state: 'refused',
        reason: 'clock_skew',
        error: { code: 'clock_skew', message: expect.stringContaining(skew) },
      });
      time.set('+0');
      expect((await server.run(home.signer.shell('echo right', life))).state).toBe('succeeded');
      expect(server.connections).toBe(1);
      expect(identityOf(home)).toBe(before);
    },
  );

  it.each(tried.filter(({ connects }) => !connects))(
    '[fault-15] wrong by $leap at the start: it says so, keeps its identity, and connects once it is right',
    async ({ leap }) => {
      await using home = await createAgentHome();
      const time = fakeTime(home.path, leap);
      await using server = await serveHome(home);
      const before = identityOf(home);
      await using agent = startAgent({ home: home.path, env: time.env });
      expect((await cannotConnect(agent))['msg']).toMatch(/clock/);
      expect(identityOf(home)).toBe(before);
      time.set('+0');
      await server.connected();
      expect((await server.run(home.signer.shell('echo right'))).state).toBe('succeeded');
      expect(identityOf(home)).toBe(before);
    },
  );
});
