// A stack with a state file of its own, run by the real engine from an inline program.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import {
  type EngineEvent,
  LocalWorkspace,
  type OpMap,
  type ProjectSettings,
  type PulumiFn,
  type Stack,
  type StepEventMetadata,
} from '@pulumi/pulumi/automation/index.js';
import { providePulumi } from '../engine/engine.ts';

const COMMAND_VERSION = '1.2.1';
const DOUBLE = join(import.meta.dirname, '../provider/main.ts');

/** What one run of the engine did. */
export interface Run {
  /** How many resources each kind of step touched; the stack itself counts as well. */
  readonly changes: OpMap;
  /** Those that were not left as they were, by operation: `update fleet-web-1-install`. Sorted. */
  readonly touched: readonly string[];
  /** The same in the order in which each began and ended: `begin update …`, `end update …`. */
  readonly order: readonly string[];
  /** What the run ended with, where it failed. */
  readonly error: string | undefined;
  /** The program's outputs; empty after a failure. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Open from `openStack` to `dispose`. `program` may be changed between runs. */
export class TestStack {
  program: PulumiFn;
  readonly folder: string;
  readonly #stack: Stack;
  readonly #said: string[] = [];

  constructor(stack: Stack, folder: string, program: PulumiFn) {
    this.#stack = stack;
    this.folder = folder;
    this.program = program;
  }

  /**
   * `continueOnError`: what does not depend on a failure goes on, as with `--continue-on-error`. `replace`: patterns of
   * URNs, as with `--replace`.
   */
  up = (options: { continueOnError?: boolean; replace?: string[] } = {}): Promise<Run> =>
    this.#run((callbacks) => this.#stack.up({ ...callbacks, ...options, program: this.program }));
  preview = (): Promise<Run> =>
    this.#run((callbacks) => this.#stack.preview({ ...callbacks, program: this.program }));
  destroy = (): Promise<Run> => this.#run((callbacks) => this.#stack.destroy(callbacks));

  /** All that the engine has said in all runs: output, errors and events, with everything in them. */
  get said(): string {
    return this.#said.join('\n');
  }

  /** Files that hold this, among the state, its history and backups, and the engine's logs. */
  filesWith(text: string | RegExp): string[] {
    const files = readdirSync(this.folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      join(this.folder, name),
    );
    const holds = (content: string) =>
      typeof text === 'string' ? content.includes(text) : text.test(content);
    return files.filter((file) => statSync(file).isFile() && holds(readFileSync(file, 'latin1')));
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #run(
    operation: (callbacks: {
      onOutput: (text: string) => void;
      onError: (text: string) => void;
      onEvent: (event: EngineEvent) => void;
    }) => Promise<{ outputs?: Record<string, { value: unknown }> } | object>,
  ): Promise<Run> {
    let changes: OpMap = {};
    const order: string[] = [];
    const note = (when: string, step: StepEventMetadata | undefined) => {
      if (
        step === undefined ||
        step.op === 'same' ||
        /::pulumi:(pulumi:Stack|providers:\w+)::/.test(step.urn)
      )
        return;
      order.push(`${when} ${step.op} ${step.urn.split('::').slice(3).join('::')}`);
    };
    const result = await operation({
      onOutput: (text) => this.#said.push(text),
      onError: (text) => this.#said.push(text),
      onEvent: (event) => {
        // The SDK tells the engine all it has got, secrets in clear, at a level that nothing shows without `--debug`.
        const severity: string | undefined = event.diagnosticEvent?.severity;
        if (severity !== 'debug') this.#said.push(JSON.stringify(event));
        if (event.summaryEvent) changes = event.summaryEvent.resourceChanges;
        note('begin', event.resourcePreEvent?.metadata);
        note('end', event.resOutputsEvent?.metadata);
        note('failed', event.resOpFailedEvent?.metadata);
      },
    }).catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }));
    const outputs = 'outputs' in result ? (result.outputs as Record<string, { value: unknown }>) : {};
    const error = 'error' in result ? String(result.error) : undefined;
    if (error !== undefined) this.#said.push(error);
    return {
      changes,
      touched: order.flatMap((step) => (step.startsWith('begin ') ? [step.slice(6)] : [])).sort(),
      order,
      error,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])),
    };
  }
}

export interface StackOptions {
  readonly program: PulumiFn;
  /** Folders of further providers, by package name. */
  readonly providers?: Readonly<Record<string, string>>;
}

/** A new, empty stack. */
export async function openStack(options: StackOptions): Promise<TestStack> {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-pulumi-'));
  const [home, state, work] = ['home', 'state', 'work'].map((name) => join(folder, name));
  for (const path of [home, state, work]) mkdirSync(path ?? '');
  const command = officialCommandProvider() ?? doubleOfCommandProvider(folder);
  const providers = Object.entries({ command, ...options.providers }).map(([name, path]) => ({ name, path }));
  // `plugins` is missing from the type of the SDK, and the engine reads it all the same.
  const projectSettings = {
    name: 'fleet-test',
    runtime: 'nodejs',
    plugins: { providers },
  } as ProjectSettings;
  try {
    const stack = await LocalWorkspace.createStack(
      { stackName: 'test', projectName: 'fleet-test', program: options.program },
      {
        pulumiCommand: await providePulumi(),
        workDir: work ?? '',
        pulumiHome: home ?? '',
        projectSettings,
        envVars: {
          // Components may start `node`: that of the test, whatever the machine has.
          PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
          PULUMI_BACKEND_URL: `file://${state}`,
          PULUMI_CONFIG_PASSPHRASE: 'of a test',
          PULUMI_SKIP_UPDATE_CHECK: 'true',
          PULUMI_IGNORE_AMBIENT_PLUGINS: 'true',
          PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
        },
      },
    );
    return new TestStack(stack, folder, options.program);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The folder of the official plugin, where the machine has it: the same tests then run with that. */
export function officialCommandProvider(): string | undefined {
  const home = process.env['PULUMI_HOME'] ?? join(homedir(), '.pulumi');
  const folder = join(home, 'plugins', `resource-command-v${COMMAND_VERSION}`);
  return existsSync(join(folder, 'pulumi-resource-command')) ? folder : undefined;
}

function doubleOfCommandProvider(folder: string): string {
  const path = join(folder, 'provider');
  mkdirSync(path);
  writeFileSync(
    join(path, 'pulumi-resource-command'),
    `#!/bin/sh\nexec '${process.execPath}' '${DOUBLE}' "$@"\n`,
    {
      mode: 0o755,
    },
  );
  return path;
}
