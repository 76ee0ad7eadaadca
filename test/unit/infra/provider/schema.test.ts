import { join } from 'node:path';
import { Analyzer } from '@pulumi/pulumi/provider/experimental/analyzer.js';
import { generateSchema } from '@pulumi/pulumi/provider/experimental/schema.js';
import { expect, it } from 'vitest';
import { ROOT } from '../../../../scripts/lib/root.ts';

const COMPONENTS = ['AgentFleet', 'AgentHost', 'AgentUserData', 'ProvisioningToken'];

/** As the SDK's componentProviderHost makes it at each start; without a version, which the provider knows itself. */
function schemaOfTypes(): object {
  const analyzer = new Analyzer(join(ROOT, 'infra'), 'vm-agent', { name: 'vm-agent' }, new Set(COMPONENTS));
  const { components, typeDefinitions, dependencies } = analyzer.analyze();
  const description = 'vm-agent on fleets of machines';
  const { version: _, ...schema } = generateSchema(
    'vm-agent',
    '',
    description,
    components,
    typeDefinitions,
    dependencies,
  );
  return schema;
}

// What programs in other languages are written against. After a change: vitest's -u.
it('the schema that is shipped says what the types of the components say', async () => {
  const text = `${JSON.stringify(schemaOfTypes(), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(ROOT, 'infra/provider/schema.json'));
}, 60_000);
