// `node scripts/test-server.mts --url https://HOST:8080 …`: drives a running agent through every endpoint and tool and
// prints what fails. On the VM itself `vm-agent test` does the same without arguments.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { AgentClient } from '../agent/client.ts';
import { tryAgent } from '../cli/test.ts';

const HELP = `node scripts/test-server.mts --url https://HOST:PORT [options]

  --url URL             the agent (http://127.0.0.1:PORT on the VM itself)
  --api-key-file FILE   the VM's security/api_key (or VM_AGENT_API_KEY)
  --ca-file FILE        PEM of the CA, the VM's security/ca.crt
  --servername NAME     name in the agent's certificate: AGENT_ID.agent.internal, or localhost
  --cert-file FILE, --key-file FILE   a client certificate
  --json
`;

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    'api-key-file': { type: 'string' },
    'ca-file': { type: 'string' },
    servername: { type: 'string' },
    'cert-file': { type: 'string' },
    'key-file': { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || values.url === undefined) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
const file = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path, 'utf8'));
const client = new AgentClient({
  url: values.url,
  apiKey: process.env['VM_AGENT_API_KEY'] ?? file(values['api-key-file'])?.trim(),
  tls: {
    ca: file(values['ca-file']),
    servername: values.servername,
    cert: file(values['cert-file']),
    key: file(values['key-file']),
  },
});
process.exitCode = await tryAgent(client, values, { process });
