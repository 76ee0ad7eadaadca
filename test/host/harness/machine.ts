// A machine with a real systemd: a container with its own network, process and mount namespaces.
// What it cannot show: limits of cgroup version 1 hosts do not bite, and the clock is the host's.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupsOf, createCgroups } from './cgroups.ts';
import {
  type CommandOptions,
  describeFailure,
  killGroup,
  type Outcome,
  runProgram,
  runProgramOk,
  startProgram,
} from './command.ts';
import { type Boot, type BootEnd, consoleText, startContainer } from './container.ts';
import { type Command, insideArgv, type RunOptions, shellWords } from './inside.ts';
import { createNetwork, type Network } from './network.ts';
import { hostSuiteObstacles } from './preflight.ts';
import { startReaper } from './reaper.ts';
import { claimMachine, folderOf, removeMachine, removeStaleMachines } from './remains.ts';
import { provideRootfs } from './rootfs.ts';
import type { RootfsPurpose } from './rootfs-recipe.ts';

export interface MachineOptions {
  readonly hostname: string;
  /** Default: `standard`, with curl. */
  readonly rootfs?: RootfsPurpose;
}

/** As ls would show it. */
export interface FileStatus {
  /** Four octal digits, `0640`. */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  readonly size: number;
  /** `regular file`, `directory`, `symbolic link`, `socket`, … */
  readonly type: string;
}

let staleRemoved: Promise<void> | undefined;

/** Boots a machine and waits until its systemd says `running`. About 3 s with a warm cache. */
export async function bootMachine(options: MachineOptions): Promise<Machine> {
  const obstacles = await hostSuiteObstacles();
  if (obstacles.length > 0) throw new Error(`the host suite cannot run here: ${obstacles.join('; ')}`);
  staleRemoved ??= removeStaleMachines();
  await staleRemoved;
  const rootfs = await provideRootfs(options.rootfs);
  startReaper();
  const id = claimMachine();
  try {
    await runProgramOk(['cp', '-a', '--reflink=auto', rootfs, join(folderOf(id), 'root')]);
    nameMachine(join(folderOf(id), 'root/etc'), options.hostname);
    const machine = new Machine(id, options.hostname, await createNetwork(id));
    await machine.boot();
    return machine;
  } catch (error) {
    await removeMachine(id);
    throw error;
  }
}

/** Open from `bootMachine` to `dispose`. A reboot that the machine asks for itself is carried out as well. */
export class Machine {
  readonly id: string;
  readonly hostname: string;
  readonly address: string;
  /** The host's end of the cable: a server for the machine listens here. */
  readonly hostAddress: string;
  readonly #network: Network;
  readonly #cgroups: readonly string[];
  #boots = 0;
  #current: Boot | undefined;
  #lastEnd: BootEnd | undefined;
  #failure: Error | undefined;
  #disposed = false;

  constructor(id: string, hostname: string, network: Network) {
    this.id = id;
    this.hostname = hostname;
    this.address = network.address;
    this.hostAddress = network.hostAddress;
    this.#network = network;
    this.#cgroups = cgroupsOf(id);
  }

