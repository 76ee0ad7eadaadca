import { agentChecks, JOURNAL_CHECK, PORT_CHECK, PROXY_CHECK, VERSION_CHECK } from './agent.ts';
import type { Bench } from './bench.ts';
import type { Check } from './check.ts';
import { CERTIFICATE_CHECKS, SETTINGS_CHECKS } from './identity.ts';
import { INSTALLATION_CHECKS } from './installation.ts';
import { MACHINE_CHECKS } from './machine.ts';
import { SERVICE_CHECKS } from './service.ts';
import { WAY_CHECKS } from './way-checks.ts';

const ON_THE_WAY: readonly Check<Bench>[] = WAY_CHECKS.flatMap(({ run, ...check }) => {
  const here: Check<Bench> = {
    ...check,
    needs: [...(check.needs ?? []), 'installed'],
    run: ({ way }) => run(way),
  };
  return check.id === 'tls' ? [...CERTIFICATE_CHECKS, here] : [here];
});

/** Everything that is checked on an agent's machine, causes before what follows from them. */
export function allChecks(system: boolean): Check<Bench>[] {
  const before = [
    ...MACHINE_CHECKS,
    ...INSTALLATION_CHECKS,
    ...SETTINGS_CHECKS,
    PROXY_CHECK,
    ...ON_THE_WAY,
    PORT_CHECK,
    ...(system ? SERVICE_CHECKS : []),
  ];
  return [
    ...before,
    ...agentChecks(before.map(({ id }) => id)),
    VERSION_CHECK,
    ...(system ? [JOURNAL_CHECK] : []),
  ];
}
