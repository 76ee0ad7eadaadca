import type * as pulumi from '@pulumi/pulumi';
import type { ConstructResult, Provider } from '@pulumi/pulumi/provider/index.js';
import { AgentFleet } from '../components/agent-fleet.ts';
import { AgentHost } from '../components/agent-host.ts';
import { AgentUserData } from '../components/agent-user-data.ts';
import { ProvisioningToken } from '../components/provisioning-token.ts';
import schema from './schema.json' with { type: 'json' };

/** Inputs come checked against the schema, which is made from the very types of these classes. */
type Component = new (
  name: string,
  args: never,
  opts: pulumi.ComponentResourceOptions,
) => pulumi.ComponentResource;
export const COMPONENTS: Readonly<Record<string, Component>> = {
  AgentFleet,
  AgentHost,
  AgentUserData,
  ProvisioningToken,
};

/**
 * The components for programs in other languages. What `componentProviderHost` of the SDK finds out from the sources
 * at each start, with the TypeScript compiler, is kept in schema.json here: the package ships neither.
 */
export function componentProvider(version: string): Provider {
  return {
    version,
    getSchema: async () => JSON.stringify({ ...schema, version }),
    async construct(name, type, inputs, options): Promise<ConstructResult> {
      const [, , kind = ''] = type.split(':');
      const Component = COMPONENTS[kind];
      const described = (schema.resources as Record<string, { properties: object } | undefined>)[type];
      if (Component === undefined || described === undefined)
        throw new Error(`vm-agent has no component ${type}; it has ${Object.keys(COMPONENTS).join(', ')}.`);
      const made = new Component(name, inputs as never, options);
      const outputs = made as unknown as Record<string, pulumi.Output<unknown>>;
      const state = Object.keys(described.properties).map((key) => [key, outputs[key]] as const);
      return { urn: made.urn, state: Object.fromEntries(state) };
    },
  };
}
