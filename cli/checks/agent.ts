import { readReleaseKeys, readSecurityFile } from '../../agent/identity/credentials.ts';
import { withoutUserinfo } from '../../agent/identity/proxy.ts';
import { agentInfoSchema } from '../../protocol/agent-http.ts';
import { SERVICE_UNIT } from '../../protocol/disk-layout.ts';
import { askAgent } from '../../provision/ask-agent.ts';
import { linkTarget } from '../../provision/files.ts';
import { lastWords } from '../../provision/last-words.ts';
import { askHealth } from '../../provision/probe.ts';
import { openManifest } from '../../provision/release.ts';
import type { Bench } from './bench.ts';
import { type Check, type Found, fail, info, ok, skipped, warn } from './check.ts';
import { listenerOn } from './listener.ts';
import { compareVersions } from './versions.ts';
import { proxyOf } from './way-checks.ts';

async function port(bench: Bench): Promise<Found> {
  const { clock, layout, host, proc } = bench;
  const number = await bench.port();
  if (number === 0) return info('any free one');
  const health = await askHealth(number, clock);
  const own = await readSecurityFile(layout, 'vmId').catch(() => undefined);
  if (health !== undefined && (own === undefined || health.vm_id === own || health.vm_id === null))
    return ok(`${number}, the agent answers on it`);
  const listener = await listenerOn(proc, number);
  const isOwn = bench.system
    ? listener?.unit === SERVICE_UNIT
    : listener?.program.startsWith(`${layout.root}/`);
  if (isOwn) return ok(`${number}, the agent listens on it`);
  const free = listener === undefined && (await host.isPortFree(number));
  if (health === undefined && free) return ok(`${number} is free`);
  const who = listener === undefined ? 'another program' : `${listener.program} (pid ${listener.pid})`;
  return fail(
    `port ${number} is taken by ${health === undefined ? who : `another agent, ${health.vm_id}`}`,
    `End it, or give the agent another port: server.port in ${layout.config}/agent_config.yaml; then systemctl restart vm-agent`,
  );
}

async function agent(bench: Bench): Promise<Found> {
  const { clock, layout, system } = bench;
  const number = await bench.port();
  const health = await askHealth(number, clock);
  if (health === undefined)
    return fail(
      `it does not answer on 127.0.0.1:${number}`,
      system
        ? `journalctl -u ${SERVICE_UNIT}`
        : `Start it: ${layout.current}/bin/vm-agent server --home ${layout.root}`,
    );
  const about = agentInfoSchema.safeParse(await askAgent(number, '/info', clock)).data;
  const failing = (about?.conditions ?? []).filter(({ ok: holds }) => !holds);
  const detail = `${health.status}, version ${health.version}${failing.map((c) => `; ${c.name}: ${c.detail}`).join('')}`;
  if (health.status === 'healthy') {
    const installed = (await linkTarget(layout.current))?.replace('versions/', '');
    return installed === undefined || installed === health.version
      ? ok(detail)
      : warn(`${detail}, while ${installed} is installed`, 'systemctl restart vm-agent');
  }
  const away = failing.every(({ name }) => name === 'websocket') && failing.length > 0;
  return away
    ? warn(
        `${detail}. The way is free: it tries again within 30 s`,
        'Look again in half a minute; then systemctl restart vm-agent.',
      )
    : fail(detail, `journalctl -u ${SERVICE_UNIT}`);
}

async function journal({ host }: Bench): Promise<Found> {
  const words = ['-u', SERVICE_UNIT, '-p', 'err', '--since', '-1h', '-o', 'cat', '--no-pager', '-q'];
  const { code, stdout } = await host.run('journalctl', words);
  if (code !== 0) return skipped('the journal cannot be read', 'Run this with sudo.');
  const lines = stdout.trim() === '' ? [] : stdout.trim().split('\n');
  if (lines.length === 0) return ok('no errors in the last hour');
  return warn(
    `${lines.length} errors in the last hour.${lastWords(stdout)}`,
    `journalctl -u ${SERVICE_UNIT} -p err --since -1h`,
  );
}

async function version({ layout, way }: Bench): Promise<Found> {
  const present = (await linkTarget(layout.current))?.replace('versions/', '');
  const [server, trusted, keys] = [await way.server(), await way.trusted(), await readReleaseKeys(layout)];
  if (present === undefined || server === undefined || trusted === undefined || keys === undefined)
    return skipped('nothing to compare it with');
  const answer = await way.ask(new URL('/artifacts/manifest.json', server), { ca: trusted.roots });
  if (answer.status !== 200) return info(`${present}; the orchestrator serves no release`);
  const release = openManifest(answer.body, keys, way.clock.now());
  const order = compareVersions(present, release.version);
  if (order === 0) return ok(`${present}, as the orchestrator’s release`);
  return order > 0
    ? info(`${present}, newer than the orchestrator’s release ${release.version}`)
    : warn(
        `version ${present} is installed, the orchestrator’s release is ${release.version}`,
        'vm-agent upgrade',
      );
}

export const PROXY_CHECK: Check<Bench> = {
  id: 'proxy',
  title: 'proxy',
  async run({ env, way }) {
    const used = await way.proxy();
    if (used?.url !== undefined) return ok(`the agent connects through ${withoutUserinfo(used.url)}`);
    const proxy = proxyOf(env);
    return proxy === undefined
      ? ok('none is set')
      : info(`${proxy} is set here; the agent connects directly (orchestrator.proxy sets one)`);
  },
};

export const PORT_CHECK: Check<Bench> = {
  id: 'port',
  title: 'port',
  needs: ['installed'],
  after: ['config'],
  run: port,
};
export const VERSION_CHECK: Check<Bench> = {
  id: 'version',
  title: 'version',
  needs: ['link.current', 'tls'],
  run: version,
};

/** The daemon itself, whose state follows from nearly everything else. */
export const agentChecks = (causes: readonly string[]): Check<Bench>[] => [
  { id: 'agent', title: 'agent', after: causes, run: agent },
];
export const JOURNAL_CHECK: Check<Bench> = {
  id: 'journal',
  title: 'journal',
  needs: ['dependencies'],
  run: journal,
};
