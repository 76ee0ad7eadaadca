// Starts programs for the benchmark and says how long they took. A process of its own, because a fork costs the more the larger
// the process is that forks: here everything that is compared is started by the same small one.
// In: { file, args, env }. Out: { ms, code, signal, stdout (bytes), text (the first 4 KiB of stdout), stderr (the same of stderr) }, or { error }.
import { spawn } from 'node:child_process';

const KEEP = 4096;

process.on('message', ({ file, args, env }) => {
  const started = performance.now();
  const child = spawn(file, args, { env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let bytes = 0;
  let text = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    bytes += chunk.length;
    if (text.length < KEEP) text += chunk.toString('latin1', 0, KEEP - text.length);
  });
  child.stderr.on('data', (chunk) => {
    if (stderr.length < KEEP) stderr += chunk.toString('utf8', 0, KEEP - stderr.length);
  });
  child.on('error', (error) => process.send({ error: error.message }));
  child.on('close', (code, signal) => {
    if (child.pid === undefined) return;
    const ms = performance.now() - started;
    process.send({ ms, code, signal, stdout: bytes, text, stderr });
  });
});
process.on('disconnect', () => process.exit(0));
