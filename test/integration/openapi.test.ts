import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { pythonWith } from '../mcp/support/cached.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { makeRestObjects, type RestObjects } from './support/rest-objects.ts';

/** A foreign reader of the document, which tries what it says. */
const SCHEMATHESIS = ['schemathesis==4.32.5'];
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];
/** What cannot be tried by one who waits for the end of each answer, with the reason. */
const LEFT_OUT = {
  // Streams without an end, and upgrades to WebSocket; each has tests of its own.
  '/events$': 'Server-Sent Events',
  '/(terminal|ws)$': 'WebSocket',
  // Nobody but an agent has an agent's certificate.
  '^/api/v1/agents/\\{vm_id\\}': 'paths of agents',
};
const LEFT_OUT_PATTERN = Object.keys(LEFT_OUT).join('|');
/** Of what Schemathesis says, so much of each line and of the whole is shown. */
const SHOWN = { line: 300, lines: 120 };

let home: TempHome;
let orchestrator: OrchestratorProcess;
let objects: RestObjects | undefined;
let python: string | undefined;
beforeAll(async () => {
  python = await pythonWith(SCHEMATHESIS);
  home = await createTempHome();
  orchestrator = await startOrchestrator({ args: ['--rate-limit', 'off', '--failure-limit', '100000/1'] });
}, 300_000);
afterAll(async () => {
  await objects?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
  await home?.remove();
});

interface Document {
  paths: Record<string, Record<string, { parameters: { name: string; in: string }[] }>>;
}

/** Every operation that is tried. */
const operationsOf = ({ paths }: Document): [method: string, path: string][] =>
  Object.entries(paths)
    .filter(([path]) => !new RegExp(LEFT_OUT_PATTERN).test(path))
    .flatMap(([path, methods]) => Object.keys(methods).map((m): [string, string] => [m.toUpperCase(), path]));

/** Each operation with parameters that mean something. */
function configFor(document: Document, { parametersFor }: RestObjects): string {
  return operationsOf(document)
    .map(([method, path]) => {
      const parameters = Object.entries(parametersFor(`${method} ${path}`))
        .map(([name, value]) => `${JSON.stringify(name)} = ${JSON.stringify(value)}`)
        .join(', ');
      return `[[operations]]\ninclude-name = "${method} ${path}"\nparameters = { ${parameters} }\n`;
    })
    .join('\n');
}

/** Drawn keys repeat, and a repeat is refused before anything is tried; keys have tests of their own. */
const withoutKeys = ({ paths, ...rest }: Document): Document => ({
  ...rest,
  paths: Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, { parameters, ...operation }]) => [
          method,
          { ...operation, parameters: parameters.filter(({ name }) => name !== 'Idempotency-Key') },
        ]),
      ),
    ]),
  ),
});

/** The failures, short enough to be read. */
function shown(output: string): string {
  const lines = output
    .slice(Math.max(0, output.indexOf('= FAILURES =')))
    .split('\n')
    .map((line) => (line.length > SHOWN.line ? `${line.slice(0, SHOWN.line)} …` : line));
  const more = lines.length - SHOWN.lines;
  return [...lines.slice(0, SHOWN.lines), ...(more > 0 ? [`… and ${more} lines more`] : [])].join('\n');
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
    const document = (await orchestrator.call<Document>({ path: '/api/v1/openapi.json' })).body;
    objects = await makeRestObjects(orchestrator);
    await writeFile(home.join('schemathesis.toml'), configFor(document, objects));
    await writeFile(home.join('openapi.json'), JSON.stringify(withoutKeys(document)));
    await writeFile(home.join('ca.crt'), orchestrator.ca);
    const { code, output } = await schemathesis(
      [
        'run',
        home.join('openapi.json'),
        ...['--url', orchestrator.url],
        ...['--tls-verify', home.join('ca.crt'), '--checks', CHECKS.join(',')],
        ...['-H', `Authorization: Bearer ${orchestrator.credentials.api_token}`],
        ...['--phases', 'examples,coverage,fuzzing', '--max-examples', '5', '--seed', '20261127'],
        ...['--exclude-path-regex', LEFT_OUT_PATTERN, '--suppress-health-check', 'all'],
        ...['--request-timeout', '20', '--no-color', '--continue-on-failure', '--no-shrink'],
        // Not two: before Python 3.13, threads that parse its sources at the same time break each other (gh-106905).
        ...['--warnings', 'off', '--workers', '1'],
      ],
      home.path,
    );
    if (process.env['SCHEMA_LOG']) await writeFile(process.env['SCHEMA_LOG'], output);
    expect(code, shown(output)).toBe(0);
    expect(output).toMatch(new RegExp(`Tested: ${operationsOf(document).length}\\b`));
  }, 300_000);

  it('is found where the contract says, and says who may do what', async () => {
    const { body } = await orchestrator.call<Document>({ path: '/api/v1/openapi.json', token: null });
    expect(body).toMatchObject({ openapi: '3.1.1' });
    expect(body.paths[`${ORG.replace('default', '{org}')}/jobs`]?.['post']).toMatchObject({
      'x-needs': 'jobs.run',
    });
  });
});
