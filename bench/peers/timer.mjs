// Runs inside the machine of a benchmark: a line of JSON in, [file, ...arguments]; a line out, its milliseconds or why not.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

for await (const line of createInterface({ input: process.stdin })) {
  const [file, ...args] = JSON.parse(line);
  const started = performance.now();
  const child = spawn(file, args, { stdio: 'ignore' });
  const answer = await new Promise((resolve) => {
    child.on('error', (error) => resolve({ error: error.message }));
    child.on('exit', (code) =>
      resolve(code === 0 ? { ms: performance.now() - started } : { error: `ended with ${code}` }),
    );
  });
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
