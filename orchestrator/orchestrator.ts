import { join } from 'node:path';
import { closeAll } from '../base/shutdown.ts';
import { DEFAULT_OUTPUT_CAP_BYTES } from '../protocol/command.ts';
import { sinksOf } from './audit/forward/sinks.ts';
import { startAudit } from './audit/start-audit.ts';
import { createCommandKeys } from './ca/command-keys.ts';
import { keepServerCertificate } from './ca/server-certificate.ts';
import { createCaControl } from './ca-control.ts';
import { reachableHost, type ServeConfig } from './config.ts';
import { createControls } from './controls.ts';
import { type Environment, openData } from './data.ts';
import { createFleetFeed } from './fleet/feed.ts';
import { createOverview } from './fleet/overview.ts';
import { createRestores } from './fleet/restores.ts';
import { artifactRoutes } from './http/artifacts.ts';
import { createAgentAuth } from './http/auth-agent.ts';
import { withLocks } from './http/live-access.ts';
import { openApiDocument } from './http/openapi.ts';
import { createPeople } from './http/people.ts';
import { createReplays } from './http/replay.ts';
import { defineRoute, type Route } from './http/route.ts';
import { createAgentPage } from './http/routes/agent-page.ts';
import { agentRoutes } from './http/routes/agents.ts';
import { auditRoutes } from './http/routes/audit.ts';
import { commandRoutes } from './http/routes/commands.ts';
import { eventRoutes } from './http/routes/events.ts';
import { fleetRoutes } from './http/routes/fleet.ts';
import { healthRoutes } from './http/routes/health.ts';
import { jobRoutes } from './http/routes/jobs.ts';
import { organizationRoutes } from './http/routes/organizations.ts';
import { pageRoutes } from './http/routes/page.ts';
import { pollRoutes } from './http/routes/poll.ts';
import { recoveryRoutes } from './http/routes/recovery.ts';
import { registrationRoutes } from './http/routes/registration.ts';
import { restoreRoutes } from './http/routes/restores.ts';
import { savedCommandRoutes, scheduleRoutes } from './http/routes/schedules.ts';
import { terminalRoutes } from './http/routes/terminals.ts';
import { tokenRoutes } from './http/routes/tokens.ts';
import { createHttpServer, type HttpServer } from './http/server.ts';
import { setupScriptRoutes, setupScriptSha256 } from './http/setup-script.ts';
import { terminalDoor } from './http/terminal-door.ts';
import { memoryBus } from './hub/bus-memory.ts';
import { createHub, type Hub } from './hub/hub.ts';
import { createPolls } from './hub/polls.ts';
import { createPresence } from './hub/presence.ts';
import { attachUpgrade } from './hub/upgrade.ts';
import { createEndCommands } from './jobs/end-agent.ts';
import { createJobs } from './jobs/jobs.ts';
import { createSuspect } from './jobs/suspect.ts';
import { createMetricsHistory } from './metrics/history.ts';
import { openRecovery } from './registration/recover.ts';
import { createRegistration } from './registration/register.ts';
import { createRenew } from './registration/renew.ts';
import { createFindLost } from './registration/unknown-to-backup.ts';
import { createScheduling } from './schedules/wire.ts';
import { listenFailure } from './start-failure.ts';
import { createGroupCommit } from './store/group-commit.ts';
import { createAgents, type RevocationHooks } from './tenancy/agents.ts';
import { applyGivenCredentials } from './tenancy/bootstrap.ts';
import { checkPublicUrl } from './tenancy/enrollment-lines.ts';
import { createProvisioningTokens } from './tenancy/provisioning-tokens.ts';
import { createRecoveryRules } from './tenancy/recovery-rule.ts';
import { createThrottle } from './tenancy/throttle.ts';
import { createTerminals } from './terminals/terminals.ts';

export interface Orchestrator {
  /** `https://host[:port]` */
  readonly url: string;
  /** What it serves, as data. */
  readonly routes: readonly Route[];
  /** `hard` ends what does not end by itself. */
  close(hard: AbortSignal): Promise<void>;
}

/** Failures of one account or token from one address, until they are slowed down. */
const THROTTLE = { limit: 10, windowMs: 5 * 60_000 };
/** Wrong provisioning tokens of any kind from one address. */
const ADDRESS_THROTTLE = { limit: 100, windowMs: 5 * 60_000 };

/** Seconds between an agent's heartbeats. */
const HEARTBEAT_INTERVAL_S = 30;

