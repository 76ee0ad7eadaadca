// Whether this machine can run the pulumi suite. As a program it prints the reasons why not as a JSON array; it
// builds the engine where there is none, which takes minutes the first time.
import { hostSuiteObstacles } from '../../host/harness/preflight.ts';
import { providePulumi } from './engine.ts';

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const reasons = [...(await hostSuiteObstacles())];
try {
  await providePulumi((line) => console.error(`  ${line}`));
} catch (error) {
  reasons.push(error instanceof Error ? error.message : String(error));
}
process.stdout.write(`${JSON.stringify(reasons)}\n`);
