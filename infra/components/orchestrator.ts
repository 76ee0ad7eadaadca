import { readFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { now } from '../clock.ts';
import type { HostPlan, Snapshot, WantedHost } from '../plan/decide.ts';
import { planHost } from '../plan/decide.ts';
import { takeSnapshot } from '../plan/snapshot.ts';

/** The orchestrator, and who asks it. */
export interface OrchestratorArgs {
  /** `https://HOST[:PORT]`, as machines reach it. */
  url: pulumi.Input<string>;
  /** API token, `vmo_…`; kept as a secret. */
  apiToken: pulumi.Input<string>;
  /** The orchestrator's CA, PEM. Without it and `caFile`: what the system trusts. */
  caPem?: pulumi.Input<string>;
  /** The same in a file, read where the program runs. */
  caFile?: string;
  /** By name or identifier; `default` if left out. */
  organization?: pulumi.Input<string>;
}

export interface Orchestrator {
  url: pulumi.Output<string>;
  /** Always secret. */
  apiToken: pulumi.Output<string>;
  /** Empty: what the system trusts. */
  ca: pulumi.Output<string>;
  organization: pulumi.Output<string>;
  /** What it knows now, asked once. It never rejects: see {@link ask}. */
  snapshot(): pulumi.Output<Known>;
}

/** A snapshot, or why there is none. */
export type Known = { snapshot: Snapshot } | { message: string };

/**
 * `args` may be an output: programs in other languages hand one over when a field of it is a secret.
 * @throws Error for what is wrong with values that are known
 */
export function orchestratorOf(args: pulumi.Input<OrchestratorArgs>): Orchestrator {
  if (!pulumi.Output.isInstance(args) && !(args instanceof Promise)) {
    check(args);
    if (typeof args.url === 'string') originOf(args.url);
  }
  const given = pulumi.output(args as OrchestratorArgs).apply((all) => {
    check(all);
    return all;
  });
  const url = pulumi.unsecret(given.apply((all) => originOf(all.url)));
  const apiToken = pulumi.secret(given.apply((all) => all.apiToken));
  const ca = pulumi.unsecret(
    given.apply(({ caFile, caPem }) => (caFile === undefined ? (caPem ?? '') : fileText(caFile))),
  );
  const organization = pulumi.unsecret(given.apply((all) => all.organization ?? 'default'));
  let known: pulumi.Output<Known> | undefined;
  return {
    url,
    apiToken,
    ca,
    organization,
    snapshot() {
      known ??= ask({ url, apiToken, ca, organization });
      return known;
    },
  };
}

function check(args: { url?: unknown; apiToken?: unknown; caPem?: unknown; caFile?: unknown }): void {
  if (args?.url === undefined) throw new Error('orchestrator.url is missing: write https://HOST[:PORT].');
  if (args.apiToken === undefined)
    throw new Error(
      'orchestrator.apiToken is missing: make one on the orchestrator, and keep it as a secret of the stack.',
    );
  if (args.caPem !== undefined && args.caFile !== undefined)
    throw new Error('orchestrator: give caPem or caFile, not both.');
}

/** @throws Error when it is not an address of that form alone: it goes into shell scripts. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url?.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
  if (url?.protocol === 'https:' && bare && /^[a-z0-9.:[\]-]+$/.test(url.host)) return url.origin;
  throw new Error(
    `orchestrator.url: ${JSON.stringify(text)} will not do. Write https://HOST or https://HOST:PORT.`,
  );
}

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(
      `orchestrator.caFile: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? cause}).`,
    );
  }
}

// Hosts that are declared one by one ask once a run: the same program may run several times in one process.
const asked = new WeakMap<object, Map<string, Promise<Known>>>();

/**
 * What the orchestrator knows when the program begins. A failure must not keep anything from being declared: that
 * would count as removed, and `--continue-on-error` would take the agents off their machines. It is an error of the
 * preview, and in an update the first command of each host fails with it.
 */
function ask(settings: Omit<Orchestrator, 'snapshot'>): pulumi.Output<Known> {
  const { url, apiToken, ca, organization } = settings;
  const known = pulumi.all([url, apiToken, ca, organization]).apply(async (values) => {
    const stack = pulumi.runtime.getStackResource() ?? {};
    const ofRun = asked.get(stack) ?? new Map<string, Promise<Known>>();
    asked.set(stack, ofRun);
    const key = JSON.stringify(values);
    const [address, token, pem, name] = values;
    const options = { url: address, apiToken: token, ca: pem, organization: name };
    const found =
      ofRun.get(key) ??
      takeSnapshot(options, now()).then(
        (snapshot): Known => ({ snapshot }),
        (cause: Error): Known => failure(cause.message),
      );
    ofRun.set(key, found);
    const answer = await found;
    return answer;
  });
  // It holds nothing of the API token, and what is shown of a plan must not be hidden for it.
  return pulumi.unsecret(known);
}

function failure(message: string): { message: string } {
  if (pulumi.runtime.isDryRun()) void pulumi.log.error(message);
  return { message };
}

/** What is to be done to a host; `failed` is an error of the preview. */
export const planOf = (
  orchestrator: Orchestrator,
  wanted: pulumi.Input<WantedHost>,
): pulumi.Output<HostPlan> =>
  pulumi.all([orchestrator.snapshot(), wanted]).apply(([known, host]): HostPlan => {
    if ('message' in known) return { kind: 'failed', message: known.message };
    const plan = planHost(host as WantedHost, known.snapshot as Snapshot);
    return plan.kind === 'failed' ? { ...plan, ...failure(plan.message) } : plan;
  });
