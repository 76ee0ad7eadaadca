// Runs in a machine as the daemon's user: sends frames to the executor's socket, as a hijacked daemon could, and prints
// what it answers. Arguments: a file with a JSON array of messages, and the socket. Ends when each `start` has been answered.
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';

const messages = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const answers = {};
const socket = createConnection(process.argv[3] ?? '/run/vm-agent/exec.sock');
const send = (value) => {
  const body = Buffer.from(JSON.stringify(value));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 0);
  socket.write(Buffer.concat([head, body]));
};
send({ type: 'hello', protocol: 1, version: '0' });
for (const message of messages) send(message);
let buffered = Buffer.alloc(0);
socket.on('data', (chunk) => {
  buffered = Buffer.concat([buffered, chunk]);
  while (buffered.length >= 5) {
    const length = buffered.readUInt32BE(0);
    if (buffered.length < 5 + length) return;
    const [kind, body] = [buffered[4], buffered.subarray(5, 5 + length)];
    buffered = buffered.subarray(5 + length);
    if (kind !== 0) continue;
    const answer = JSON.parse(body.toString());
    if (answer.id === undefined) continue;
    answers[answer.id] = answer.type === 'refused' ? answer.code : answer.end;
    if (Object.keys(answers).length < messages.length) continue;
    console.log(JSON.stringify(answers));
    process.exit(0);
  }
});
socket.on('error', (error) => {
  console.log(JSON.stringify({ error: error.code }));
  process.exit(1);
});
