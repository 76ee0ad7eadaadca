import { replacementLayout, UNIT_DIR } from '../protocol/disk-layout.ts';
import type { InstallContext } from './context.ts';
import { COMMAND_PATH } from './finisher.ts';
import type { Step } from './step.ts';
import { caCertificate } from './steps/ca-certificate.ts';
import { configuration } from './steps/configuration.ts';
import { apiKey, keyAndCsr, vmId } from './steps/identity.ts';
import { registration } from './steps/registration.ts';
import { runtime } from './steps/runtime.ts';
import { service } from './steps/service.ts';
import { signedCertificate } from './steps/signed-certificate.ts';
import { switchIdentity } from './steps/switch-identity.ts';
import { systemDependencies } from './steps/system-dependencies.ts';
import { trialRun } from './steps/trial-run.ts';

/**
 * How a machine becomes an agent, in this order. Each step looks at the machine and changes what is not yet so.
 * With `replacement` a new identity is made beside the old one, which stays whole and in use until then.
 */
export function installationPlan(ctx: InstallContext, replacement: boolean): Step[] {
  return [
    systemDependencies(ctx),
    runtime({ ...ctx, command: COMMAND_PATH }),
    ...(replacement ? replacementPlan(ctx) : enrolmentPlan(ctx)),
    configuration(ctx),
    ctx.mode === 'system' ? service({ ...ctx, unitDir: UNIT_DIR }) : trialRun(ctx),
  ];
}

/** The part of it that makes the machine's identity. */
function enrolmentPlan(ctx: InstallContext): Step[] {
  return [
    caCertificate(ctx),
    vmId(ctx),
    apiKey(ctx),
    keyAndCsr(ctx),
    registration(ctx),
    signedCertificate(ctx),
  ];
}

function replacementPlan(ctx: InstallContext): Step[] {
  const beside = { ...ctx, layout: replacementLayout(ctx.layout, 'made') };
  return [...enrolmentPlan(beside), switchIdentity(ctx)];
}
