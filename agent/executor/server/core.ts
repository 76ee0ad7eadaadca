import { type FSWatcher, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import type { SigningKey } from '../../../base/dsse.ts';
import { signEnvelope } from '../../../base/dsse.ts';
import { type CommandPayload, DEFAULT_OUTPUT_CAP_BYTES } from '../../../protocol/command.ts';
import type { DiskLayout } from '../../../protocol/disk-layout.ts';
import { PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import { AppError } from '../../../protocol/errors.ts';
import type {
  Attestation,
  FromExecutor,
  SignedCommand,
  StartMessage,
  ToExecutor,
} from '../../../protocol/executor.ts';
import type { PolicyDecision } from '../../../protocol/policy.ts';
import {
  TERMINAL_TOOL,
  type TerminalArguments,
  type TerminalSize,
  terminalArgumentsSchema,
} from '../../../protocol/terminal.ts';
import { SHELL_TOOL, type ShellArguments, shellArgumentsSchema } from '../../../protocol/tool-manifest.ts';
import type { CommandKeysFile } from '../../../protocol/trust-files.ts';
import type { Verified, VerifiedInput } from '../../policy/verify-envelope.ts';
import { outputRoom } from '../output-room.ts';
import { terminalScript } from '../terminal-script.ts';
import { answerAudit } from './audit.ts';
import { type Authorized, auditDetail } from './authorize.ts';
import type { Claim, Ledger, TakenMeta } from './ledger.ts';
import type { ExecutorPlaces } from './places.ts';
import type { ToolWorkers } from './tool-workers.ts';
import { answerTrust } from './trust.ts';
import type { RunProgram, UnitPlan } from './unit.ts';

export interface CoreOptions {
  places: ExecutorPlaces;
  ledger: Ledger;
  clock: Clock;
  run: RunProgram;
  workers: ToolWorkers;
  /** The unit of this executor. */
  owner: string;
  bootId: string;
  /** Root itself is at the other end, not the daemon. */
  peerIsRoot: boolean;
  verify(message: SignedCommand): Verified;
  verifyInput(message: SignedCommand, commandId: string): VerifiedInput;
  decide(grant: string, tool: string): PolicyDecision;
  shell: { runAs: string | undefined; enabled: boolean; defaultTimeoutS: number; lang: string | undefined };
  attest: { agentId: string; key: SigningKey } | undefined;
  trust: CommandKeysFile | undefined;
  layout: DiskLayout;
  /** Shell text of a tool that is a program with fixed arguments; undefined for one that is not. */
  programOf(tool: string, args: Record<string, unknown>): string | undefined;
}

/** A unit that is to be started, with what its script needs. */
export interface PlannedUnit {
  unit: UnitPlan;
  command: string;
  cwd: string | undefined;
  env: Record<string, string>;
  stdin: string | 'live' | undefined;
  /** It has a terminal of this size. */
  terminal?: TerminalSize;
  meta: TakenMeta;
}

export type Plan = { kind: 'unit'; unit: PlannedUnit; meta: TakenMeta } | { kind: 'tool'; meta: TakenMeta };

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the sessions of one executor share: the ledger, the policy, and the eye on the folders. */
export class ExecutorCore {
  readonly #options: CoreOptions;
  readonly #watchers: FSWatcher[];
  readonly #users = new Map<string, Promise<boolean>>();
  /** A file of this command has changed. */
  onOutput: (id: string) => void = () => undefined;

  constructor(options: CoreOptions) {
    this.#options = options;
    const { places } = options;
    const changed = (_event: string, name: string | null) => {
      if (name !== null) this.onOutput(name.replace(/\.std(out|err)$/, ''));
    };
    this.#watchers = [places.output, places.ended].map((folder) => watch(folder, changed));
  }

  get places(): ExecutorPlaces {
    return this.#options.places;
  }
  get clock(): Clock {
    return this.#options.clock;
  }
  get run(): RunProgram {
    return this.#options.run;
  }
  get workers(): ToolWorkers {
    return this.#options.workers;
  }
  get owner(): string {
    return this.#options.owner;
  }
  get bootId(): string {
    return this.#options.bootId;
  }
  get nowMs(): number {
    return this.#options.clock.now();
  }
  get peerIsRoot(): boolean {
    return this.#options.peerIsRoot;
  }
  get runAs(): string | undefined {
    return this.#options.shell.runAs;
  }

  verifyInput = (message: SignedCommand, commandId: string): VerifiedInput =>
    this.#options.verifyInput(message, commandId);
  verify = (message: SignedCommand): Verified => this.#options.verify(message);
  decide = (grant: string, tool: string): PolicyDecision => this.#options.decide(grant, tool);
  meta = (id: string): TakenMeta | undefined => this.#options.ledger.meta(id);
  record = (action: string, detail: Record<string, unknown>) => this.#options.ledger.record(action, detail);

  claim(payload: CommandPayload, meta: TakenMeta, runAs: string): Claim {
    return this.#options.ledger.claim(payload, meta, { ...auditDetail(payload), run_as: runAs });
  }

  /** @throws AppError `bad_request` or `tool_disabled`. */
  plan(message: StartMessage, call: Authorized, bound: boolean): Plan {
    const { shell, programOf, places, owner } = this.#options;
    const program = call.signed === undefined ? undefined : programOf(call.tool, call.args);
    const isShell = call.tool === SHELL_TOOL;
    const terminal = call.tool === TERMINAL_TOOL ? terminalOf(call) : undefined;
    const asked = (call.args as { timeout?: unknown }).timeout;
    // What goes on in the background has a time of its own, not that of the call that started it.
    const whole = (call.args as { background?: unknown }).background === true;
    const timeoutS = Math.min(
      ...[
        whole ? undefined : call.timeoutS,
        typeof asked === 'number'
          ? asked
          : isShell && call.timeoutS === undefined
            ? shell.defaultTimeoutS
            : undefined,
        call.limits.timeout,
      ].filter((seconds) => seconds !== undefined),
      7 * 24 * 3600,
    );
    const outputLimit = Math.min(
      call.outputBytes ?? DEFAULT_OUTPUT_CAP_BYTES,
      call.limits.output ?? DEFAULT_OUTPUT_CAP_BYTES,
      outputRoom(places.output),
    );
    const meta: TakenMeta = {
      kind: isShell || program !== undefined || terminal !== undefined ? 'unit' : 'tool',
      output_limit: outputLimit,
      timeout_s: timeoutS,
      merged: message.merged === true,
      bound,
      handle: message.handle,
      owner,
    };
    if (meta.kind === 'tool') return { kind: 'tool', meta };
    if ((isShell || terminal !== undefined) && !shell.enabled)
      throw new AppError('tool_disabled', {
        detail: `The tool "${call.tool}" is switched off in this VM's agent_config.yaml.`,
      });
    const args: ShellArguments =
      terminal !== undefined
        ? { command: terminalScript(terminal) }
        : program === undefined
          ? parseShell(call.args)
          : { command: program };
    const { command, cwd, env, stdin } = args;
    if (cwd !== undefined) meta.cwd = true;
    return {
      kind: 'unit',
      meta,
      unit: {
        unit: {
          id: message.id,
          // A program of ours has a policy of its own and needs root, whatever commands have.
          runAs: program === undefined ? call.runAs : 'root',
          places,
          limits: program === undefined ? call.limits : {},
          timeoutS,
          merged: meta.merged,
          stdin: terminal === undefined && (stdin !== undefined || message.live_input === true),
          waitForStart: message.live_input === true || terminal !== undefined,
          boundTo: bound ? owner : undefined,
        },
        command,
        cwd,
        env: { PATH, LANG: shell.lang ?? 'C.UTF-8', ...env },
        stdin: stdin ?? (message.live_input === true ? 'live' : undefined),
        ...(terminal === undefined ? {} : { terminal }),
        meta,
      },
    };
  }

  /** Whether there is such a user, by whatever the machine's name service knows. */
  userExists(name: string): Promise<boolean> {
    const known =
      this.#users.get(name) ?? this.run('getent', ['passwd', name]).then(({ code }) => code === 0);
    this.#users.set(name, known);
    return known.then((exists) => {
      if (!exists) this.#users.delete(name);
      return exists;
    });
  }

  attest(facts: Omit<Attestation, 'agent_id' | 'audit_head'>) {
    const { attest, ledger } = this.#options;
    if (attest === undefined) return undefined;
    const payload: Attestation = { agent_id: attest.agentId, ...facts, audit_head: ledger.head };
    return signEnvelope(PAYLOAD_TYPE.attestation, payload, attest.key);
  }

  audit = (ask: Extract<ToExecutor, { type: 'audit' }>): FromExecutor => answerAudit(this.#options, ask);

  trust = (ask: Extract<ToExecutor, { type: 'trust' }>): Promise<FromExecutor> => {
    const { layout, trust: keys, ledger } = this.#options;
    return answerTrust({ layout, keys, record: (action, detail) => void ledger.record(action, detail) }, ask);
  };

  /** The daemon has result and output on its disk. */
  forget(id: string): void {
    const { places } = this.#options;
    for (const path of [
      join(places.output, `${id}.stdout`),
      join(places.output, `${id}.stderr`),
      join(places.ended, id),
      join(places.started, id),
      join(places.run, `${id}.stop`),
    ])
      rmSync(path, { force: true });
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#options.workers.close();
    this.#options.ledger.close();
  }
}

/** Nobody opens a terminal whose input nobody signs. @throws AppError `forbidden`, `bad_request`. */
function terminalOf(call: Authorized): TerminalArguments {
  if (call.signed === undefined)
    throw new AppError('forbidden', { detail: 'Only the orchestrator may open a terminal.' });
  const parsed = terminalArgumentsSchema.safeParse(call.args);
  if (parsed.success) return parsed.data;
  throw new AppError('bad_request', { detail: 'The arguments of the terminal are not valid.' });
}

function parseShell(args: Record<string, unknown>): ShellArguments {
  const parsed = shellArgumentsSchema.safeParse(args);
  if (parsed.success) return parsed.data;
  throw new AppError('bad_request', { detail: 'The arguments of the command are not valid.' });
}
