import * as pulumi from '@pulumi/pulumi';
import { parseDuration } from '../../protocol/duration.ts';
import { parseRate, tokenLimitsSchema } from '../../protocol/provisioning-token.ts';
import { now } from '../clock.ts';
import type { MintedToken, TokenRequest } from '../program/request.ts';
import { type OrchestratorArgs, orchestratorOf } from './orchestrator.ts';
import { LOCAL_COMMAND, type Named } from './ordering.ts';
import { programCommand } from './program-command.ts';

export interface ProvisioningTokenArgs {
  orchestrator: OrchestratorArgs;
  /** How many machines it enrolls; 1 if left out. */
  uses?: pulumi.Input<number>;
  /** How long it counts, e.g. `15m`, `24h`, `7d`; `1h` if left out. */
  ttl?: pulumi.Input<string>;
  /** Labels that it grants to the agents. */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /** What the machine's vm_id must look like, e.g. `vm-web-*`. */
  vmIdPattern?: pulumi.Input<string>;
  /** Network that the registration must come from, e.g. `10.0.0.0/8`. */
  cidr?: pulumi.Input<string>;
  /** How many machines it enrolls within a time, e.g. `10/1h`: ten in any hour. */
  rate?: pulumi.Input<string>;
  /** For people who look at the list of tokens; this resource's name if left out. */
  description?: pulumi.Input<string>;
  /** A change makes a new token; the old one is revoked once what depends on it has the new one. */
  triggers?: pulumi.Input<pulumi.Input<string>[]>;
  /** Makes a new token in the first `pulumi up` of each such period, e.g. `1d`: for groups that grow by themselves. */
  renewEvery?: string;
}

/** What {@link AgentHost} and others add, which is no part of the interface. */
export interface TokenInternals {
  /** The token cannot be made, for this reason. */
  fail?: pulumi.Input<string | undefined>;
  dependsOn?: pulumi.Input<pulumi.Input<pulumi.Resource>[]>;
  ignoreChanges?: string[];
}
export const tokenInternals = new WeakMap<ProvisioningTokenArgs, TokenInternals>();

/** A provisioning token, made at the orchestrator once and revoked when it is removed. */
export class ProvisioningToken extends pulumi.ComponentResource {
  /** `prov_…`, a secret. */
  readonly token: pulumi.Output<string>;
  /** What the orchestrator calls it. */
  readonly tokenId: pulumi.Output<string>;
  readonly expiresAt: pulumi.Output<string>;
  /** SHA-256 of the bootstrap script that the orchestrator served when the token was made, hex. */
  readonly setupSha256: pulumi.Output<string>;

  constructor(name: string, args: ProvisioningTokenArgs, opts?: pulumi.ComponentResourceOptions) {
    super('vm-agent:index:ProvisioningToken', name, {}, opts);
    const { fail, ...options } = tokenInternals.get(args) ?? {};
    const { renewEvery } = args;
    const limits = pulumi
      .all([args.uses, args.ttl, args.labels, args.vmIdPattern, args.cidr, args.rate, args.description])
      .apply(([uses, ttl, labels, vmIdPattern, cidr, rate, description]) =>
        limitsOf({ uses, ttl, labels, vmIdPattern, cidr, rate, description: description ?? name }),
      );
    const period = renewEvery === undefined ? [] : [periodOf(renewEvery)];
    const minted = programCommand(
      name,
      {
        orchestrator: orchestratorOf(args.orchestrator),
        create: 'mint',
        update: 'keep',
        delete: 'revoke',
        request: pulumi.all([limits, fail]).apply(([checked, why]): TokenRequest => {
          return { ...(why === undefined ? {} : { fail: why }), limits: checked };
        }),
        triggers: pulumi
          .all([limits, args.triggers ?? []])
          .apply(([checked, triggers]) => [JSON.stringify(checked), ...triggers, ...period]),
      },
      { parent: this, ...options },
    );
    mintedBy.set(this, { resource: minted, name, type: LOCAL_COMMAND, parent: this });
    const field = (key: keyof MintedToken) =>
      minted.stdout.apply((text) => String((JSON.parse(text) as MintedToken)[key]));
    this.token = pulumi.secret(field('token'));
    this.tokenId = pulumi.unsecret(field('id'));
    this.expiresAt = pulumi.unsecret(field('expires_at'));
    this.setupSha256 = pulumi.unsecret(field('setup_sha256'));
    this.registerOutputs({
      token: this.token,
      tokenId: this.tokenId,
      expiresAt: this.expiresAt,
      setupSha256: this.setupSha256,
    });
  }
}

const mintedBy = new WeakMap<ProvisioningToken, Named>();

/** What makes the token; others come after it. */
export function minterOf(token: ProvisioningToken): Named {
  const named = mintedBy.get(token);
  if (named === undefined) throw new Error('the token has not been declared');
  return named;
}

/** @throws Error naming what is wrong */
function limitsOf(given: {
  uses: number | undefined;
  ttl: string | undefined;
  labels: Readonly<Record<string, string>> | undefined;
  vmIdPattern: string | undefined;
  cidr: string | undefined;
  rate: string | undefined;
  description: string;
}): TokenRequest['limits'] {
  const { ttl = '1h' } = given;
  const seconds = parseDuration(ttl);
  const atMost = given.rate === undefined ? undefined : parseRate(given.rate);
  const parsed = tokenLimitsSchema.safeParse({
    uses: given.uses,
    ttl_s: seconds,
    labels: given.labels ?? {},
    vm_id_pattern: given.vmIdPattern,
    cidr: given.cidr,
    rate: atMost,
  });
  const wrong = [
    ...(seconds === undefined ? [`ttl: ${ttl} is no duration; write 15m, 24h or 7d`] : []),
    ...(given.rate !== undefined && atMost === undefined
      ? [`rate: ${given.rate} is no rate; write MACHINES/TIME, e.g. 10/1h, with at most 30d`]
      : []),
    ...(parsed.error?.issues ?? []).map(
      ({ path, message }) => `${path.join('.').replace('ttl_s', 'ttl')}: ${message}`,
    ),
  ];
  if (!parsed.success || wrong.length > 0) throw new Error(`The token cannot be made: ${wrong.join('; ')}.`);
  const { uses, ttl_s, labels, vm_id_pattern, cidr, rate } = parsed.data;
  return {
    uses,
    ttl_s,
    labels,
    ...(vm_id_pattern === undefined ? {} : { vm_id_pattern }),
    ...(cidr === undefined ? {} : { cidr }),
    ...(rate === undefined ? {} : { rate }),
    description: given.description.slice(0, 256),
  };
}

function periodOf(text: string): string {
  const seconds = parseDuration(text) ?? 0;
  if (seconds < 60) throw new Error(`renewEvery: ${text} will not do; write a duration such as 12h or 7d.`);
  return `period ${Math.floor(now().getTime() / 1000 / seconds)}`;
}
