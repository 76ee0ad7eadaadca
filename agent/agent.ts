import { isDeepStrictEqual } from 'node:util';
import { isoTime } from '../base/clock.ts';
import { moduleLogger } from '../base/logger.ts';
import { closeAll } from '../base/shutdown.ts';
import { backgroundDir, journalFile, spoolDir, witnessFile } from '../protocol/disk-layout.ts';
import { startAdmission } from './admission.ts';
import type { AgentOptions } from './agent-options.ts';
import { agentFeatures, registryMaker } from './agent-tools.ts';
import { Channel } from './channel/channel.ts';
import { sampleLoad } from './channel/load-sample.ts';
import { Journal } from './commands/journal.ts';
import { CommandRunner } from './commands/runner.ts';
import type { FrozenConfig } from './config.ts';
import { watchDisks } from './disk-watch.ts';
import { ExecutorClient } from './executor/client.ts';
import { OutputSender } from './executor/output-sender.ts';
import { auditPart, callersOf, handlersOf, keeperOf, lastWords, shownBy, trustPart } from './handlers.ts';
import { Health } from './health.ts';
import { ownNamesOf } from './http/callers.ts';
import { type AgentFacts, CONDITION } from './http/health.ts';
import { McpDoor } from './http/mcp/door.ts';
import { McpGate } from './http/mcp/gate.ts';
import { type AgentMetricsOptions, metricsText } from './http/metrics.ts';
import { AgentHttpServer } from './http/server.ts';
import { bootId, liveIds } from './identity/boot-id.ts';
import type { Credentials } from './identity/credentials.ts';
import { hostFacts, machineHash } from './identity/host-facts.ts';
import { type OwnIdentity, openIdentity } from './identity/own-identity.ts';
import { validityOf } from './identity/renewal.ts';
import { approvalPolicyOf, missingApproval } from './policy/approvals.ts';
import { policyOf } from './policy/installed.ts';
import type { PolicySource } from './policy/source.ts';
import { EnvelopeVerifier } from './policy/verify-envelope.ts';
import { LoadRates } from './proc/load-rates.ts';
import { samplerOf } from './proc/sample.ts';
import { BackgroundCommands } from './tools/background.ts';
import { CallCounts } from './tools/call-counts.ts';
import { type LiveRegistry, liveRegistry } from './tools/live-registry.ts';
import { LocalCommands } from './tools/local-commands.ts';
import type { ToolRegistry } from './tools/registry.ts';
import { remoteShell } from './tools/remote.ts';
import type { ShellHost } from './tools/shell-host.ts';
import { TerminalInputs } from './tools/terminal-inputs.ts';

