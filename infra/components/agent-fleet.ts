import * as pulumi from '@pulumi/pulumi';
import { parseWave, planWaves } from '../plan/waves.ts';
import type { GateRequest } from '../program/request.ts';
import { AgentHost, type AgentHostArgs, hostInternals, outcomeOf, planFor } from './agent-host.ts';
import type { SshConnectionArgs } from './connection.ts';
import { type OrchestratorArgs, orchestratorOf } from './orchestrator.ts';
import { after, LOCAL_COMMAND, type Named, Turns } from './ordering.ts';
import { programCommand } from './program-command.ts';

/** One machine of a fleet. */
export interface FleetHostArgs {
  connection: SshConnectionArgs;
  /** Added to the fleet's labels; of two with the same key this one counts. */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /** The machine does not exist any more: see `gone` of AgentHost. */
  gone?: boolean;
}

export interface AgentFleetArgs {
  orchestrator: OrchestratorArgs;
  /** The machines, in the order in which they get their turn. The names are yours, and stay. */
  hosts: { [name: string]: FleetHostArgs };
  /** Version of the agents; the one that the orchestrator serves if left out. */
  version?: pulumi.Input<string>;
  /** Labels of every host. */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /** How many hosts, or which share, have been done at the end of each wave; `['1', '10%', '100%']` if left out. */
  waves?: string[];
  /** How many hosts of a wave are worked on at a time; 10 if left out. */
  concurrency?: number;
  /** How many hosts of a wave may fail before the later waves are left alone; 0 if left out. Needs `--continue-on-error`. */
  maxFailures?: number;
  /** How long the token counts that a host enrolls with; `1h` if left out. */
  tokenTtl?: pulumi.Input<string>;
  /** How long the orchestrator may take to see an agent online (s); 60 if left out. */
  timeoutSeconds?: number;
  /** Removing a host removes logs and configuration as well. */
  purgeOnDelete?: boolean;
}

/** Many machines over SSH, brought to one version in waves. */
export class AgentFleet extends pulumi.ComponentResource {
  /** By the hosts' names; empty for a host that failed. */
  readonly agentIds: pulumi.Output<{ [name: string]: string }>;
  readonly dashboardUrls: pulumi.Output<{ [name: string]: string }>;
  /** `online`, `gone`, or empty for a host that failed. */
  readonly status: pulumi.Output<{ [name: string]: string }>;

  constructor(name: string, args: AgentFleetArgs, opts?: pulumi.ComponentResourceOptions) {
    super('vm-agent:index:AgentFleet', name, {}, opts);
    const { hosts, concurrency, maxFailures } = checked(args);
    const orchestrator = orchestratorOf(args.orchestrator);
    const waves = planWaves(Object.keys(hosts), (args.waves ?? ['1', '10%', '100%']).map(parseWave));
    const turns = new Turns(concurrency);
    const all = new Map<string, AgentHost>();
    let gate: Named | undefined;

    for (const [index, members] of waves.entries()) {
      const opened = gate === undefined ? Promise.resolve([]) : after(gate);
      const declared = members.map((member) => {
        const { connection, labels, gone } = hosts[member] as FleetHostArgs;
        const hostArgs: AgentHostArgs = {
          orchestrator: args.orchestrator,
          connection,
          ...(args.version === undefined ? {} : { version: args.version }),
          labels: pulumi
            .all([args.labels ?? {}, labels ?? {}])
            .apply(([common, own]) => ({ ...common, ...own })),
          ...(args.tokenTtl === undefined ? {} : { tokenTtl: args.tokenTtl }),
          ...(args.timeoutSeconds === undefined ? {} : { timeoutSeconds: args.timeoutSeconds }),
          purgeOnDelete: args.purgeOnDelete === true,
          gone: gone === true,
        };
        const turn = opened.then(async (first) => {
          await turns.take();
          return first;
        });
        hostInternals.set(hostArgs, { orchestrator, turn });
        const host = new AgentHost(`${name}-${member}`, hostArgs, { parent: this });
        void turn.then(() => outcomeOf(host)).then(() => turns.giveBack());
        all.set(member, host);
        return { member, host };
      });
      const gateName = `${name}-gate-${index + 1}`;
      const failed = Promise.all(
        declared.map(async ({ member, host }) => ((await outcomeOf(host)) ? [] : [member])),
      ).then((lists) => lists.flat());
      gate = {
        // Not after its hosts, but when they have come to an end: it is what counts those that failed.
        resource: programCommand(
          gateName,
          {
            orchestrator,
            create: 'gate',
            update: 'gate',
            request: pulumi.all([failed, pulumi.all(declared.map(({ host }) => planFor(host).plan))]).apply(
              ([names, plans]): GateRequest => ({
                wave: index + 1,
                hosts: declared.flatMap(({ member, host }, at) => {
                  const plan = plans[at];
                  if (plan?.kind !== 'ready' || hosts[member]?.gone === true) return [];
                  const { version, deployment } = plan;
                  return [{ name: member, host: planFor(host).host, version, deployment }];
                }),
                failed: names,
                max_failures: maxFailures,
                timeout_s: args.timeoutSeconds ?? 60,
              }),
            ),
          },
          { parent: this, dependsOn: opened },
        ),
        name: gateName,
        type: LOCAL_COMMAND,
        parent: this,
      };
    }

    const byName = (pick: (host: AgentHost) => pulumi.Output<string>) =>
      pulumi.output(
        Object.fromEntries(
          [...all].map(([member, host]) => [member, pulumi.recover(pick(host), () => '')] as const),
        ),
      );
    this.agentIds = byName(({ agentId }) => agentId);
    this.dashboardUrls = byName(({ dashboardUrl }) => dashboardUrl);
    this.status = byName(({ status }) => status);
    this.registerOutputs({
      agentIds: this.agentIds,
      dashboardUrls: this.dashboardUrls,
      status: this.status,
    });
  }
}

/** @throws Error naming what is wrong */
function checked(args: AgentFleetArgs): {
  hosts: AgentFleetArgs['hosts'];
  concurrency: number;
  maxFailures: number;
} {
  const { hosts, concurrency = 10, maxFailures = 0 } = args;
  if (
    pulumi.Output.isInstance(hosts) ||
    hosts instanceof Promise ||
    typeof hosts !== 'object' ||
    hosts === null
  )
    throw new Error('hosts must be known when the program runs: a record of a name and a host each.');
  for (const member of Object.keys(hosts)) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(member))
      throw new Error(
        `hosts: the name ${JSON.stringify(member)} has other characters than A–Z a–z 0–9 . _ -.`,
      );
  }
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new Error('concurrency must be a whole number from 1 on.');
  if (!Number.isInteger(maxFailures) || maxFailures < 0)
    throw new Error('maxFailures must be a whole number from 0 on.');
  return { hosts, concurrency, maxFailures };
}
