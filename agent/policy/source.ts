import { createHash } from 'node:crypto';
import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { ConfigError, loadConfig } from '../../base/config-file.ts';
import type { ApprovalPolicy } from '../../protocol/approval.ts';
import {
  CLIENT_GRANT_PREFIX,
  DEFAULT_POLICY,
  ORCHESTRATOR_GRANT,
  type Policy,
  type PolicyDecision,
  policySchema,
} from '../../protocol/policy.ts';
import { evaluate } from './evaluate.ts';

/** @throws ConfigError with every problem at once. */
export const parsePolicy = (text: string, source: string): Policy =>
  loadConfig({ schema: policySchema, source, file: text });

/** What is in force. */
export type PolicyState =
  | { kind: 'default'; policy: Policy }
  | { kind: 'file'; policy: Policy; sha256: string }
  /** The file is there but cannot be used: nothing is allowed. */
  | { kind: 'invalid'; message: string };

export interface PolicySourceOptions {
  path: string;
  /** Users who may own the file. Another owner, or others who may write it, make it invalid. */
  owners: readonly number[];
  /** Told of each change, and of the first state. */
  onState?: (state: PolicyState) => void;
}

/**
 * The policy of the VM's owner, read again whenever its file changes, so that a tightened policy holds from the next
 * call on. Without the file the documented default holds; an invalid file refuses every call.
 */
export class PolicySource {
  readonly #options: PolicySourceOptions;
  #mark: string | undefined;
  #state: PolicyState = { kind: 'invalid', message: 'not read yet' };

  constructor(options: PolicySourceOptions) {
    this.#options = options;
  }

  /** What holds now. */
  current(): PolicyState {
    const { path, onState } = this.#options;
    let stats: BigIntStats | undefined;
    let failure = '';
    try {
      stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    } catch (cause) {
      failure = (cause as Error).message;
    }
    const mark = stats
      ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
      : failure;
    if (mark === this.#mark) return this.#state;
    this.#mark = mark;
    this.#state =
      failure === '' ? this.#read(stats) : { kind: 'invalid', message: `${path} cannot be read: ${failure}` };
    onState?.(this.#state);
    return this.#state;
  }

  /** The grant of a client certificate; undefined when the policy has none for it. */
  grantOf(clientId: string): string | undefined {
    const state = this.current();
    const name = `${CLIENT_GRANT_PREFIX}${clientId}`;
    return state.kind !== 'invalid' && Object.hasOwn(state.policy.grants, name) ? name : undefined;
  }

  /** SHA-256 of the file; null without a valid one. */
  get sha256(): string | null {
    const state = this.current();
    return state.kind === 'file' ? state.sha256 : null;
  }

  /** What the orchestrator is told about approvers, so that it can ask them before it sends anything. */
  get approval(): ApprovalPolicy | undefined {
    const state = this.current();
    return state.kind === 'invalid' ? undefined : state.policy.grants[ORCHESTRATOR_GRANT]?.approval;
  }

  decide(grant: string, tool: string): PolicyDecision {
    const state = this.current();
    if (state.kind === 'invalid') return { allowed: false, why: `Every call is refused: ${state.message}` };
    return evaluate(state.policy, grant, tool);
  }

  #read(stats: BigIntStats | undefined): PolicyState {
    const { path, owners } = this.#options;
    if (stats === undefined) return { kind: 'default', policy: DEFAULT_POLICY };
    if (!owners.includes(Number(stats.uid)) || (stats.mode & 0o022n) !== 0n)
      return {
        kind: 'invalid',
        message: `${path} could be changed by others: it must belong to ${owners.includes(0) ? 'root' : 'its user'} and be writable by its owner alone (chmod 644).`,
      };
    try {
      const text = readFileSync(path, 'utf8');
      const sha256 = createHash('sha256').update(text).digest('hex');
      return { kind: 'file', policy: parsePolicy(text, path), sha256 };
    } catch (cause) {
      const message = cause instanceof ConfigError ? cause.message : `${path}: ${(cause as Error).message}`;
      return { kind: 'invalid', message };
    }
  }
}
