import type { types } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import { z } from 'zod';

/** A machine that is reached first, and passes the connection on. */
export interface SshProxyArgs {
  host: pulumi.Input<string>;
  port?: pulumi.Input<number>;
  /** `root` if left out. */
  user?: pulumi.Input<string>;
  /** PEM; kept as a secret. */
  privateKey?: pulumi.Input<string>;
  privateKeyPassword?: pulumi.Input<string>;
  password?: pulumi.Input<string>;
  /** Socket of an ssh-agent, instead of a key. */
  agentSocketPath?: pulumi.Input<string>;
  /** The host's public key, `ssh-ed25519 AAAA…`, as `ssh-keyscan` or the machine's console shows it. */
  hostKey?: pulumi.Input<string>;
  /** Takes whatever machine answers at the address for the right one. */
  insecureIgnoreHostKey?: boolean;
  dialErrorLimit?: pulumi.Input<number>;
  /** Seconds. */
  perDialTimeout?: pulumi.Input<number>;
}

/** How a machine is reached by SSH. */
export interface SshConnectionArgs {
  host: pulumi.Input<string>;
  port?: pulumi.Input<number>;
  /** Root, or somebody who may sudo without a password; `root` if left out. */
  user?: pulumi.Input<string>;
  /** PEM; kept as a secret. */
  privateKey?: pulumi.Input<string>;
  privateKeyPassword?: pulumi.Input<string>;
  password?: pulumi.Input<string>;
  /** Socket of an ssh-agent, instead of a key. */
  agentSocketPath?: pulumi.Input<string>;
  /** The host's public key, `ssh-ed25519 AAAA…`, as `ssh-keyscan` or the machine's console shows it. */
  hostKey?: pulumi.Input<string>;
  /** Takes whatever machine answers at the address for the right one: it gets a token, and a root shell runs there. */
  insecureIgnoreHostKey?: boolean;
  /** How often a connection is tried again before it counts as failed; 10 if left out. */
  dialErrorLimit?: pulumi.Input<number>;
  /** Seconds. */
  perDialTimeout?: pulumi.Input<number>;
  proxy?: SshProxyArgs;
}

const isLater = (value: unknown): boolean => pulumi.Output.isInstance(value) || value instanceof Promise;
const text = z.custom<pulumi.Input<string>>(
  (value) => isLater(value) || (typeof value === 'string' && value !== ''),
  'must be a text that is not empty',
);
const number = z.custom<pulumi.Input<number>>(
  (value) => isLater(value) || (typeof value === 'number' && Number.isFinite(value) && value >= 0),
  'must be a number',
);
const proxySchema = z.strictObject({
  host: text,
  port: number.optional(),
  user: text.optional(),
  privateKey: text.optional(),
  privateKeyPassword: text.optional(),
  password: text.optional(),
  agentSocketPath: text.optional(),
  hostKey: text.optional(),
  insecureIgnoreHostKey: z.boolean().optional(),
  dialErrorLimit: number.optional(),
  perDialTimeout: number.optional(),
});
const connectionSchema = proxySchema.extend({ proxy: proxySchema.optional() });

type Checked = z.output<typeof proxySchema>;

/**
 * The connection for the command provider, made field by field: a field that the provider does not know makes it
 * print the whole connection, private key included.
 * @throws Error naming what is wrong, without any value
 */
export function connectionOf(args: SshConnectionArgs, where: string): types.input.remote.ConnectionArgs {
  const parsed = connectionSchema.safeParse(args);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) =>
      issue.code === 'unrecognized_keys'
        ? `${[where, ...issue.path].join('.')} has no field ${issue.keys.join(', ')}`
        : `${[where, ...issue.path].join('.')} ${issue.message}`,
    );
    throw new Error(`${wrong.join('; ')}.`);
  }
  const { proxy, ...own } = parsed.data;
  return {
    ...fieldsOf(own, where),
    ...(proxy === undefined ? {} : { proxy: fieldsOf(proxy, `${where}.proxy`) }),
  };
}

function fieldsOf(checked: Checked, where: string): types.input.remote.ProxyConnectionArgs {
  const { host, port, user, agentSocketPath, dialErrorLimit, perDialTimeout } = checked;
  const secret = (value: pulumi.Input<string> | undefined) => value && pulumi.secret(value);
  const all = {
    host,
    port,
    user,
    privateKey: secret(checked.privateKey),
    privateKeyPassword: secret(checked.privateKeyPassword),
    password: secret(checked.password),
    agentSocketPath,
    hostKey: hostKeyOf(checked, where),
    dialErrorLimit,
    perDialTimeout,
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as unknown as types.input.remote.ProxyConnectionArgs;
}

/** The provider takes any host key for good when it is given none. */
function hostKeyOf(
  { hostKey, insecureIgnoreHostKey }: Checked,
  where: string,
): pulumi.Input<string> | undefined {
  if (insecureIgnoreHostKey === true) {
    if (hostKey === undefined) return undefined;
    throw new Error(`${where}: give hostKey or insecureIgnoreHostKey, not both.`);
  }
  if (hostKey === undefined) {
    throw new Error(
      `${where}.hostKey is missing, and without it any machine that answers at the address would be trusted. Give the host's public key (ssh-keyscan HOST, compared with what its console shows), or write insecureIgnoreHostKey: true.`,
    );
  }
  const check = (key: string): string => {
    if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$/.test(key.trim())) return key.trim();
    throw new Error(
      `${where}.hostKey is no public key: it looks like "ssh-ed25519 AAAA…" (ssh-keyscan prints the host's name before it; leave that out).`,
    );
  };
  return typeof hostKey === 'string' ? check(hostKey) : pulumi.output(hostKey).apply(check);
}
