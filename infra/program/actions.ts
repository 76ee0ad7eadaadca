import type {
  Action,
  AgentRequest,
  AwaitedAgent,
  GateRequest,
  MintedToken,
  TokenRequest,
  WantedAgent,
} from './request.ts';
import type { Rest, RestOptions, SeenAgent } from './rest.ts';

/**
 * Does one thing at the orchestrator and answers what goes to stdout. Like {@link restOf} it is run on its own, by
 * `node -`, so it names nothing outside itself. It reads:
 * - `VM_AGENT_REQUEST`, JSON of request.ts;
 * - `VM_ORCHESTRATOR_URL`, `VM_ORCHESTRATOR_API_TOKEN`, `VM_ORCHESTRATOR_CA` (PEM), `VM_ORCHESTRATOR_ORGANIZATION`;
 * - `PULUMI_COMMAND_STDOUT`, which the command provider sets to what the command before printed.
 * @throws Error with a text for people
 */
export async function runAction(
  action: Action,
  env: Readonly<Record<string, string | undefined>>,
  makeRest: (options: RestOptions) => Rest,
  sleep: (ms: number) => Promise<unknown> = (ms) => new Promise((done) => setTimeout(done, ms)),
): Promise<string> {
  const POLL_MS = 1000;
  const HOST = 'vm-agent.host';
  const DEPLOYMENT = 'vm-agent.deployment';
  const before = env['PULUMI_COMMAND_STDOUT'] ?? '';
  if (action === 'freeze') return before === '' ? (env['VM_AGENT_USER_DATA'] ?? '') : before;

  const request = JSON.parse(env['VM_AGENT_REQUEST'] ?? '{}') as { fail?: string };
  const ending = action === 'revoke' || action === 'end';
  if (request.fail !== undefined && !ending) throw new Error(request.fail);
  const rest = makeRest({
    url: env['VM_ORCHESTRATOR_URL'] ?? '',
    apiToken: env['VM_ORCHESTRATOR_API_TOKEN'] ?? '',
    ca: env['VM_ORCHESTRATOR_CA'] ?? '',
    organization: env['VM_ORCHESTRATOR_ORGANIZATION'] ?? 'default',
  });
  const minted = (): Partial<MintedToken> => {
    try {
      return JSON.parse(before) as Partial<MintedToken>;
    } catch {
      return {};
    }
  };

  async function mint(): Promise<string> {
    const { createHash } = process.getBuiltinModule('node:crypto');
    const setup = await rest.file('/setup.sh');
    const made = (await rest.call('POST', '/provisioning-tokens', (request as TokenRequest).limits)) as {
      id: string;
      token: string;
      expires_at: string;
    };
    const told: MintedToken = {
      token: made.token,
      id: made.id,
      expires_at: made.expires_at,
      setup_sha256: createHash('sha256').update(setup).digest('hex'),
    };
    return JSON.stringify(told);
  }

  /** A removal runs with the API token that was saved the last time, and that may count no more. */
  const isUnauthorized = (cause: Error): boolean => /\((401|403)\b/.test(cause.message);

  async function revoke(): Promise<string> {
    const { id } = minted();
    if (typeof id !== 'string') return '';
    await gone('/provisioning-tokens/', id).catch((cause: Error) => {
      if (!isUnauthorized(cause)) throw cause;
      process.stderr.write(
        `warning: the provisioning token ${id} was not revoked; it ends by itself when it expires. ${cause.message}\n`,
      );
    });
    return '';
  }

  /** What the orchestrator does not know any more has ended. */
  async function gone(path: string, id: string): Promise<void> {
    await rest.call('DELETE', path + encodeURIComponent(id)).catch((cause: Error) => {
      if (!/\(404\b/.test(cause.message)) throw cause;
    });
  }

  const isIt = (agent: SeenAgent, wanted: WantedAgent): boolean =>
    agent.reported_labels[HOST] === wanted.host && agent.reported_labels[DEPLOYMENT] === wanted.deployment;

  /** Undefined when the agent is as it should be. */
  function whatIsWrong(agent: SeenAgent | undefined, wanted: WantedAgent): string | undefined {
    if (agent === undefined) return 'its agent did not report';
    if (agent.state !== 'active') return `its agent ${agent.vm_id} is ${agent.state}`;
    if (!agent.online) return `its agent ${agent.vm_id} is offline`;
    if (agent.version !== wanted.version)
      return `its agent ${agent.vm_id} runs version ${agent.version ?? 'unknown'}, not ${wanted.version}`;
    return undefined;
  }

  /** Looks until all is well or the time is over; answers what is wrong by host. */
  async function watch(
    hosts: readonly WantedAgent[],
    seconds: number,
  ): Promise<{ wrong: Map<string, string>; found: Map<string, SeenAgent> }> {
    const [only] = hosts;
    const selector = hosts.length === 1 && only !== undefined ? `agent.${HOST}=${only.host}` : 'all';
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const agents = await rest.agents(selector);
      const wrong = new Map<string, string>();
      const found = new Map<string, SeenAgent>();
      for (const wanted of hosts) {
        const candidates = agents.filter((agent) => isIt(agent, wanted));
        const best = candidates.find((agent) => whatIsWrong(agent, wanted) === undefined) ?? candidates[0];
        const why = whatIsWrong(best, wanted);
        if (why !== undefined) wrong.set(wanted.host, why);
        else if (best !== undefined) found.set(wanted.host, best);
      }
      if (wrong.size === 0 || Date.now() >= end) return { wrong, found };
      await sleep(POLL_MS);
    }
  }

  async function awaitAgent(): Promise<string> {
    const wanted = request as AgentRequest;
    const { wrong, found } = await watch([wanted], wanted.timeout_s);
    const agent = found.get(wanted.host);
    if (agent === undefined) {
      throw new Error(
        `${wanted.host}: ${wrong.get(wanted.host)}, after ${wanted.timeout_s} s. On the machine, \`vm-agent status\` and \`journalctl -u vm-agent\` say why.`,
      );
    }
    const { agent_id, vm_id, hostname, labels } = agent;
    // Where a new identity was made, the one before is nobody's. Only what a token granted counts for this.
    if (labels[HOST] === wanted.host)
      for (const other of await rest.agents(`${HOST}=${wanted.host}`))
        if (other.agent_id !== agent_id) await gone('/agents/', other.agent_id);
    const told: AwaitedAgent = { agent_id, vm_id, hostname, version: wanted.version };
    return JSON.stringify(told);
  }

  /**
   * Revokes every agent that is this host, whatever became of the machine. What an agent says of itself counts only
   * where no token has made it another host.
   */
  async function endAgent(): Promise<string> {
    const { host } = request as AgentRequest;
    try {
      const granted = await rest.agents(`${HOST}=${host}`);
      const reported = await rest.agents(`agent.${HOST}=${host}`);
      const own = reported.filter(({ labels }) => labels[HOST] === undefined);
      for (const { agent_id } of [...granted, ...own]) await gone('/agents/', agent_id);
    } catch (cause) {
      if (!isUnauthorized(cause as Error)) throw cause;
      throw new Error(
        `${host}: its agent was not revoked. This was saved with an older API token: declare the host again, run pulumi up, then remove it. ${(cause as Error).message}`,
      );
    }
    return '';
  }

  async function gate(): Promise<string> {
    const { wave, hosts, failed, max_failures, timeout_s } = request as GateRequest;
    const tried = hosts.filter(({ name }) => !failed.includes(name));
    const { wrong } = await watch(tried, timeout_s);
    const bad = hosts.flatMap(({ name, host }) => {
      if (failed.includes(name)) return [`${name} (its installation failed)`];
      const why = wrong.get(host);
      return why === undefined ? [] : [`${name} (${why})`];
    });
    if (bad.length > max_failures) {
      throw new Error(
        `Wave ${wave} is not well: ${bad.join(', ')}. That is ${bad.length} of ${hosts.length}, and ${max_failures} may fail, so later waves are left as they are. Correct the hosts, or raise maxFailures, and run pulumi up again.`,
      );
    }
    return JSON.stringify({ well: hosts.length - bad.length, failed: bad });
  }

  switch (action) {
    case 'mint':
      return mint();
    case 'keep':
      return typeof minted().token === 'string' ? before : mint();
    case 'revoke':
      return revoke();
    case 'await':
      return awaitAgent();
    case 'end':
      return endAgent();
    case 'gate':
      return gate();
    default:
      throw new Error(`The program has no action ${action satisfies never}.`);
  }
}
