// The images as a container runtime runs them: read-only, without root, without a capability.
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../fakes/free-port.ts';
import { runProgram } from '../host/harness/command.ts';
import { type Bundle, type Container, unpackImage } from './support/bundle.ts';
import { ContainedOrchestrator, eventually, IMAGE_USER, makeVolume } from './support/fleet.ts';
import { makeImages } from './support/images.ts';

const HOME = '/opt/vm-agent';

let images: Awaited<ReturnType<typeof makeImages>>;
let agents: Bundle;
let orchestrators: Bundle;
let orchestrator: ContainedOrchestrator;

beforeAll(async () => {
  images = await makeImages();
  agents = await unpackImage(join(images.folder, 'agent'));
  orchestrators = await unpackImage(join(images.folder, 'orchestrator'));
  orchestrator = await ContainedOrchestrator.start(orchestrators);
});

afterAll(async () => {
  await orchestrator?.dispose();
  orchestrators?.dispose();
  agents?.dispose();
  images?.dispose();
});

let volume: string;
let port: number;
const running: Container[] = [];

beforeEach(async () => {
  volume = await makeVolume(IMAGE_USER);
  port = await freePort();
});

afterEach(async () => {
  for (const container of running.splice(0)) await container.kill();
  await rm(volume, { recursive: true, force: true });
});

/** A container of the agent's image, as the DaemonSet would have it on a node of this name. */
function start(hostname: string, env: Record<string, string>, args?: readonly string[]): Container {
  const container = agents.start({
    hostname,
    env: {
      ORCHESTRATOR_URL: orchestrator.url,
      VM_AGENT_SERVER__HOST: '127.0.0.1',
      VM_AGENT_SERVER__PORT: String(port),
      ...env,
    },
    volumes: { [HOME]: volume },
    ...(args === undefined ? {} : { args }),
  });
  running.push(container);
  return container;
}

const run = (hostname: string, command: string) =>
  orchestrator.cli(['run', '--selector', `agent.node=${hostname}`, '--timeout', '30', '--', command]);

async function probe(path: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).status;
}

describe('the agent’s container', () => {
  it('enrolls, is online, answers the probes, and runs commands as its own user', async () => {
    const { token } = await orchestrator.createToken();
    const container = start('node-1', { PROVISIONING_TOKEN: token }, ['run', '--label', 'node=node-1']);
    const { vm_id } = await orchestrator.online('node-1', () => container.output);
    expect(vm_id).toMatch(/^vm-node-1-[0-9a-f]{6}$/);
    expect(await probe('/livez')).toBe(200);
    await eventually(
      'health',
      async () => (await probe('/health')) === 200,
      () => container.output,
    );

    const { code, out } = await run('node-1', 'id -u; id -un; grep CapEff /proc/self/status; pwd');
    expect({ code, out: out.split('\n') }).toEqual({
      code: 0,
      out: ['10001', 'vm-agent', 'CapEff:\t0000000000000000', '/tmp', ''],
    });
    const status = await container.exec(['vm-agent', 'status']);
    expect({ code: status.code, out: status.out }).toEqual({ code: 0, out: expect.stringContaining(vm_id) });
    const written = await run('node-1', 'touch /usr/x; touch /tmp/x && echo tmp');
    expect(written.err).toContain('Read-only file system');
    expect(written.out).toBe('tmp\n');
  });

  it('[container-2] shows its token to no command, in no environment and no file of its volume', async () => {
    const { token } = await orchestrator.createToken();
    const container = start('node-2', { PROVISIONING_TOKEN: token }, ['run', '--label', 'node=node-2']);
    await orchestrator.online('node-2', () => container.output);
    const secret = token.split('_')[2] ?? '';
    expect(secret.length).toBeGreaterThan(20);
    const files = await runProgram(['grep', '-rlF', secret, volume]);
    expect(files).toMatchObject({ code: 1, out: '' });
    // Also of the first process and the daemon, which may be read by whoever has their uid, as commands have.
    const { out } = await run(
      'node-2',
      "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -E '^(VM_AGENT_HOME|PROVISIONING_TOKEN)=' | sort | uniq -c | tr -s ' '",
    );
    expect(out).toBe(' 2 VM_AGENT_HOME=/opt/vm-agent\n');
    expect(container.output).not.toContain(secret);
  });

  it('[container-1] ends in order on SIGTERM, and comes back as the same agent although its token is spent', async () => {
    const { token } = await orchestrator.createToken();
    const first = start('node-3', { PROVISIONING_TOKEN: token });
    const { vm_id, agent_id } = await orchestrator.online('node-3', () => first.output);
    expect({ code: await first.stop(), said: first.output }).toMatchObject({
      code: 0,
      said: expect.stringContaining('"stopped"'),
    });
    await eventually(
      'offline',
      async () => (await orchestrator.agents()).some((agent) => agent.agent_id === agent_id && !agent.online),
      () => first.output,
    );
    const second = start('node-3', { PROVISIONING_TOKEN: token });
    expect(await orchestrator.online('node-3', () => second.output)).toMatchObject({ vm_id, agent_id });
    expect(second.output).toContain(`${vm_id} is enrolled with ${orchestrator.url}.`);
    await second.kill();
    // The secret may go altogether.
    const third = start('node-3', { PROVISIONING_TOKEN_FILE: '/run/secrets/gone' });
    await orchestrator.online('node-3', () => third.output);
    expect((await orchestrator.agents()).filter(({ hostname }) => hostname === 'node-3')).toHaveLength(1);
  });

  it('leaves no zombie of what a command left behind', async () => {
    const { token } = await orchestrator.createToken();
    const container = start('node-4', { PROVISIONING_TOKEN: token }, ['run', '--label', 'node=node-4']);
    await orchestrator.online('node-4', () => container.output);
    await run('node-4', '(setsid sh -c "exit 0" &) ; (sh -c "exit 3" &); echo left');
    const { out } = await container.exec(['ps', '-e', '-o', 'stat=,comm=']);
    expect(out).toContain('tini');
    expect(out.split('\n').filter((line) => line.startsWith('Z'))).toEqual([]);
  });

  it('takes a file in place of the variable', async () => {
    const { token } = await orchestrator.createToken();
    await writeFile(join(volume, 'token'), `${token}\n`, { mode: 0o644 });
    const container = start('node-5', { PROVISIONING_TOKEN_FILE: `${HOME}/token` });
    await orchestrator.online('node-5', () => container.output);
  });
});

