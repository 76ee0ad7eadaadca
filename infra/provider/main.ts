// `pulumi-resource-vm-agent`: the engine starts it for programs in YAML, Python, Go and others.
import { readFileSync } from 'node:fs';
import { main } from '@pulumi/pulumi/provider/index.js';
import { componentProvider } from './components.ts';

// The build writes the version into the bundle; run from a checkout, package.json says it.
declare const VM_AGENT_VERSION: string | undefined;

function fromPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version?: unknown }).version);
}

await main(
  componentProvider(typeof VM_AGENT_VERSION === 'string' ? VM_AGENT_VERSION : fromPackage()),
  process.argv.slice(2),
);
