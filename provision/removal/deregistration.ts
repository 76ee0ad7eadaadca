import { type Credentials, clientCredentials, readCredentials } from '../../agent/identity/credentials.ts';
import { type DiskLayout, replacementLayout, securityEntry } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { exists } from '../files.ts';
import type { Step } from '../step.ts';
import { type RemovalContext, removalStep } from './context.ts';

/** Every identity on the machine: the one in use, and one that a reinstallation was about to put in its place. */
const identities = (layout: DiskLayout): DiskLayout[] => [
  layout,
  replacementLayout(layout, 'made'),
  replacementLayout(layout, 'granted'),
];

const serverOf = (own: Pick<Credentials, 'websocketUrl'>): URL =>
  new URL(new URL(own.websocketUrl.replace(/^wss:/, 'https:')).origin);

/**
 * Asks the orchestrator, as the agent itself, to end the agent. That it cannot be asked keeps nobody from removing
 * an agent: then the person is told what is left to do there.
 */
export function deregistration(
  ctx: Pick<RemovalContext, 'layout' | 'orchestratorAt' | 'note' | 'report'>,
): Step {
  const { layout, report } = ctx;
  return removalStep({
    id: 'deregistration',
    title: 'Deregistration',
    async isDone() {
      const present = await Promise.all(
        identities(layout).map((one) => exists(securityEntry(one, 'certificate').path).catch(() => true)),
      );
      return !present.includes(true);
    },
    async apply() {
      for (const identity of identities(layout)) {
        const own = await readCredentials(identity).catch(() => undefined);
        if (own !== undefined) await deregister(own);
      }
      if (report.vmIds.length === 0) return 'no identity that the orchestrator knows';
      return report.deregistered === 'done'
        ? `${report.vmIds.join(', ')} ended at the orchestrator`
        : 'the orchestrator was not told';
    },
  });

  async function deregister(own: Credentials): Promise<void> {
    const server = serverOf(own);
    report.vmIds.push(own.vmId);
    try {
      await ctx.orchestratorAt(server).deregister(own.vmId, clientCredentials(own));
      if (report.deregistered === 'not_enrolled') report.deregistered = 'done';
    } catch (cause) {
      if (!(cause instanceof AppError)) throw cause;
      report.deregistered = 'unreachable';
      ctx.note(`warning: ${server.origin} could not be told: ${cause.message}\n${byHand(own.vmId)}`);
    }
  }
}

export const byHand = (vmId: string): string =>
  `The removal goes on. Revoke the agent there by: vm-orchestrator agents revoke ${vmId}`;
