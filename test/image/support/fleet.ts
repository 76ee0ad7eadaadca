// The orchestrator in its own image, and an agent's containers beside it.

import { mkdtempSync, rmSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, Bootstrap, CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import { ROOT } from '../../../scripts/lib/root.ts';
import { freePort } from '../../fakes/free-port.ts';
import { type Outcome, runProgram } from '../../host/harness/command.ts';
import type { Bundle, Container } from './bundle.ts';

export const IMAGE_USER = 10_001;
const DATA = '/var/lib/vm-orchestrator';

/** An empty folder that belongs to this user, as a volume. */
export async function makeVolume(owner: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-volume-'));
  await chown(folder, owner, owner);
  return folder;
}

/** Asks again until the answer is neither false nor undefined. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  about: () => string,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}:\n${about()}`);
    await sleep(100);
  }
}

/** `vm-orchestrator serve` in a container of its image. */
export class ContainedOrchestrator {
  readonly url: string;
  readonly container: Container;
  readonly #volume: string;
  #env: Record<string, string> = {};

  private constructor(url: string, container: Container, volume: string) {
    this.url = url;
    this.container = container;
    this.#volume = volume;
  }

  static async start(bundle: Bundle): Promise<ContainedOrchestrator> {
    const volume = await makeVolume(IMAGE_USER);
    const listen = `127.0.0.1:${await freePort()}`;
    const url = `https://${listen}`;
    const container = bundle.start({
      hostname: 'orchestrator',
      args: ['serve', '--data', DATA, '--listen', listen, '--public-url', url],
      volumes: { [DATA]: volume },
    });
    const started = new ContainedOrchestrator(url, container, volume);
    try {
      await eventually(
        'the orchestrator to listen',
        () => container.output.includes('"event":"listening"'),
        () => container.output,
      );
      await started.#bootstrap();
    } catch (error) {
      await started.dispose();
      throw error;
    }
    return started;
  }

  async #bootstrap(): Promise<void> {
    const { code, out, err } = await this.container.exec(['vm-orchestrator', 'bootstrap', '--data', DATA]);
    if (code !== 0) throw new Error(`bootstrap: ${out}${err}`);
    const { api_token } = JSON.parse(out) as Bootstrap;
    const ca = await this.container.exec(['cat', `${DATA}/ca.crt`]);
    const caFile = join(this.#volume, 'copied-ca.crt');
    await writeFile(caFile, ca.stdout);
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      VM_ORCHESTRATOR_URL: this.url,
      VM_ORCHESTRATOR_API_TOKEN: api_token,
      VM_ORCHESTRATOR_CA_FILE: caFile,
    };
  }

  /** A subcommand that speaks REST, from outside of the container. Any exit status is an answer. */
  cli(words: readonly string[]): Promise<Outcome> {
    return runProgram([join(ROOT, 'bin/vm-orchestrator'), ...words], { env: this.#env });
  }

  async createToken(...words: string[]): Promise<CreateTokenResponse> {
    const { code, out, err } = await this.cli(['token', 'create', '--json', ...words]);
    if (code !== 0) throw new Error(`token create: ${err}`);
    return JSON.parse(out);
  }

  async agents(): Promise<Agent[]> {
    const { code, out, err } = await this.cli(['agents', '--json']);
    if (code !== 0) throw new Error(`agents: ${err}`);
    const parsed = JSON.parse(out);
    return Array.isArray(parsed) ? parsed : parsed.items;
  }

  async online(hostname: string, about: () => string): Promise<Agent> {
    return eventually(
      `${hostname} online`,
      async () => (await this.agents()).find((agent) => agent.hostname === hostname && agent.online),
      about,
    );
  }

  async dispose(): Promise<void> {
    await this.container.kill();
    rmSync(this.#volume, { recursive: true, force: true });
  }
}
