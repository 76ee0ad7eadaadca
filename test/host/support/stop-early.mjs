// Runs on a machine, beside a copy of the package's client: starts commands in the background and stops each at another
// moment of its start. Prints what their states were, as a JSON array.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from './client.mjs';

const apiKey = readFileSync('/opt/vm-agent/security/api_key', 'utf8').trim();
const client = new AgentClient({ url: 'http://127.0.0.1:8080', apiKey });
const states = new Set();
for (let ms = 0; ms < 60; ms += 2) {
  const { command_id: id } = await client.execute({ command: 'sleep 30', background: true, timeout: 60 });
  await sleep(ms);
  states.add((await client.stopCommand({ id })).state);
}
console.log(JSON.stringify([...states]));
