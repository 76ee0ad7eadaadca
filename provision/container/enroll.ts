import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { loadAgentConfig } from '../../agent/config.ts';
import { readCredentials } from '../../agent/identity/credentials.ts';
import { configFile, type DiskLayout } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Labels } from '../../protocol/provisioning-token.ts';
import { exists } from '../files.ts';
import { readEnrolment } from '../records.ts';
import { type RunInstaller, runInstaller } from '../run-installer.ts';
import { parseServerUrl } from '../server-url.ts';

export interface ContainerEnrolment extends Omit<RunInstaller, 'flags' | 'scope'> {
  /** The volume, as a home of its own. */
  layout: DiskLayout & { home: string };
  labels: Labels;
}

/**
 * Makes the identity of an agent in a container, by the installer's own steps, unless the volume holds one: then the token
 * is not looked at, and the orchestrator need not be there. Answers the exit code.
 * @throws AppError `bad_request`, `conflict`, `step_failed`
 */
export async function enrollContainer(run: ContainerEnrolment): Promise<number> {
  const { layout, labels, process } = run;
  const { env } = process;
  await refuseReadOnly(layout, process.getuid?.() ?? -1);
  await refuseInstalled(layout);
  const server = required(env['ORCHESTRATOR_URL']);
  if (await isEnrolled(layout)) {
    const { vmId } = await readCredentials(layout);
    await refuseOther(layout, server);
    process.stdout.write(`${vmId} is enrolled with ${parseServerUrl(server).origin}.\n`);
    return 0;
  }
  const tokenFile = await tokenFileOf(env);
  // The configured port and no other: probes look there.
  const { port } = (await loadAgentConfig({ layout, env })).server;
  return runInstaller({
    ...run,
    scope: 'identity',
    flags: {
      home: layout.home,
      serverUrl: server,
      port,
      label: labels,
      privilegedExecutor: false,
      ...(tokenFile === undefined ? {} : { tokenFile }),
    },
  });
}

/** All that the daemon needs; an enrolment that was interrupted is continued by the installer. */
async function isEnrolled(layout: DiskLayout): Promise<boolean> {
  if (!(await exists(configFile(layout).path))) return false;
  return readCredentials(layout).then(
    () => true,
    (cause: unknown) => {
      if (cause instanceof AppError && cause.code === 'not_enrolled') return false;
      throw cause;
    },
  );
}

const required = (url: string | undefined): string => {
  if (url !== undefined && url !== '') return url;
  throw new AppError('bad_request', {
    detail: 'The orchestrator’s address is missing.',
    hint: 'Set ORCHESTRATOR_URL to https://HOST:PORT in the container’s environment.',
  });
};

/** The file that was named, or undefined where the environment holds the token itself. */
async function tokenFileOf(env: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const file = env['PROVISIONING_TOKEN_FILE'];
  if (file !== undefined && file !== '') {
    if (await exists(file)) return file;
    throw new AppError('bad_request', {
      detail: `PROVISIONING_TOKEN_FILE names ${file}, which is not there.`,
      hint: 'Mount the secret that holds the token there; a volume that is enrolled needs none.',
    });
  }
  if ((env['PROVISIONING_TOKEN'] ?? '') !== '') return undefined;
  throw new AppError('token_invalid', {
    detail: 'This container is not enrolled, and has no provisioning token to do it with.',
    hint: 'Make one (vm-orchestrator token create --uses N for N machines), and set PROVISIONING_TOKEN, or PROVISIONING_TOKEN_FILE to a file that holds it.',
  });
}

/** One machine's identity is not used from two places. */
async function refuseInstalled({ root, current }: DiskLayout): Promise<void> {
  if (!(await exists(current))) return;
  throw new AppError('conflict', {
    detail: `${root} holds an agent that was installed on this machine; a container must not use its identity.`,
    hint: 'Remove it first (vm-agent uninstall), keep the container off this machine, or give it another volume.',
  });
}

async function refuseReadOnly({ root }: DiskLayout, uid: number): Promise<void> {
  const owner = await lstat(root).then(
    (found) => found.uid,
    () => undefined,
  );
  const writable = await access(root, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (writable) return;
  throw new AppError('step_failed', {
    detail:
      owner === undefined
        ? `${root} is not there.`
        : `${root} cannot be written: it belongs to uid ${owner}, and this runs as uid ${uid}.`,
    hint: `Mount a volume there that keeps the agent’s identity, and belongs to uid ${uid}; the image’s own command \`prepare\`, run as root, hands it over.`,
  });
}

async function refuseOther(layout: DiskLayout, server: string): Promise<void> {
  const enrolled = (await readEnrolment(layout))?.orchestrator_url;
  const wanted = parseServerUrl(server).origin;
  if (enrolled === undefined || enrolled === wanted) return;
  throw new AppError('conflict', {
    detail: `The agent in ${layout.root} is enrolled with ${enrolled}, not with ${wanted}.`,
    hint: 'Set ORCHESTRATOR_URL back, or empty the volume and give it a new token to enroll there.',
  });
}