describe('a container that cannot enroll', () => {
  const ended = async (container: Container) => ({ code: await container.ended(), said: container.output });

  it('says that it has no token, and where it belongs', async () => {
    const { code, said } = await ended(start('node-6', {}));
    expect(code).toBe(14);
    expect(said).toContain('set PROVISIONING_TOKEN, or PROVISIONING_TOKEN_FILE');
  });

  it('says that its address is missing', async () => {
    const { code, said } = await ended(start('node-7', { ORCHESTRATOR_URL: '' }));
    expect(code).toBe(2);
    expect(said).toContain('Set ORCHESTRATOR_URL to https://HOST:PORT');
  });

  it('does not take a port that another program has, where the probes would look', async () => {
    const taken = createServer().listen(port, '0.0.0.0');
    await once(taken, 'listening');
    try {
      const { token } = await orchestrator.createToken();
      const { code, said } = await ended(start('node-8', { PROVISIONING_TOKEN: token }));
      expect(code).toBe(24);
      expect(said).toContain(`Port ${port} is taken by another program.`);
    } finally {
      taken.close();
    }
  });

  it('ends at once on SIGTERM while it waits for an orchestrator that does not answer', async () => {
    const { token } = await orchestrator.createToken();
    const asked: string[] = [];
    const silent = createServer(() => asked.push('connection')).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    try {
      const url = `https://127.0.0.1:${address.port}`;
      const container = start('node-11', { ORCHESTRATOR_URL: url, PROVISIONING_TOKEN: token });
      await eventually(
        'the agent to ask',
        () => asked.length > 0,
        () => container.output,
      );
      expect(await container.stop()).toBe(143);
    } finally {
      silent.close();
    }
  });

  it('refuses another orchestrator than the one that its volume belongs to', async () => {
    const { token } = await orchestrator.createToken();
    const container = start('node-9', { PROVISIONING_TOKEN: token });
    await orchestrator.online('node-9', () => container.output);
    await container.stop();
    const { code, said } = await ended(start('node-9', { ORCHESTRATOR_URL: 'https://127.0.0.1:1' }));
    expect(code).toBe(24);
    expect(said).toContain(`is enrolled with ${orchestrator.url}, not with https://127.0.0.1:1.`);
  });
});

describe('a volume that the node made for root', () => {
  const prepare = (capabilities = ['CAP_CHOWN'], env: Record<string, string> = {}) => {
    const container = agents.start({
      hostname: 'prepare',
      args: ['prepare'],
      env,
      root: { capabilities },
      volumes: { [HOME]: volume },
    });
    running.push(container);
    return container;
  };

  beforeEach(async () => {
    rmSync(volume, { recursive: true });
    volume = await makeVolume(0);
  });

  it('is refused by name, and used after `prepare` has handed it over', async () => {
    const { token } = await orchestrator.createToken();
    const early = start('node-10', { PROVISIONING_TOKEN: token });
    expect(await early.ended()).toBe(30);
    expect(early.output).toContain('it belongs to uid 0, and this runs as uid 10001');
    for (const time of ['first', 'second']) {
      const container = prepare();
      expect({ time, code: await container.ended(), said: container.output }).toEqual({
        time,
        code: 0,
        said: '',
      });
    }
    const agent = start('node-10', { PROVISIONING_TOKEN: token });
    await orchestrator.online('node-10', () => agent.output);
    expect(await prepare().ended()).toBe(0);
  });

  it('changes hands between the base and the overlay that runs as root, and stays the same agent', async () => {
    const ownersOf = async () =>
      (await runProgram(['find', volume, '-printf', '%U:%G\\n'])).out.trim().split('\n');
    const { token } = await orchestrator.createToken();
    await prepare().ended();
    const first = start('node-12', { PROVISIONING_TOKEN: token });
    const { agent_id } = await orchestrator.online('node-12', () => first.output);
    await first.stop();
    const toRoot = prepare(['CAP_CHOWN', 'CAP_DAC_READ_SEARCH'], { VM_AGENT_CONTAINER_USER: '0' });
    expect({ code: await toRoot.ended(), said: toRoot.output }).toEqual({ code: 0, said: '' });
    expect(new Set(await ownersOf())).toEqual(new Set(['0:0']));
    const back = prepare();
    expect({ code: await back.ended(), said: back.output }).toEqual({ code: 0, said: '' });
    expect(new Set(await ownersOf())).toEqual(new Set(['10001:10001']));
    const second = start('node-12', {});
    expect(await orchestrator.online('node-12', () => second.output)).toMatchObject({ agent_id });
  });

  it('stays as it is where an agent is installed without containers', async () => {
    mkdirSync(join(volume, 'versions'));
    symlinkSync('versions/0.1.0', join(volume, 'current'));
    const container = prepare();
    expect(await container.ended()).toBe(24);
    expect(container.output).toContain('holds an agent that was installed on this machine');
    expect(statSync(volume).uid).toBe(0);
  });
});
