// Stands in for the daemon in its own unit and tries what the sandbox must not let it do; prints what happened.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const attempt = (work) => {
  try {
    return work() ?? 'done';
  } catch (error) {
    return error.code ?? String(error);
  }
};
const listen = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.on('error', (error) => resolve(error.code));
    server.listen(port, () => server.close(() => resolve('done')));
  });
const start = (file, ...args) => {
  const { error, status } = spawnSync(file, args);
  return error?.code ?? `ended with ${status}`;
};
const write = (path) => attempt(() => writeFileSync(path, 'x'));

console.log(
  JSON.stringify({
    shadow: attempt(() => readFileSync('/etc/shadow', 'utf8').slice(0, 4)),
    executorKey: attempt(() => readFileSync('/opt/vm-agent/trust/executor.key', 'utf8').slice(0, 4)),
    ledger: attempt(() => readFileSync('/var/lib/vm-agent-exec/executor.db').length),
    rootHome: attempt(() => readdirSync('/root').length),
    writeEtc: write('/etc/vm-agent-probe'),
    writeTrust: write('/opt/vm-agent/trust/probe'),
    writePolicy: write('/opt/vm-agent/config/policy.yaml'),
    writeProgram: write('/opt/vm-agent/current/vm-agent.mjs'),
    shell: start('/bin/sh', '-c', 'true'),
    shellByLoader: start('/lib64/ld-linux-x86-64.so.2', '/bin/true'),
    systemdRun: start('/usr/bin/systemd-run', 'true'),
    others: readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).length,
    port443: await listen(443),
    // What it must be able to do, so that the rest means something.
    ownState: write('/var/lib/vm-agent/probe'),
    port8081: await listen(8081),
    ownRuntime: start(process.execPath, '--version'),
    policy: attempt(() => readFileSync('/opt/vm-agent/config/policy.yaml', 'utf8').length > 0 && 'done'),
  }),
);
