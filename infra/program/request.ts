/** What the components ask the shipped program to do; it travels as JSON in `VM_AGENT_REQUEST`. */

/** Instead of doing anything the program fails with this text: what it needs could not be found out. */
interface MayFail {
  fail?: string;
}

/** `mint` makes a token, `keep` says again what was made, `revoke` ends it. */
export interface TokenRequest extends MayFail {
  /** Body of `POST provisioning-tokens`. */
  limits: {
    uses: number;
    ttl_s: number;
    labels: Readonly<Record<string, string>>;
    vm_id_pattern?: string;
    cidr?: string;
    rate?: { uses: number; window_s: number };
    description: string;
  };
}

/** What `mint` prints. */
export interface MintedToken {
  token: string;
  id: string;
  expires_at: string;
  /** SHA-256 of the bootstrap script that the orchestrator serves, hex. */
  setup_sha256: string;
}

export interface WantedAgent {
  /** Value of the label {@link HOST_LABEL}. */
  host: string;
  version: string;
  deployment: string;
}

/** `await` waits for one agent, `end` revokes it. */
export interface AgentRequest extends MayFail, WantedAgent {
  timeout_s: number;
}

/** What `await` prints. */
export interface AwaitedAgent {
  agent_id: string;
  vm_id: string;
  hostname: string;
  version: string;
}

/** `gate` lets the next wave begin, or fails and names the hosts that are not well. */
export interface GateRequest extends MayFail {
  wave: number;
  hosts: readonly (WantedAgent & { name: string })[];
  /** Names of the hosts whose installation failed. */
  failed: readonly string[];
  max_failures: number;
  timeout_s: number;
}

export type Action = 'mint' | 'keep' | 'revoke' | 'await' | 'end' | 'gate' | 'freeze';

/** Granted by the token and reported by the agent: which host of which program an agent is. */
export const HOST_LABEL = 'vm-agent.host';
/** Reported by the agent: the installation that it comes from. */
export const DEPLOYMENT_LABEL = 'vm-agent.deployment';
