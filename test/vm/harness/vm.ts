// A virtual machine with a kernel of its own, emulated in software: limits bite, power can be cut, disks keep what was
// flushed. It has what test/host's containers have, some ten times slower; see QEMU's user network for how it reaches
// the host: a server on 127.0.0.1 is 10.0.2.2 for it.
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupsOf } from '../../host/harness/cgroups.ts';
import { describeFailure, type Outcome, runProgramOk } from '../../host/harness/command.ts';
import { consoleText } from '../../host/harness/container.ts';
import { type Command, type RunOptions, shellWords } from '../../host/harness/inside.ts';
import { startReaper } from '../../host/harness/reaper.ts';
import { claimMachine, folderOf, removeMachine, removeStaleMachines } from '../../host/harness/remains.ts';
import { type Image, provideImage } from './image.ts';
import type { ImageKind } from './image-recipe.ts';
import { vmSuiteObstacles } from './preflight.ts';
import { overlayIn, type PowerOn, seedIn, startQemu } from './qemu.ts';

/** What the platform tells a machine with cloud-init; another instance id makes it another machine. */
export interface Instance {
  readonly id: string;
  readonly userData: string;
}

export interface VmOptions {
  readonly hostname: string;
  /** Default: `plain`. */
  readonly image?: ImageKind;
  readonly instance?: Instance;
  /** A machine that is off, and whose disk this one begins with; its image is that one's. */
  readonly cloneOf?: Vm;
  /** What its systemd says when all is started: `degraded` for one on which a unit fails as it should. */
  readonly state?: 'running' | 'degraded';
}

const bootTimeoutMs = 240_000;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

let staleRemoved: Promise<void> | undefined;

/** Boots a virtual machine and waits until its systemd says `running`. About 20 s with a warm cache. */
export async function bootVm(options: VmOptions): Promise<Vm> {
  const { hostname, cloneOf } = options;
  const obstacles = await vmSuiteObstacles();
  if (obstacles.length > 0) throw new Error(`the vm suite cannot run here: ${obstacles.join('; ')}`);
  staleRemoved ??= removeStaleMachines();
  await staleRemoved;
  const image = cloneOf?.image ?? (await provideImage(options.image ?? 'plain'));
  startReaper();
  const id = claimMachine();
  try {
    const overlay = overlayIn(folderOf(id));
    if (cloneOf === undefined)
      await runProgramOk(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', image.disk, '-F', 'raw', overlay]);
    else await copyFile(overlayIn(folderOf(cloneOf.id)), overlay);
    if (options.instance !== undefined) await makeSeed(folderOf(id), options.instance);
    const vm = new Vm(id, hostname, image);
    await vm.boot(options.state);
    return vm;
  } catch (error) {
    await removeMachine(id);
    throw error;
  }
}

async function makeSeed(folder: string, { id, userData }: Instance): Promise<void> {
  const [meta, data] = [join(folder, 'meta-data'), join(folder, 'user-data')];
  await writeFile(meta, `instance-id: ${id}\n`);
  await writeFile(data, userData);
  await runProgramOk(['cloud-localds', seedIn(folder), data, meta]);
  for (const file of [meta, data]) await rm(file);
}

/** Open from `bootVm` to `dispose`. */
export class Vm {
  readonly id: string;
  readonly hostname: string;
  readonly image: Image;
  #power: PowerOn | undefined;

  constructor(id: string, hostname: string, image: Image) {
    this.id = id;
    this.hostname = hostname;
    this.image = image;
  }

  /** Switches it on and waits until all its units have started. */
  async boot(state: 'running' | 'degraded' = 'running'): Promise<void> {
    if (this.#power !== undefined) throw new Error(`${this.hostname} is on already`);
    const { id, hostname } = this;
    const folder = folderOf(id);
    this.#power = await startQemu({ folder, hostname, image: this.image, cgroups: cgroupsOf(id) });
    await this.#until(state);
  }

  /** Cuts the power: nothing is shut down, nothing is flushed by the machine. `boot` switches on again. */
  async cutPower(): Promise<void> {
    const power = this.#require();
    this.#power = undefined;
    await power.cut();
  }

  /** Runs a command as root with a login's environment. Any exit status is an answer. */
  async run(command: Command, options: RunOptions = {}): Promise<Outcome> {
    const { input, timeoutMs = 120_000, user = 'root' } = options;
    const words = shellWords(command);
    const argv = user === 'root' ? words : ['runuser', '-u', user, '--', ...words];
    const env = { PATH: path, LANG: 'C.UTF-8', USER: user, LOGNAME: user, HOME: '/root', ...options.env };
    return this.#require().guest.run({ argv, env, input, timeoutMs });
  }

  /** As `run`, but another exit status than 0 rejects with what was printed. */
  async runOk(command: Command, options: RunOptions = {}): Promise<Outcome> {
    const outcome = await this.run(command, options);
    if (outcome.code === 0) return outcome;
    throw new Error(
      describeFailure([`${this.hostname}:`, ...shellWords(command)], `ended with ${outcome.code}`, outcome),
    );
  }

  /** Asks again until the answer is neither false nor undefined, and gives it back. */
  async waitFor<T>(
    what: string,
    condition: () => T | Promise<T>,
    timeoutMs = 120_000,
  ): Promise<Exclude<T, false | undefined>> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const answer = await condition();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      if (performance.now() > deadline)
        throw new Error(
          `${this.hostname}: waited ${timeoutMs} ms in vain for ${what}\n--- console\n${this.console()}`,
        );
      await sleep(200);
    }
  }

  /** Text of all boots' consoles. */
  console(): string {
    return consoleText(this.id);
  }

  /** Removes the machine and all that belongs to it. Safe to call twice. */
  async dispose(): Promise<void> {
    await this.#power?.cut();
    this.#power = undefined;
    await removeMachine(this.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #require(): PowerOn {
    if (this.#power !== undefined) return this.#power;
    throw new Error(`${this.hostname} is off: boot it first`);
  }

  #answers = (): Promise<boolean> => this.#require().guest.answers();

  async #until(state: string): Promise<void> {
    await this.waitFor('an answer of its guest agent', this.#answers, bootTimeoutMs);
    const { out } = await this.run(['systemctl', 'is-system-running', '--wait'], {
      timeoutMs: bootTimeoutMs,
    });
    if (out.trim() === state) return;
    const failed = await this.run(['systemctl', '--failed', '--no-legend', '--plain']);
    throw new Error(`${this.hostname} is ${out.trim()}: ${failed.out}\n--- console\n${this.console()}`);
  }
}
