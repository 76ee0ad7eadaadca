// A machine that an orchestrator has enrolled, which knows the orchestrator by a name.
import type { Machine } from '../harness/machine.ts';
import type { HostOrchestrator } from './orchestrator.ts';

export const NAME = 'fleet.test';

/** Gives the orchestrator's address a name on the machine. */
export const nameOrchestrator = (machine: Machine): Promise<unknown> =>
  machine.runOk(`grep -q ${NAME} /etc/hosts || echo '${machine.hostAddress} ${NAME}' >> /etc/hosts`);

export async function enroll(machine: Machine, orchestrator: HostOrchestrator, env = {}): Promise<void> {
  const { one_liner } = await orchestrator.createToken();
  const { code, out, err } = await machine.run(['bash'], {
    input: `${one_liner}\n`,
    timeoutMs: 120_000,
    env,
  });
  if (code !== 0) throw new Error(`not enrolled: ${out}${err}`);
}

/** Lets the agent connect by the name instead of the address. */
export async function useName(machine: Machine): Promise<void> {
  await nameOrchestrator(machine);
  const files = '/opt/vm-agent/config/agent_config.yaml /opt/vm-agent/security/websocket_url';
  await machine.runOk(`sed -i 's/${machine.hostAddress}/${NAME}/' ${files}`);
  await machine.runOk(['systemctl', 'restart', 'vm-agent']);
  await healthy(machine);
}

export const healthy = (machine: Machine): Promise<unknown> =>
  machine.waitFor(
    'a healthy agent',
    async () => (await machine.run(['curl', '-fs', 'http://127.0.0.1:8080/health'])).code === 0,
    60_000,
  );
