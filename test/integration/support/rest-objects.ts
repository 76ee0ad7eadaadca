import { X509Certificate } from 'node:crypto';
import { MADE } from '../authorization/examples.ts';
import { enrollAgent, submitJob } from './fleet.ts';
import { type Machine, startMachine } from './machine.ts';
import type { CallOptions, OrchestratorProcess } from './orchestrator.ts';
import { makeRecording } from './recording.ts';

/** An operation of the document, such as `GET /api/v1/organizations/{org}/jobs/{id}`. */
export type Operation = string;

const ORG = '/api/v1/organizations/{org}';
const AGENT = `${ORG}/agents/{id}`;
/** What the agent may do for whoever tries random bodies: look at processes and work in one folder. */
const policyFor = (folder: string) => `version: 1
grants:
  orchestrator:
    tools: { allow: [get_process_list, read_file, download_file, upload_file] }
    roots: { read: ["${folder}"], write: ["${folder}"] }
upgrade: deny
`;

/**
 * Operations that would take from the others what they need have an organization of their own. The same name is the
 * same organization.
 */
const OWN_ORGANIZATION: Readonly<Record<Operation, string>> = {
  [`DELETE ${ORG}`]: 'to-be-deleted',
  [`PATCH ${ORG}`]: 'to-be-renamed',
  // One of its locks stops everybody, one of its rules every job.
  [`POST ${ORG}/locks`]: 'to-be-locked',
  [`POST ${ORG}/approval-rules`]: 'to-be-ruled',
  [`PUT ${ORG}/approval-rules/{id}`]: 'to-be-ruled',
};

/** Query parameters that must mean something that exists. */
const QUERIES: Readonly<Record<Operation, (machine: Machine) => Record<string, string>>> = {
  // A call that is given less than it takes is answered with 504, as it should.
  [`POST ${AGENT}/tools/{tool}`]: () => ({ wait: '20' }),
  [`GET ${AGENT}/files/content`]: (machine) => ({ path: machine.join('read.txt') }),
  [`PUT ${AGENT}/files/uploads/{upload_id}`]: (machine) => ({ path: machine.join('upload') }),
  [`DELETE ${AGENT}/files/uploads/{upload_id}`]: (machine) => ({ path: machine.join('upload') }),
};

const parametersOf = (path: string) =>
  [...path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, noun = '', name = '']) => ({ noun, name }));

export interface RestObjects extends AsyncDisposable {
  /** Values of path and query parameters. @throws for a parameter that nothing is known of: add it to `objects` */
  parametersFor(operation: Operation): Record<string, string>;
}

/**
 * One object of each kind that paths name, so that more is tried than "not found". What an operation changes or
 * deletes is another one than what the rest reads.
 */
export async function makeRestObjects(orchestrator: OrchestratorProcess): Promise<RestObjects> {
  const call = async <T>(options: CallOptions): Promise<T> => {
    const answer = await orchestrator.call<T>(options);
    if (answer.status < 300) return answer.body;
    throw new Error(`${options.path}: ${answer.status} ${answer.text}`);
  };
  const machine = await startMachine(orchestrator, { policy: policyFor, files: { 'read.txt': 'read me\n' } });
  const orgOf = async (name: string) =>
    (await call<{ id: string }>({ path: '/api/v1/organizations', body: { name } })).id;
  const own = new Map<string, string>();
  for (const name of new Set(Object.values(OWN_ORGANIZATION))) own.set(name, await orgOf(name));

  const { id: organizationId } = await call<{ id: string }>({ path: '/api/v1/organizations/default' });
  async function objects(name: string, org: string): Promise<Record<string, string>> {
    const made: Record<string, string> = {};
    for (const [parameter, { path, body }] of Object.entries(MADE)) {
      const object = await call<{ id: string }>({
        path: `/api/v1/organizations/${org}/${path}`,
        body: body(name),
      });
      made[parameter] = object.id;
    }
    return made;
  }
  async function things(name: string): Promise<Record<string, string>> {
    const made = await objects(name, 'default');
    const agent = await enrollAgent(orchestrator);
    // Offline, so that its jobs wait and can be paused and cancelled.
    const selector = `id=${agent.vmId}`;
    const job = await submitJob(orchestrator, { selector, rollout: {} });
    const asker = await call<{ token: string }>({
      path: '/api/v1/organizations/default/api-tokens',
      body: { name: `asks for ${name}`, role: 'operator' },
    });
    // Nobody approves what he asked for himself.
    const command = { selector, arguments: { command: `wait for ${name}` } };
    await submitJob(orchestrator, command, { authorization: `Bearer ${asker.token}` });
    const { items } = await call<{ items: { id: string }[] }>({
      path: '/api/v1/organizations/default/approvals',
    });
    const user = await call<{ id: string }>({
      path: '/api/v1/users',
      body: {
        username: name,
        password: 'five random words of a person',
        organizations: [{ organization: 'default', role: 'viewer' }],
      },
    });
    const agentId = agent.machine.response.agent_id;
    const { fingerprint256 } = new X509Certificate(agent.machine.tls.cert);
    const recordingId = await makeRecording(orchestrator.dataDir, {
      id: organizationId,
      agentId: agent.machine.response.agent_id,
      vmId: agent.vmId,
      canary: name,
    });
    return {
      ...made,
      'agents/{id}': agent.machine.response.agent_id,
      'agents/{agent_id}': agentId,
      'certificates/{certificate}': fingerprint256.replaceAll(':', '').toLowerCase(),
      'jobs/{id}': job.id,
      'commands/{id}': job.commands[0]?.id ?? '',
      'approvals/{id}': items[0]?.id ?? '',
      'users/{id}': user.id,
      'recordings/{id}': recordingId,
      'terminals/{id}': recordingId,
      // A token has no sessions; the path must be right all the same.
      'sessions/{id}': 'ses-01hzzzzzzzzzzzzzzzzzzzzzzz',
      // Of an orchestrator that was never put back there are none.
      'restores/{id}': 'rst-01hzzzzzzzzzzzzzzzzzzzzzzz',
      'tools/{tool}': 'get_process_list',
      'uploads/{upload_id}': 'ab'.repeat(16),
    };
  }
  const kept = await things('kept');
  const given = await things('given');
  const ruled = await objects('ruled', own.get('to-be-ruled') ?? '');

  return {
    parametersFor(operation) {
      const [method = '', path = ''] = operation.split(' ');
      const name = OWN_ORGANIZATION[operation];
      const onMachine = path.startsWith(`${AGENT}/`);
      const set = name === 'to-be-ruled' ? ruled : method === 'GET' ? kept : given;
      const values: Record<string, string> = {};
      for (const parameter of parametersOf(path)) {
        const key = `${parameter.noun}/{${parameter.name}}`;
        const value =
          key === 'organizations/{org}'
            ? ((name === undefined ? undefined : own.get(name)) ?? 'default')
            : key === 'agents/{id}' && onMachine
              ? machine.vmId
              : set[key];
        if (value === undefined) throw new Error(`${operation}: nothing is known of ${key}`);
        values[`path.${parameter.name}`] = value;
      }
      for (const [query, value] of Object.entries(QUERIES[operation]?.(machine) ?? {}))
        values[`query.${query}`] = value;
      return values;
    },
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
}