  /** Switches the machine on and waits until all its units have started. */
  async boot(): Promise<void> {
    if (this.#disposed) throw new Error(`machine ${this.hostname} is disposed of`);
    if (this.#current !== undefined) throw new Error(`machine ${this.hostname} is on already`);
    this.#failure = undefined;
    createCgroups(this.#cgroups);
    const { id, hostname } = this;
    const boot = await startContainer({
      id,
      hostname,
      namespace: this.#network.namespace,
      cgroups: this.#cgroups,
    });
    this.#current = boot;
    this.#boots += 1;
    this.#lastEnd = undefined;
    boot.ended.then((end) => this.#onEnd(end));
    await this.#untilRunning();
  }

  /** Reboots as an administrator would; files stay, processes and tmpfs do not. Waits until it runs again. */
  async reboot(): Promise<void> {
    const boots = this.#boots;
    await this.run(['systemctl', 'reboot']);
    await this.waitFor('the next boot', () => {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#boots > boots;
    });
    await this.#untilRunning();
  }

  /** Shuts down as an administrator would. `boot` switches on again. */
  async poweroff(): Promise<void> {
    const boot = this.#require();
    await this.run(['systemctl', 'poweroff']);
    await boot.ended;
  }

  /** Cuts the power: nothing is shut down, nothing is flushed by the machine. `boot` switches on again. */
  async cutPower(): Promise<void> {
    const boot = this.#require();
    process.kill(boot.leader, 'SIGKILL');
    await boot.ended;
  }

  /**
   * Runs a command in the machine, as root with a login's environment. Any exit status is an answer.
   * Its stdin, stdout and stderr are sockets, as Node makes them: opening `/dev/stderr` by name fails with ENXIO.
   */
  async run(command: Command, options: RunOptions = {}): Promise<Outcome> {
    return runProgram(this.#argv(command, options), programOptions(options));
  }

  /** As `run`, but another exit status than 0 rejects with what was printed. */
  async runOk(command: Command, options: RunOptions = {}): Promise<Outcome> {
    const outcome = await this.run(command, options);
    if (outcome.code === 0) return outcome;
    throw new Error(
      describeFailure([`${this.hostname}:`, ...shellWords(command)], `ended with ${outcome.code}`, outcome),
    );
  }

  /** Starts a command and leaves its pipes to the caller; `stop` of the answer ends it with all its children. */
  start(
    command: Command,
    options: RunOptions = {},
  ): { readonly child: ChildProcess; readonly stop: () => void } {
    const child = startProgram(this.#argv(command, options));
    return { child, stop: () => killGroup(child) };
  }

  /** Writes a file, with its folders. `mode` in octal, default 0644; `owner` as for chown. */
  async writeFile(
    path: string,
    content: string | Uint8Array,
    mode = '0644',
    owner = 'root:root',
  ): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1" && chown "$3" "$1"';
    await this.runOk(['sh', '-c', script, 'sh', path, mode, owner], { input: content });
  }

  async readFile(path: string): Promise<Buffer> {
    return (await this.runOk(['cat', '--', path])).stdout;
  }

  async exists(path: string): Promise<boolean> {
    return (await this.run(['sh', '-c', '[ -e "$1" ] || [ -L "$1" ]', 'sh', path])).code === 0;
  }

  async stat(path: string): Promise<FileStatus> {
    const { out } = await this.runOk(['stat', '--format=%a|%U|%G|%s|%F', '--', path]);
    const [mode = '', owner = '', group = '', size = '', type = ''] = out.trim().split('|');
    return {
      mode: mode.padStart(4, '0'),
      owner,
      group,
      size: Number(size),
      type: type.replace('regular empty', 'regular'),
    };
  }

  /** Mounts an empty file system of that size (`8m`) until the next reboot: for what happens when a disk is full. */
  async tmpfs(path: string, size: string): Promise<void> {
    await this.runOk(['mkdir', '-p', path]);
    await this.runOk(['mount', '-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'tmpfs', path]);
  }

  /** What a unit has written to the journal since the machine was made, oldest first. */
  async journal(unit: string): Promise<string> {
    return (await this.runOk(['journalctl', '--no-pager', '--output=short-precise', '--unit', unit])).out;
  }

  /** Text of all boots' consoles. */
  console(): string {
    return consoleText(this.id);
  }

  /** Asks again until the answer is neither false nor undefined, and gives it back. */
  async waitFor<T>(
    what: string,
    condition: () => T | Promise<T>,
    timeoutMs = 30_000,
  ): Promise<Exclude<T, false | undefined>> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const answer = await condition();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      if (performance.now() > deadline)
        throw new Error(`${this.hostname}: waited ${timeoutMs} ms in vain for ${what}`);
      await sleep(50);
    }
  }

  /** Removes the machine and all that belongs to it. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await removeMachine(this.id);
    await this.#current?.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #require(): Boot {
    if (this.#current !== undefined) return this.#current;
    throw new Error(`machine ${this.hostname} is off (${this.#lastEnd ?? 'never booted'}): boot it first`);
  }

  #argv(command: Command, options: RunOptions): readonly string[] {
    return insideArgv(this.#require().leader, this.#cgroups, command, options);
  }

  async #untilRunning(): Promise<void> {
    const state = await this.waitFor('the end of the boot', async () => {
      if (this.#current === undefined) throw new Error(`${this.hostname} did not boot:\n${this.console()}`);
      const { out } = await this.run(['systemctl', 'is-system-running', '--wait']);
      return ['running', 'degraded', 'maintenance'].find((known) => known === out.trim());
    });
    if (state === 'running') return;
    const failed = await this.run(['systemctl', '--failed', '--no-legend', '--plain']);
    throw new Error(`${this.hostname} is ${state}: ${failed.out}\n${this.console()}`);
  }

  #onEnd(end: BootEnd): void {
    this.#current = undefined;
    this.#lastEnd = end;
    if (end !== 'reboot' || this.#disposed) return;
    this.boot().catch((error: Error) => {
      this.#failure = error;
    });
  }
}

function programOptions({ input, timeoutMs }: RunOptions): CommandOptions {
  return { ...(input === undefined ? {} : { input }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

function nameMachine(etc: string, hostname: string): void {
  writeFileSync(join(etc, 'hostname'), `${hostname}\n`);
  writeFileSync(
    join(etc, 'hosts'),
    `127.0.0.1 localhost\n127.0.1.1 ${hostname}\n::1 localhost ip6-localhost\n`,
  );
}
