import { local } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import type { UserDataFormat } from '../../cloud-init/params.ts';
import { renderUserData } from '../../cloud-init/render.ts';
import { commandLine, PROGRAM } from '../program/text.ts';
import { type OrchestratorArgs, orchestratorOf } from './orchestrator.ts';
import { ProvisioningToken } from './provisioning-token.ts';

export interface AgentUserDataArgs {
  orchestrator: OrchestratorArgs;
  /**
   * A change makes a new token and with it new user-data. Name here what replaces the VM, such as its image, so that
   * the new VM does not come with the spent token of the old one.
   */
  triggers?: pulumi.Input<pulumi.Input<string>[]>;
  /** How many machines may enroll; 1 if left out. More for a group of machines. */
  uses?: pulumi.Input<number>;
  /** How long the token counts, e.g. `15m`, `7d`; `15m` if left out. */
  ttl?: pulumi.Input<string>;
  /** Makes a new token in the first `pulumi up` of each such period, e.g. `1d`: for groups that grow by themselves. */
  renewEvery?: string;
  /** Labels that the orchestrator grants to the agents; with `tokenFrom`, that the machines report. */
  labels?: pulumi.Input<{ [key: string]: pulumi.Input<string> }>;
  /** What the machine's vm_id must look like, e.g. `vm-web-*`. */
  vmIdPattern?: pulumi.Input<string>;
  /** Network that the registration must come from, e.g. `10.0.0.0/8`. */
  cidr?: pulumi.Input<string>;
  /** How many machines may enroll within a time, e.g. `10/1h`: ten in any hour. */
  rate?: pulumi.Input<string>;
  /** Port of the agent's local interface on the machine. */
  port?: pulumi.Input<number>;
  /**
   * Instead of a token: one line for `/bin/sh` that prints one, run as root on the machine, such as a read from a
   * secret store by the machine's role. No token is made then, and the user-data holds no secret.
   */
  tokenFrom?: pulumi.Input<string>;
  /** `cloud-config` (if left out), `mime` or `ignition`. */
  format?: pulumi.Input<string>;
  /** User-data of your own, for the format `mime`. */
  parts?: pulumi.Input<pulumi.Input<UserDataPartArgs>[]>;
}

export interface UserDataPartArgs {
  filename?: pulumi.Input<string>;
  /** Told from the first line if left out. */
  contentType?: pulumi.Input<string>;
  content: pulumi.Input<string>;
}

/** As long as a real one, so that a preview knows the size. */
const PLACEHOLDER = `prov_${'0'.repeat(12)}_${'0'.repeat(40)}_${'0'.repeat(32)}`;

/** User-data with which a new VM of any cloud enrolls itself. */
export class AgentUserData extends pulumi.ComponentResource {
  /** The text; a secret. It stays the same until another token is made. */
  readonly userData: pulumi.Output<string>;
  /** The same in base64. */
  readonly userDataBase64: pulumi.Output<string>;
  /** What the orchestrator calls the token; empty with `tokenFrom`. */
  readonly tokenId: pulumi.Output<string>;
  readonly expiresAt: pulumi.Output<string>;

  constructor(name: string, args: AgentUserDataArgs, opts?: pulumi.ComponentResourceOptions) {
    super('vm-agent:index:AgentUserData', name, {}, opts);
    const orchestrator = orchestratorOf(args.orchestrator);
    const { labels, format, parts, port, tokenFrom, uses } = args;
    const content = { labels, format, parts, port, tokenFrom, uses };
    if (isKnown(args.orchestrator?.url) && isKnown(content))
      rendered(String(args.orchestrator.url), content as KnownContent);
    const render = (token?: string, setupSha256?: string) =>
      pulumi
        .all([orchestrator.url, pulumi.output(content)])
        .apply(([url, given]) => rendered(url, given as KnownContent, token, setupSha256));

    // Rendered in a preview too, when there is no token yet: what is wrong or too large is said before anything is made.
    const rehearsed = render();
    if (tokenFrom !== undefined) {
      this.userData = pulumi.secret(rehearsed);
      this.tokenId = pulumi.output('');
      this.expiresAt = pulumi.output('');
    } else {
      const token = new ProvisioningToken(`${name}-token`, tokenArgsOf(name, args, rehearsed), {
        parent: this,
      });
      const real = pulumi
        .all([token.token, token.setupSha256])
        .apply(([text, setupSha256]) => render(text, setupSha256));
      // Another version of this package, or of what the orchestrator serves, must not replace machines that run.
      const frozen = new local.Command(
        `${name}-frozen`,
        {
          create: commandLine('freeze'),
          update: commandLine('freeze'),
          stdin: PROGRAM,
          environment: { VM_AGENT_USER_DATA: pulumi.secret(real) },
          triggers: [token.tokenId],
          logging: 'none',
        },
        { parent: this, additionalSecretOutputs: ['stdout', 'stderr'] },
      );
      this.userData = pulumi.secret(frozen.stdout);
      this.tokenId = token.tokenId;
      this.expiresAt = token.expiresAt;
    }
    this.userDataBase64 = this.userData.apply((text) => Buffer.from(text, 'utf8').toString('base64'));
    this.registerOutputs({
      userData: this.userData,
      userDataBase64: this.userDataBase64,
      tokenId: this.tokenId,
      expiresAt: this.expiresAt,
    });
  }
}

interface KnownContent {
  labels: Record<string, string> | undefined;
  format: string | undefined;
  parts: { filename?: string; contentType?: string; content: string }[] | undefined;
  port: number | undefined;
  tokenFrom: string | undefined;
  uses: number | undefined;
}

/** @throws AppError for a wrong parameter, or with both sizes when it is too large */
function rendered(
  url: string,
  given: KnownContent,
  token = PLACEHOLDER,
  setupSha256 = '0'.repeat(64),
): string {
  const { tokenFrom, labels, format, parts, port, uses = 1 } = given;
  // User-data of a group outlives releases of the orchestrator, and with them that script.
  const pinned = uses > 1 ? {} : { setupSha256 };
  return renderUserData({
    url,
    // What a token grants is the token's; one that comes from elsewhere grants what it was made with.
    ...(tokenFrom === undefined ? { token, ...pinned } : { tokenFrom, labels }),
    format: format as UserDataFormat | undefined,
    parts,
    port,
  });
}

/** Nothing in it is an output: then what is wrong is said at once, before anything is declared. */
function isKnown(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return false;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isKnown);
}

/** No token is made before the user-data is known to be right. */
function tokenArgsOf(name: string, args: AgentUserDataArgs, rehearsed: pulumi.Output<string>) {
  const { uses, ttl, renewEvery, labels, vmIdPattern, cidr, rate, triggers } = args;
  return {
    orchestrator: args.orchestrator,
    ttl: pulumi.all([ttl ?? '15m', rehearsed]).apply(([time]) => time),
    description: `pulumi: user-data ${name}`,
    ...(uses === undefined ? {} : { uses }),
    ...(renewEvery === undefined ? {} : { renewEvery }),
    ...(labels === undefined ? {} : { labels }),
    ...(vmIdPattern === undefined ? {} : { vmIdPattern }),
    ...(cidr === undefined ? {} : { cidr }),
    ...(rate === undefined ? {} : { rate }),
    ...(triggers === undefined ? {} : { triggers }),
  };
}
