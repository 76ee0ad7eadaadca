import { EXEC_SERVICE_UNIT, EXEC_SOCKET_UNIT, SERVICE_UNIT } from '../protocol/disk-layout.ts';

/** A unit as it is installed, and its file in the `units` folder of a version. */
export interface ShippedUnit {
  name: string;
  file: string;
}

/** With the executor the daemon is confined to its own state; without it commands share its confinement. */
export const unitsFor = (privilegedExecutor: boolean): readonly ShippedUnit[] =>
  privilegedExecutor
    ? [SERVICE_UNIT, EXEC_SOCKET_UNIT, EXEC_SERVICE_UNIT].map((name) => ({ name, file: name }))
    : [{ name: SERVICE_UNIT, file: 'vm-agent.unprivileged.service' }];

/** Units that the other kind of installation has and this one has not. */
export const unitsToRemove = (privilegedExecutor: boolean): readonly string[] =>
  privilegedExecutor ? [] : [EXEC_SOCKET_UNIT, EXEC_SERVICE_UNIT];