/** Joins the parts of the daemon; `start`, then `connect` once there are credentials, then `stop`. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #health: Health;
  readonly #registry: LiveRegistry;
  readonly #registryOf: (config: FrozenConfig) => ToolRegistry;
  readonly #policy: PolicySource;
  readonly #executor: ExecutorClient | undefined;
  readonly #local: LocalCommands | undefined;
  readonly #background: BackgroundCommands;
  readonly #features = agentFeatures();
  readonly #inputs = new TerminalInputs();
  readonly #counts = new CallCounts();
  readonly #journal: Journal;
  readonly #mcp: McpDoor;
  readonly #http: AgentHttpServer;
  readonly #facts: AgentFacts;
  readonly #stopping = new AbortController();
  readonly #onWebsocket: (ok: boolean, detail: string) => void;
  readonly #onCertificate: (ok: boolean, detail: string) => void;
  readonly #onJournal: (ok: boolean, detail: string) => void;
  readonly #onEnrolled: (ok: boolean, detail: string) => void;
  /** Told whether the configuration on disk is the one in force. */
  readonly onConfig: (ok: boolean, detail: string) => void;
  readonly #metrics: AgentMetricsOptions;
  #timing: FrozenConfig['orchestrator'];
  #credentials: Credentials | undefined;
  #connections = 0;
  #runner: CommandRunner | undefined;
  #channel: Channel | undefined;
  #toldApproval: PolicySource['approval'];
  #identity: OwnIdentity | undefined;
  #renewal: Promise<void> = Promise.resolve();

  /** @throws AppError `conflict` when another agent holds the same state. */
  constructor(options: AgentOptions) {
    const { layout, config, clock, log, user } = options;
    this.#options = options;
    this.#health = new Health((c) => {
      log[c.ok ? 'info' : 'warn']({ condition: c.name, ok: c.ok }, `${c.name}: ${c.detail}`);
      // The orchestrator hears of it now.
      if (c.name !== CONDITION.websocket) this.#channel?.adjustHeartbeat();
    });
    this.#onEnrolled = this.#health.define(CONDITION.enrolled, 'unhealthy', 'this machine is not enrolled');
    this.#onCertificate = this.#health.define(CONDITION.certificate, 'degraded', 'there is no certificate');
    this.#onWebsocket = this.#health.define(CONDITION.websocket, 'degraded', 'not connected yet');
    this.#onJournal = this.#health.define(CONDITION.journal, 'unhealthy', 'not open yet');
    this.onConfig = this.#health.define(CONDITION.config, 'degraded', 'not read yet');
    this.onConfig(true, 'in force');
    this.#timing = config.orchestrator;
    this.#journal = new Journal(journalFile(layout));
    if (this.#journal.isOpen) this.#onJournal(true, 'writable');
    const { executorSocket } = options;
    const executorLog = moduleLogger(log, 'executor');
    this.#executor =
      executorSocket === undefined
        ? undefined
        : new ExecutorClient({
            path: executorSocket,
            version: options.version,
            clock,
            log: executorLog,
            onCondition: this.#health.define(CONDITION.executor, 'degraded', 'not connected yet'),
          });
    const executor = this.#executor;
    let host: ShellHost;
    if (executor === undefined) {
      this.#local = new LocalCommands({ folder: `${layout.state}/pipes`, user, clock, log: executorLog });
      host = this.#local.host;
    } else host = remoteShell(executor);
    this.#background = new BackgroundCommands({
      host,
      clock,
      log: moduleLogger(log, 'commands'),
      folder: backgroundDir(layout),
    });
    const onPolicy = this.#health.define(CONDITION.policy, 'degraded', 'not read yet');
    this.#policy = policyOf({
      layout,
      log: moduleLogger(log, 'policy'),
      onCondition: (ok, detail) => {
        onPolicy(ok, detail);
        // Told as a connection begins, so that approvers are asked before anything is sent.
        if (this.#channel !== undefined && !isDeepStrictEqual(this.#policy.approval, this.#toldApproval))
          void this.#channel.reconnect();
      },
    });
    this.#registryOf = registryMaker(options, {
      clock,
      executor,
      host,
      inputs: this.#inputs,
      background: this.#background,
      counts: this.#counts,
      policy: this.#policy,
      tlsKey: config.server.ssl.key_file,
    });
    this.#registry = liveRegistry(this.#registryOf(config));
    this.#facts = {
      health: this.#health,
      registry: this.#registry,
      version: options.version,
      vmId: null,
      agentId: null,
      transport: null,
      orchestratorUrl: config.orchestrator.url ?? null,
      name: config.agent.name ?? null,
      labels: config.agent.labels,
      features: this.#features,
      hostname: options.hostname,
      renewal: () => this.#identity?.status,
      startedAt: isoTime(clock.now()),
      runtime: options.runtime,
    };
    const callers = callersOf(options, this.#policy, () => this.#credentials);
    const ownNames = () => ownNamesOf(options.hostname, this.#credentials?.agentId);
    this.#mcp = new McpDoor({
      registry: this.#registry,
      background: this.#background,
      clock,
      log: moduleLogger(log, 'mcp'),
      version: options.version,
      hostname: options.hostname,
    });
    this.#metrics = {
      clock,
      version: options.version,
      node: options.runtime.node,
      health: this.#health,
      counts: this.#counts,
      sampler: samplerOf(config.tools.system_monitor.enabled, clock),
      own: options.usage,
      connections: () => this.#connections,
      certificateEndMs: () => this.#credentials && validityOf(this.#credentials.certificate).notAfterMs,
      outbox: () => this.#journal.outboxSize(),
      background: () => this.#background.running,
    };
    this.#http = new AgentHttpServer({
      clock,
      log: moduleLogger(log, 'http'),
      host: config.server.host,
      port: config.server.port,
      tls: undefined,
      facts: this.#facts,
      ca: () => this.#credentials?.ca,
      callers,
      ownNames,
      plainLoopback: config.server.ssl.plain_loopback,
      metrics: () => metricsText(this.#metrics),
      mcp: new McpGate({
        callers,
        ownNames,
        plainLoopback: config.server.ssl.plain_loopback,
        door: this.#mcp,
      }),
    });
  }

  get port(): number {
    return this.#http.port;
  }

  /** Opens the local port. @throws AppError when it cannot be had. */
  async start(): Promise<void> {
    await this.#http.listen();
    // Made while nothing is asked for, so that the first command does not wait for them.
    this.#local?.warm();
    this.#executor?.warm();
    this.#background.recover().catch((cause: unknown) => {
      this.#options.log.error({ err: cause }, 'what background commands left behind cannot be cleared away');
    });
    watchDisks({
      ...this.#options,
      journal: this.#journal,
      health: this.#health,
      onJournal: this.#onJournal,
      signal: this.#stopping.signal,
    });
  }

  /** Ends what an earlier process left, then keeps the connection to the orchestrator. */
  async connect(credentials: Credentials): Promise<void> {
    const { clock, random, log, config, layout, user } = this.#options;
    this.#useCredentials(credentials);
    const identity = openIdentity({
      ...this.#options,
      disk: this.#options.pairDisk,
      log: moduleLogger(log, 'identity'),
      credentials,
      proxy: config.orchestrator.proxy,
      onSwitched: (renewed) => this.#useCredentials(renewed),
      onCondition: this.#onCertificate,
    });
    this.#identity = identity;
    const verifier = new EnvelopeVerifier(credentials.trust.commandKeys);
    this.#inputs.trust(verifier);
    const url = config.orchestrator.websocket_url ?? credentials.websocketUrl;
    const boot = bootId();
    const rates = new LoadRates(() => this.#metrics.sampler?.counters());
    const machine = machineHash(layout.root);
    const sender: OutputSender = new OutputSender({
      clock,
      onReadFailure: (id, delivered, cause) => runner.onOutputLost(id, delivered, cause),
    });
    const runner = new CommandRunner({
      clock,
      log: moduleLogger(log, 'commands'),
      journal: this.#journal,
      registry: this.#registry,
      verifier,
      sender,
      port: {
        state: (id, state, at) => channel.session.sendState(id, state, at),
        result: (id, result) => channel.session.sendResult(id, result),
        error: (code, message, ref) => channel.session.sendError(code, message, ref),
      },
      spoolFolder: spoolDir(layout),
      bootId: boot,
      user: this.#executor === undefined ? user.name : undefined,
      missingApproval: (payload) => missingApproval(payload, approvalPolicyOf(this.#policy, payload.tool)),
      executor: keeperOf(this.#executor),
      onJournal: this.#onJournal,
    });
    const audit = auditPart(this.#executor, {
      file: witnessFile(layout),
      trust: credentials.trust.commandKeys,
      clock,
      log: moduleLogger(log, 'audit'),
    });
    const reconnect = () => channel.reconnect();
    const admission = startAdmission(
      { ...this.#options, health: this.#health, url, pairs: identity.pairs, reconnect },
      this.#stopping.signal,
    );
    const trust = trustPart(this.#executor, {
      layout,
      log: moduleLogger(log, 'identity'),
      current: () => identity.pairs.current,
      onChanged: identity.pairs.retrust,
      onDue: identity.renewWithin,
      answer: (said) => channel.session.sendTrustAck(said),
    });
    const channel: Channel = new Channel({
      clock,
      random,
      log: moduleLogger(log, 'channel'),
      url,
      credentials: identity.pairs.toShow,
      onTaken: identity.pairs.taken,
      proxy: config.orchestrator.proxy,
      identity: {
        agentId: credentials.agentId,
        organizationId: credentials.trust.commandKeys.organization_id,
      },
      hello: () => {
        const { tools, sha256 } = this.#registry.manifest();
        this.#toldApproval = this.#policy.approval;
        return {
          agent_version: this.#options.version,
          features: [...this.#features],
          tools,
          tool_manifest_sha256: sha256,
          policy_sha256: this.#policy.sha256,
          approval_policy: this.#toldApproval ?? null,
          ...liveIds(),
          machine_hash: machine,
          in_flight: runner.inFlight(),
          command_seq: runner.commandSeq,
          facts: hostFacts(),
          bundle_version: identity.pairs.current.trust.caPins.bundle_version,
          labels: { ...this.#facts.labels },
          ...audit.hello(),
        };
      },
      handlers: handlersOf(
        runner,
        sender,
        this.#inputs,
        {
          auditor: audit.auditor,
          answer: (said) => channel.session.sendAuditCosign(said),
        },
        trust,
      ),
      auditHead: audit.auditHead,
      sampleLoad: audit.before(async () => ({
        ...(await sampleLoad(layout.state, this.#health)),
        ...rates.next(),
      })),
      timing: () => this.#timing,
      onEnd: (closed) => admission.ended(closed),
      onStatus: (connected, detail, transport) => {
        if (!connected) sender.setLink(undefined);
        this.#facts.transport = transport ?? null;
        this.#onWebsocket(connected, detail);
        if (connected) this.#connections++;
        admission.connection(connected);
      },
    });
    this.#runner = runner;
    this.#channel = channel;
    await Promise.all([runner.start(), audit.auditor.refresh()]);
    channel.start();
    this.#renewal = identity.renew(() => channel.reconnect(), this.#stopping.signal);
  }

  /** Prepares another configuration; what it gives back puts it in force. Labels are told by a new connection. */
  configure(config: FrozenConfig): () => void {
    const registry = this.#registryOf(config);
    return () => {
      this.#registry.replace(registry);
      this.#metrics.sampler = samplerOf(config.tools.system_monitor.enabled, this.#options.clock);
      const before = this.#facts.labels;
      Object.assign(this.#facts, { name: config.agent.name ?? null, labels: config.agent.labels });
      // Labels are told as a connection begins; the session and its commands move over to the new one.
      if (!isDeepStrictEqual(config.agent.labels, before)) void this.#channel?.reconnect();
      const { heartbeat_interval } = this.#timing;
      this.#timing = config.orchestrator;
      if (this.#timing.heartbeat_interval !== heartbeat_interval) this.#channel?.adjustHeartbeat();
    };
  }

  /** Reads the policy now, rather than at the next call. */
  rereadPolicy = () => this.#policy.current();

  /**
   * Ends running commands (they cannot outlive the daemon that watches them), gives their results a moment to reach
   * the orchestrator, and closes everything. What is not delivered is in the journal for the next start.
   */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#stopping.abort(new Error('the agent stops'));
    await closeAll([
      () => this.#journal.close(),
      () => this.#local?.close(),
      () => this.#http.close(),
      () => this.#renewal,
      () => this.#channel?.stop(),
      () => lastWords(this.#journal, clock, () => this.#health.isOk(CONDITION.websocket)),
      () => this.#executor?.close(),
      () => this.#local?.idle(),
      () => Promise.all([this.#mcp.close(), this.#runner?.stop()]),
    ]);
  }

  #useCredentials(credentials: Credentials): void {
    const { config, localTls } = this.#options;
    this.#credentials = credentials;
    this.#facts.vmId = credentials.vmId;
    this.#facts.agentId = credentials.agentId;
    this.#facts.orchestratorUrl ??= new URL(credentials.websocketUrl).origin.replace(/^wss/, 'https');
    this.#onEnrolled(true, `enrolled as ${credentials.agentId}`);
    if (config.server.ssl.enabled) this.#http.replaceCredentials(shownBy(credentials, localTls));
  }
}
