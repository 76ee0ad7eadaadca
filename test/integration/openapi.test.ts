import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { pythonWith } from '../mcp/support/cached.ts';
import { createToken } from './support/enroll.ts';
import { enrollAgent, ORG, submitJob } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

/** A foreign reader of the document, which tries what it says. */
const SCHEMATHESIS = ['schemathesis==4.32.5'];
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];
/** Streams without an end are followed by tests of their own; nobody but an agent has an agent's certificate. */
const LEFT_OUT = '/events$|/terminal$|^/api/v1/agents/\\{vm_id\\}';

let home: TempHome;
let orchestrator: OrchestratorProcess;
let python: string | undefined;
beforeAll(async () => {
  python = await pythonWith(SCHEMATHESIS);
  home = await createTempHome();
  orchestrator = await startOrchestrator();
}, 300_000);
afterAll(async () => {
  await orchestrator?.stop();
  await home?.remove();
});

interface Document {
  paths: Record<string, Record<string, { parameters: { name: string; in: string }[] }>>;
}

/** Identifiers of things that exist, so that more than "not found" is tried. What is deleted is made for it. */
async function config(): Promise<string> {
  const kept = await enrollAgent(orchestrator);
  const given = await enrollAgent(orchestrator);
  const agent = kept.fake(orchestrator);
  await agent.connect();
  await agent.drop();
  const job = await submitJob(orchestrator, { selector: `id=${kept.vmId}` });
  const token = await createToken(orchestrator);
  const ids: Readonly<Record<string, string>> = {
    'GET /api/v1/organizations/{org}/agents/{id}': kept.machine.response.agent_id,
    'DELETE /api/v1/organizations/{org}/agents/{id}': given.machine.response.agent_id,
    'GET /api/v1/organizations/{org}/jobs/{id}': job.id,
    'POST /api/v1/organizations/{org}/jobs/{id}/cancel': job.id,
    'GET /api/v1/organizations/{org}/commands/{id}': job.commands[0]?.id ?? '',
    'GET /api/v1/organizations/{org}/commands/{id}/output': job.commands[0]?.id ?? '',
    'DELETE /api/v1/organizations/{org}/provisioning-tokens/{id}': token.id,
  };
  const operations = Object.entries(ids).map(([operation, id]) => {
    const [method, path] = operation.split(' ');
    return `[[operations]]\ninclude-method = "${method}"\ninclude-path = "${path}"\nparameters = { "path.id" = "${id}" }\n`;
  });
  return `[parameters]\n"path.org" = "default"\n\n${operations.join('\n')}`;
}

function schemathesis(args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  const program = join(dirname(python ?? ''), 'schemathesis');
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { cwd, maxBuffer: 64 * 1024 * 1024, env: { PATH: process.env['PATH'] ?? '', HOME: cwd } },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    );
  });
}

describe('the OpenAPI document', () => {
  it('[rest-1] holds for every operation: no server error, no answer that it does not describe', async ({
    skip,
  }) => {
    if (python === undefined) return skip('there is no python3 that can make a virtual environment');
    await writeFile(home.join('schemathesis.toml'), await config());
    await writeFile(home.join('ca.crt'), orchestrator.ca);
    const { code, output } = await schemathesis(
      [
        'run',
        `${orchestrator.url}/api/v1/openapi.json`,
        ...['--tls-verify', home.join('ca.crt'), '--checks', CHECKS.join(',')],
        ...['-H', `Authorization: Bearer ${orchestrator.credentials.api_token}`],
        ...['--phases', 'examples,coverage,fuzzing', '--max-examples', '15', '--seed', '20261127'],
        ...['--exclude-path-regex', LEFT_OUT, '--suppress-health-check', 'all', '--rate-limit', 'auto'],
        ...['--request-timeout', '20', '--no-color', '--continue-on-failure'],
      ],
      home.path,
    );
    expect(output, output).toContain('generated');
    expect(code, output).toBe(0);
    const document = (await orchestrator.call<Document>({ path: '/api/v1/openapi.json' })).body;
    const operations = Object.entries(document.paths)
      .filter(([path]) => !new RegExp(LEFT_OUT).test(path))
      .flatMap(([, methods]) => Object.keys(methods));
    expect(output).toMatch(new RegExp(`Tested: ${operations.length}\\b`));
  }, 300_000);

  it('is found where the contract says, and says who may do what', async () => {
    const { body } = await orchestrator.call<Document>({ path: '/api/v1/openapi.json', token: null });
    expect(body).toMatchObject({ openapi: '3.1.1' });
    expect(body.paths[`${ORG.replace('default', '{org}')}/jobs`]?.['post']).toMatchObject({
      'x-needs': 'jobs.run',
    });
  });
});
