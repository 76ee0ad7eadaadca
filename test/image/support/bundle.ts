// A container as a runtime starts it: runc on the unpacked image, with what the image's own configuration says.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  killGroup,
  type Outcome,
  runProgram,
  runProgramOk,
  startProgram,
} from '../../host/harness/command.ts';
import { type ImageConfig, readImageConfig } from './images.ts';

/** Part of an OCI runtime configuration, https://github.com/opencontainers/runtime-spec */
interface RuntimeConfig {
  process: {
    terminal: boolean;
    args: string[];
    env: string[];
    user: { uid: number; gid: number };
    capabilities: Record<string, string[]>;
    noNewPrivileges: boolean;
  };
  root: { path: string; readonly: boolean };
  hostname: string;
  mounts: { destination: string; type: string; source: string; options?: string[] }[];
  linux: { namespaces: { type: string }[] };
}

export interface ContainerOptions {
  readonly hostname: string;
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the image's own CMD. */
  readonly args?: readonly string[];
  /** Folders of this machine, by where they are in the container; all else but /tmp is read-only. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** In place of the image's own user; root with these capabilities and no more. */
  readonly root?: { readonly capabilities: readonly string[] };
}

/** An unpacked image. Its containers share the root file system, which they cannot change. */
export interface Bundle {
  readonly folder: string;
  readonly rootfs: string;
  start(options: ContainerOptions): Container;
  dispose(): void;
}

export async function unpackImage(layout: string): Promise<Bundle> {
  const image = readImageConfig(layout, 'latest').config;
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-bundle-'));
  const bundle = join(folder, 'bundle');
  await runProgramOk(['umoci', 'unpack', '--image', `${layout}:latest`, bundle], { timeoutMs: 120_000 });
  const text = readFileSync(join(bundle, 'config.json'), 'utf8');
  let started = 0;
  return {
    folder,
    rootfs: join(bundle, 'rootfs'),
    start(options) {
      started += 1;
      const own = join(folder, `container-${started}`);
      mkdirSync(own);
      const config = configure(JSON.parse(text), image, join(bundle, 'rootfs'), options);
      writeFileSync(join(own, 'config.json'), JSON.stringify(config));
      return new Container(`vm-agent-test-${process.pid}-${started}-${options.hostname}`, own, folder);
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function configure(
  config: RuntimeConfig,
  image: ImageConfig,
  rootfs: string,
  options: ContainerOptions,
): RuntimeConfig {
  const { args, env = {}, volumes = {}, root } = options;
  const own = config.process;
  const none = Object.fromEntries(Object.keys(own.capabilities).map((set) => [set, [] as string[]]));
  const granted = (set: string) => (set === 'ambient' ? [] : [...(root?.capabilities ?? [])]);
  return {
    ...config,
    hostname: options.hostname,
    process: {
      ...own,
      terminal: false,
      noNewPrivileges: true,
      args: [...image.Entrypoint, ...(args ?? image.Cmd)],
      env: [...own.env, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)],
      user: root === undefined ? own.user : { uid: 0, gid: 0 },
      capabilities: Object.fromEntries(Object.keys(none).map((set) => [set, granted(set)])),
    },
    root: { path: rootfs, readonly: true },
    mounts: [
      ...config.mounts.filter(
        ({ destination }) => !(destination in volumes) && !destination.startsWith('/sys'),
      ),
      ...Object.entries(volumes).map(([destination, source]) => ({
        destination,
        type: 'bind',
        source,
        options: ['rbind', 'rw'],
      })),
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777'] },
    ],
    // The host's network, as the DaemonSet's pods have it.
    linux: { ...config.linux, namespaces: config.linux.namespaces.filter(({ type }) => type !== 'network') },
  };
}

/** Runs from the start to `stop`, `kill`, or its own end. */
export class Container {
  readonly name: string;
  readonly #state: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<number>;
  output = '';

  constructor(name: string, bundle: string, folder: string) {
    this.name = name;
    this.#state = join(folder, 'runc');
    this.#child = startProgram(['runc', '--root', this.#state, 'run', '--bundle', bundle, name]);
    this.#child.stdin?.end();
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += String(chunk);
      });
    this.#closed = once(this.#child, 'close').then(([code]) => Number(code ?? 137));
  }

  /** The exit code of its first process, when that has ended. */
  ended(): Promise<number> {
    return this.#closed;
  }

  /** Runs a program in it, as its user. Any exit status is an answer. */
  exec(argv: readonly string[]): Promise<Outcome> {
    return runProgram(['runc', '--root', this.#state, 'exec', this.name, ...argv]);
  }

  /** Asks as a container engine does, by SIGTERM to the first process; answers its exit code. */
  async stop(): Promise<number> {
    await runProgram(['runc', '--root', this.#state, 'kill', this.name, 'TERM']);
    return this.#closed;
  }

  /** Ends everything in it; what is gone already is no error. */
  async kill(): Promise<void> {
    await runProgram(['runc', '--root', this.#state, 'delete', '--force', this.name]);
    killGroup(this.#child);
    await this.#closed;
  }
}
