import { createHash } from 'node:crypto';
import { remote } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import { type HostPlan, machineOf } from '../plan/decide.ts';
import { type AgentRequest, type AwaitedAgent, HOST_LABEL } from '../program/request.ts';
import { installCommand } from '../remote/install.ts';
import { uninstallCommand } from '../remote/uninstall.ts';
import { connectionOf, type SshConnectionArgs } from './connection.ts';
import { type Orchestrator, type OrchestratorArgs, orchestratorOf, planOf } from './orchestrator.ts';
import { after, type Named, REMOTE_COMMAND, succeeded } from './ordering.ts';
import { programCommand } from './program-command.ts';
import { minterOf, ProvisioningToken, tokenInternals } from './provisioning-token.ts';

export interface AgentHostArgs {
  orchestrator: OrchestratorArgs;
  connection: SshConnectionArgs;
  /** Version of the agent; the one that the orchestrator serves if left out. */
  version?: pulumi.Input<string>;
  /** Labels that the orchestrator grants to the agent. Other ones need a new identity, which is made then. */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /** How long the token counts that the host enrolls with; `1h` if left out. */
  tokenTtl?: pulumi.Input<string>;
  /** How long the orchestrator may take to see the agent online (s); 60 if left out. */
  timeoutSeconds?: number;
  /** Removing the host removes logs and configuration as well. */
  purgeOnDelete?: boolean;
  /**
   * The machine does not exist any more. Nothing is done on it; after a `pulumi up` with this, removing the host
   * revokes its agent and contacts the machine no more.
   */
  gone?: boolean;
}

/** What {@link AgentFleet} adds, which is no part of the interface. */
export interface HostInternals {
  orchestrator: Orchestrator;
  /** Resolves when the host's turn has come, with what it comes after. */
  turn: Promise<pulumi.Resource[]>;
}
export const hostInternals = new WeakMap<AgentHostArgs, HostInternals>();

/** Whether all went well, for who counts failures; resolves after the last command of the host. */
const outcomes = new WeakMap<AgentHost, Promise<boolean>>();
export const outcomeOf = (host: AgentHost): Promise<boolean> => outcomes.get(host) ?? Promise.resolve(false);
const plans = new WeakMap<AgentHost, { host: string; plan: pulumi.Output<HostPlan> }>();
export const planFor = (host: AgentHost): { host: string; plan: pulumi.Output<HostPlan> } => {
  const found = plans.get(host);
  if (found === undefined) throw new Error('the host has not been declared');
  return found;
};

/** One existing machine over SSH, which is made an agent and kept one. */
export class AgentHost extends pulumi.ComponentResource {
  readonly agentId: pulumi.Output<string>;
  readonly vmId: pulumi.Output<string>;
  /** The agent's page in the dashboard. */
  readonly dashboardUrl: pulumi.Output<string>;
  /** `online`: the orchestrator has seen it so, in the version that was wanted; or `gone`. */
  readonly status: pulumi.Output<string>;

