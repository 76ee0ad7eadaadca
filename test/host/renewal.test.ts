// Keys and certificates are renewed by the daemon as it is installed: without root, on a file system that is not its own.
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTempHome } from '../fakes/temp-home.ts';
import { runProgram } from './harness/command.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

const SECURITY = '/opt/vm-agent/security';

let machine: Machine;
let orchestrator: HostOrchestrator;
beforeAll(async () => {
  machine = await bootMachine({ hostname: 'renew-1' });
  orchestrator = await serve({
    address: machine.hostAddress,
    prefix: ['env', 'VM_ORCHESTRATOR_AGENT_CERTIFICATE_TTL=20s'],
  });
  const { one_liner } = await orchestrator.createToken('--label', 'env=test');
  const { code, out, err } = await machine.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`not enrolled: ${out}${err}`);
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

it('[cert-2] renews twice under its hardening, with modes, owners and a chain that openssl verifies', async () => {
  const keyOf = async () => (await machine.runOk(`sha256sum ${SECURITY}/vm_agent.key`)).out;
  let before = await keyOf();
  for (let round = 0; round < 2; round++) {
    await machine.waitFor('another key', async () => (await keyOf()) !== before);
    before = await keyOf();
  }
  // A steady state may be a step of the next renewal: each file is the service's, and each key its alone.
  const { out } = await machine.runOk(`stat -c '%a %U:%G %n' ${SECURITY}/*`);
  const lines = out.trim().split('\n');
  expect(lines.filter((line) => !/^(600|644) vm-agent:vm-agent /.test(line))).toEqual([]);
  expect(lines.filter((line) => /\.key|api_key/.test(line) && !line.startsWith('600 '))).toEqual([]);
  // The machine itself has no openssl; what people's scripts do elsewhere with copies of these two holds.
  await using copies = await createTempHome();
  for (const name of ['ca.crt', 'vm_agent.crt'])
    await writeFile(copies.join(name), (await machine.runOk(['cat', `${SECURITY}/${name}`])).out);
  const verify = ['openssl', 'verify', '-CAfile', copies.join('ca.crt'), copies.join('vm_agent.crt')];
  expect((await runProgram(verify)).out).toContain(': OK');
  const status = await machine.runOk(['vm-agent', 'status']);
  expect(status.out).toMatch(/^certificate +.* seconds left, until .*; renewed at /m);
  const ran = await orchestrator.cli(['run', '--selector', 'env=test', '--', 'id -un'], 120_000);
  expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('root')]);
});