/** Joins the parts and starts to listen. */
export async function startOrchestrator(
  config: ServeConfig,
  environment: Environment,
): Promise<Orchestrator> {
  const { clock, random, log, version, dist } = environment;
  const closing: (() => void | Promise<void>)[] = [];
  const stopping = new AbortController();
  try {
    // With port 0 the public port is known when the server listens, before anybody can ask for it.
    const urlWith = (port: number) =>
      checkPublicUrl(config.publicUrl ?? `https://${reachableHost(config.listen.host)}:${port}`);
    let publicUrl = urlWith(config.listen.port);
    const publicOrigin = () => publicUrl.origin;

    const data = await openData({ ...config, clock, log });
    const { store, sealer, authority, organizations } = data;
    closing.push(() => store.close());
    await applyGivenCredentials({ store, clock, given: config.admin });

    const commandKeys = createCommandKeys({ store, sealer, clock });
    const ca = createCaControl({
      ...data,
      ...config,
      commandKeys,
      clock,
      log,
      issuingS: config.lifetimes.issuing,
    });
    closing.push(() => ca.close());
    const commits = createGroupCommit(store);
    closing.push(() => commits.idle());
    const audit = startAudit({
      ...data,
      commits,
      ...environment,
      trustDomain: authority.trustDomain,
      vouch: commandKeys.vouch,
      sinks: sinksOf(config.audit, clock),
      keepMs: config.audit.keepMs,
    });
    closing.push(() => audit.close());
    const bus = memoryBus();
    const people = createPeople({
      store,
      clock,
      bus,
      organizations,
      sessionLimits: config.sessions,
      failures: config.rates.failures,
      oidc: config.oidc,
      sealer,
      publicOrigin,
      apiTokenRefused: audit.apiTokenRefused,
    });
    closing.push(() => people.close());
    const shown = (agentId: string, organizationId: string) =>
      bus.publish({ topic: 'fleet', organization_id: organizationId, agent_ids: [agentId], what: 'agent' });
    const hooks: RevocationHooks = {
      endCommands: createEndCommands({ clock }),
      revoked(agentId, organizationId) {
        bus.publish({ topic: 'revoked', agent_id: agentId });
        shown(agentId, organizationId);
      },
      certificateRevoked: (agentId, certificate) =>
        bus.publish({ topic: 'revoked', agent_id: agentId, certificate }),
      changed(agentId, organizationId, quarantined) {
        if (quarantined) bus.publish({ topic: 'revoked', agent_id: agentId, state: 'quarantined' });
        shown(agentId, organizationId);
      },
    };
    const agents = createAgents({ store, clock, hooks });
    await agents.markAllOffline();

    const controls = createControls({ store, bus, clock, log, outputCap: DEFAULT_OUTPUT_CAP_BYTES });
    closing.push(() => controls.close());
    let hub: Hub | undefined;
    const jobs = createJobs({
      store,
      commits,
      keys: commandKeys,
      bus,
      clock,
      log,
      outputDirectory: join(config.dataDir, 'output'),
      outputCap: DEFAULT_OUTPUT_CAP_BYTES,
      sessionOf: (agentId) => hub?.session(agentId),
      keepMs: config.keepJobsMs,
      hooks: controls.hooks,
      locks: controls.dispatchLocks,
    });
    controls.useJobs(jobs);
    closing.push(() => jobs.close());
    await jobs.recover();
    await controls.recover();
    const scheduling = createScheduling({ store, jobs, clock, log });
    closing.push(() => scheduling.engine.close());
    const terminals = createTerminals({
      store,
      keys: commandKeys,
      agents,
      jobs,
      locks: controls.locks,
      bus,
      clock,
      log,
      dataDir: config.dataDir,
      sessionOf: (agentId) => hub?.session(agentId),
    });
    closing.push(() => terminals.stop());
    await terminals.recover();
    const metrics = createMetricsHistory({ store, commits, clock, log });
    const agentHub = createHub({
      clock,
      log,
      presence: createPresence({
        store,
        commits,
        clock,
        bus,
        suspect: createSuspect({ clock }),
        onLoad: metrics.take,
      }),
      bus,
      traffic: terminals.traffic,
      witnesses: audit.witnesses,
      trust: ca.trust,
      heartbeatInterval: HEARTBEAT_INTERVAL_S,
    });
    hub = agentHub;
    closing.push(
      () => metrics.close(),
      () => agentHub.close(),
    );
    const agentPage = createAgentPage({ store, commits, agents, jobs, metrics, bus, clock, log });
    closing.push(() => agentPage.close());

    let http: HttpServer | undefined;
    const certificate = await keepServerCertificate({
      authority,
      publicHost: publicUrl.hostname.replace(/^\[|\]$/g, ''),
      clock,
      random,
      log,
      onRenewed: (credentials) => http?.useCredentials(credentials),
    });
    closing.push(() => certificate.stop());
    ca.useCertificate(certificate);

    const access = withLocks(people.access, controls.locks);
    const fleetFeed = createFleetFeed({ store, bus, clock });
    closing.push(() => fleetFeed.close());
    const authenticateAgent = createAgentAuth({
      store,
      commits,
      clock,
      authority,
      findLost: createFindLost({ store, clock, log }),
    });
    const routes: Route[] = [
      ...registrationRoutes({
        authority,
        registration: createRegistration({
          store,
          clock,
          authority,
          commandKeys,
          trust: ca.trust,
          throttle: createThrottle({ clock, ...THROTTLE }),
          addressThrottle: createThrottle({ clock, ...ADDRESS_THROTTLE }),
          publicOrigin,
          heartbeatInterval: HEARTBEAT_INTERVAL_S,
          onEnrolled: shown,
        }),
        renew: createRenew({ store, clock, authority }),
        agents,
        clock,
      }),
      ...recoveryRoutes({
        recovery: await openRecovery({ ...data, clock, changed: hooks.changed }),
        rules: createRecoveryRules({ store, clock }),
      }),
      ...pollRoutes({ polls: createPolls({ hub: agentHub, clock }) }),
      ...people.routes,
      ...organizationRoutes({ organizations, agents, accessChanged: people.accessChanged }),
      ...tokenRoutes({
        provisioningTokens: createProvisioningTokens({
          store,
          clock,
          rootFingerprint: () => authority.rootFingerprint,
        }),
        apiTokens: people.apiTokens,
        setupSha256: () => setupScriptSha256(dist),
        address: () => ({
          origin: publicOrigin(),
          rootCertificate: config.publicCertificate ? undefined : authority.root,
        }),
      }),
      ...agentRoutes({ agents }),
      ...agentPage.routes,
      ...jobRoutes({ store, jobs, clock }),
      ...scheduleRoutes({ store, ...scheduling }),
      ...savedCommandRoutes({ store, saved: scheduling.saved, submit: jobs.submit }),
      ...commandRoutes({ store, files: jobs.files }),
      ...eventRoutes({
        events: jobs.events,
        clock,
        stopping: stopping.signal,
        access,
      }),
      ...terminalRoutes({ terminals, agents }),
      ...restoreRoutes({ restores: createRestores({ store, clock }) }),
      ...fleetRoutes({
        store,
        feed: fleetFeed,
        overview: createOverview({ store, clock, shown: ca.shown }),
        clock,
        stopping: stopping.signal,
        access,
      }),
      ...controls.routes({ access, stopping: stopping.signal }),
      ...auditRoutes({ store, audit }),
      ...ca.routes,
      ...setupScriptRoutes({ dist }),
      ...artifactRoutes({ dist }),
      ...healthRoutes({
        store,
        isStopping: () => stopping.signal.aborted,
        auditBrokenMs: audit.brokenMs,
      }),
      ...pageRoutes({ dist }),
    ];
    let document: unknown;
    routes.push(
      defineRoute({
        method: 'GET',
        path: '/api/v1/openapi.json',
        summary: 'This document',
        auth: 'none',
        raw: { contentType: 'application/json', description: 'OpenAPI 3.1' },
        handler() {
          document ??= openApiDocument(routes, { version, url: publicOrigin() });
          return {
            headers: { 'content-type': 'application/json; charset=utf-8' },
            body: JSON.stringify(document),
          };
        },
      }),
    );

    const server = createHttpServer({
      routes,
      credentials: certificate.credentials,
      publicCertificate: config.publicCertificate,
      authenticateUser: people.auth.authenticate,
      requestRate: config.rates.requests,
      authenticateAgent,
      refuseLocked: controls.refuseLocked,
      replays: createReplays({ store, sealer, clock }),
      clock,
      log,
    });
    http = server;
    const door = terminalDoor({
      terminals,
      authenticateUser: people.auth.authenticate,
      refuseLocked: controls.refuseLocked,
      access,
      clock,
      log,
    });
    closing.push(() => door.close());
    const upgrade = attachUpgrade({
      doors: [door],
      server: server.server,
      hub: agentHub,
      clock,
      log,
      authenticate: authenticateAgent,
    });
    closing.push(() => upgrade.close());
    const bound = await server.listen(config.listen).catch((cause: unknown) => {
      throw listenFailure(config.listen, cause);
    });
    publicUrl = urlWith(bound.port);
    if (config.publicUrl === undefined) {
      log.warn(
        { public_url: publicUrl.origin },
        'no --public-url was given; machines and people are sent to this one',
      );
    }

    return {
      url: publicUrl.origin,
      routes,
      async close(hard) {
        // Whoever follows a job comes back later; the server waits for nobody who stays.
        stopping.abort();
        const closed = server.close(hard);
        await closeAll([...closing.slice(0, 1), () => closed, ...closing.slice(1)]);
      },
    };
  } catch (cause) {
    await closeAll(closing);
    throw cause;
  }
}