  constructor(name: string, args: AgentHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super('vm-agent:index:AgentHost', name, {}, opts);
    const internals = hostInternals.get(args);
    const connection = connectionOf(args.connection, `${name}: connection`);
    const orchestrator = internals?.orchestrator ?? orchestratorOf(args.orchestrator);
    const { url, ca } = orchestrator;
    const host = hostLabel(name);
    const gone = args.gone === true;
    const labels = pulumi.output(args.labels ?? {});
    // An address that could not be found out fails the commands that need it, and must not fail the plan.
    const machine = pulumi.unsecret(
      pulumi.recover(
        pulumi
          .all([args.connection.host, args.connection.port ?? 22])
          .apply(([address, port]) => machineOf(address, port)),
        () => '',
      ),
    );
    const wanted = pulumi.all([args.version, labels, machine]).apply(([version, given, at]) => {
      return { host, version, labels: given, machine: at, gone };
    });
    const plan = planOf(orchestrator, wanted);
    plans.set(this, { host, plan });
    const { turn } = internals ?? { turn: Promise.resolve([]) };
    const named = (resource: pulumi.Resource, of: string, type: string): Named => ({
      resource,
      name: of,
      type,
      parent: this,
    });
    const then = (...before: Named[]) => turn.then(async (first) => [...first, ...(await after(...before))]);

    const tokenArgs = {
      orchestrator: args.orchestrator,
      ttl: args.tokenTtl ?? '1h',
      labels: labels.apply((given) => ({ ...given, [HOST_LABEL]: host })),
      description: `pulumi: ${host}`,
      triggers: plan.apply((ready) => [deploymentOf(ready)]),
    };
    tokenInternals.set(tokenArgs, {
      fail: plan.apply((ready) => (ready.kind === 'failed' ? ready.message : undefined)),
      dependsOn: turn,
      ...leftAlone(gone, ['environment', 'stdin', 'triggers']),
    });
    const token = new ProvisioningToken(`${name}-token`, tokenArgs, { parent: this });

    // Never replaced, and an update does nothing: its delete, which takes the agent off the machine, runs when the
    // host is removed, and at no upgrade.
    const teardown = new remote.Command(
      `${name}-teardown`,
      {
        connection,
        create: 'true',
        update: 'true',
        delete: uninstallCommand({ host, purge: args.purgeOnDelete === true }),
        addPreviousOutputInEnv: false,
        logging: 'none',
      },
      {
        parent: this,
        dependsOn: turn,
        additionalSecretOutputs: ['stdout', 'stderr'],
        ...leftAlone(gone, ['connection', 'delete']),
        retainOnDelete: gone,
      },
    );

    const install = new remote.Command(
      `${name}-install`,
      {
        connection,
        create: pulumi.all([url, ca, plan, labels]).apply(([address, pem, ready, given]) =>
          installCommand({
            url: address,
            ca: pem,
            version: ready.kind === 'ready' ? ready.version : '',
            deployment: deploymentOf(ready as HostPlan),
            host,
            labelled: Object.keys(given).length > 0,
          }),
        ),
        // Arguments and environment of a command can be seen on the machine, and its text in a plan.
        stdin: pulumi.secret(
          pulumi.recover(
            token.token.apply((text) => `${text}\n`),
            () => '',
          ),
        ),
        addPreviousOutputInEnv: false,
        logging: 'none',
      },
      {
        parent: this,
        dependsOn: then(minterOf(token), named(teardown, `${name}-teardown`, REMOTE_COMMAND)),
        additionalSecretOutputs: ['stdout', 'stderr'],
        ...leftAlone(gone, ['connection', 'create', 'stdin']),
      },
    );

    const agent = programCommand(
      `${name}-agent`,
      {
        orchestrator,
        create: 'await',
        update: 'await',
        delete: 'end',
        request: plan.apply(
          (ready): AgentRequest => ({
            host,
            version: ready.kind === 'ready' ? ready.version : '',
            deployment: deploymentOf(ready),
            timeout_s: args.timeoutSeconds ?? 60,
          }),
        ),
      },
      {
        parent: this,
        dependsOn: then(named(install, `${name}-install`, REMOTE_COMMAND)),
        ...leftAlone(gone, ['environment', 'stdin']),
      },
    );
    outcomes.set(this, succeeded(agent));

    const awaited = agent.stdout.apply((text) => JSON.parse(text) as AwaitedAgent);
    this.agentId = pulumi.unsecret(awaited.apply(({ agent_id }) => agent_id));
    this.vmId = pulumi.unsecret(awaited.apply(({ vm_id }) => vm_id));
    this.dashboardUrl = pulumi.interpolate`${url}/#/agents/${this.agentId}`;
    this.status = this.agentId.apply(() => (gone ? 'gone' : 'online'));
    void plan.apply((ready) => {
      if (ready.kind === 'ready' && !ready.well) pulumi.log.info(`${name}: ${ready.reason}`, this);
    });
    // Of a host that failed there is nothing to tell, which is no failure of its own.
    const told = (output: pulumi.Output<string>) => pulumi.recover(output, () => '');
    this.registerOutputs({
      agentId: told(this.agentId),
      vmId: told(this.vmId),
      dashboardUrl: told(this.dashboardUrl),
      status: told(this.status),
    });
  }
}

/** What is in the state stays, whatever the program says. */
const leftAlone = (gone: boolean, inputs: string[]): { ignoreChanges?: string[] } =>
  gone ? { ignoreChanges: inputs } : {};

const deploymentOf = (plan: HostPlan): string => (plan.kind === 'ready' ? plan.deployment : 'unknown');

/** `<project>.<stack>.<name>` as a label's value, cut and made unique where that is too long. */
function hostLabel(name: string): string {
  const whole = `${pulumi.getProject()}.${pulumi.getStack()}.${name}`;
  const plain = whole
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+|(?<=[A-Za-z0-9])[^A-Za-z0-9]+$/g, '');
  if (plain.length <= 63 && plain === whole) return plain;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 12);
  return `${plain.slice(0, 50).replace(/(?<=[A-Za-z0-9])[^A-Za-z0-9]+$/, '')}-${hash}`;
}
