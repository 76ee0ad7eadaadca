import { readFileSync } from 'node:fs';

// The build writes the version into each bundle; run from a checkout, package.json says it.
declare const VM_AGENT_VERSION: string | undefined;

function fromPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version?: unknown }).version);
}

/** The version of this program, as in package.json. */
export const PROGRAM_VERSION: string =
  typeof VM_AGENT_VERSION === 'string' ? VM_AGENT_VERSION : fromPackage();
