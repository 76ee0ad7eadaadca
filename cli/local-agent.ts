import type { AgentClient } from '../agent/client.ts';
import { type CliContext, layoutFor } from './context.ts';

export interface LocalFlags {
  home?: string;
}

/**
 * A client of the agent on this machine, with its API key. TLS with the agent's own name where the CA can be read, so
 * that the key is shown to this agent alone and not to whoever else listens on its port.
 * @throws AppError that says which file may not be read, or that this machine is not enrolled.
 */
export async function localAgent(flags: LocalFlags, ctx: CliContext): Promise<AgentClient> {
  const { AgentClient } = await import('../agent/client.ts');
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  const { agentPort } = await import('./status.ts');
  const layout = layoutFor(flags.home, ctx);
  const apiKey = ctx.process.env['VM_AGENT_API_KEY'] || (await ownKey(flags, ctx));
  const optional = (file: 'ca' | 'agentId') => readSecurityFile(layout, file).catch(() => undefined);
  const [ca, agentId] = [await optional('ca'), await optional('agentId')];
  const port = await agentPort(flags, ctx);
  const { certFile, tls } = await serverTls(flags, ctx);
  if (!tls || ca === undefined || agentId === undefined)
    return new AgentClient({ url: `http://127.0.0.1:${port}`, apiKey });
  if (certFile !== undefined) {
    // A certificate of the owner's own, whose name and issuer nobody here knows: that very file is trusted.
    const { readFile } = await import('node:fs/promises');
    const own = await readFile(certFile, 'utf8').catch(() => undefined);
    if (own === undefined) return new AgentClient({ url: `http://127.0.0.1:${port}`, apiKey });
    const { X509Certificate } = await import('node:crypto');
    const names = new X509Certificate(own).subjectAltName ?? '';
    const servername = /DNS:([^,]+)/.exec(names)?.[1];
    return new AgentClient({ url: `https://127.0.0.1:${port}`, apiKey, tls: { ca: own, servername } });
  }
  // Kept in one place with the agent's certificate: protocol/certificate-profile.ts.
  const servername = `${agentId}.agent.internal`;
  return new AgentClient({ url: `https://127.0.0.1:${port}`, apiKey, tls: { ca, servername } });
}

async function ownKey(flags: LocalFlags, ctx: CliContext): Promise<string> {
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  const { securityEntry } = await import('../protocol/disk-layout.ts');
  const { AppError } = await import('../protocol/errors.ts');
  const layout = layoutFor(flags.home, ctx);
  const { path } = securityEntry(layout, 'apiKey');
  const key = await readSecurityFile(layout, 'apiKey').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EACCES' && cause.code !== 'EPERM') throw cause;
    throw new AppError('not_root', {
      detail: `You may not read ${path}, the key that opens this agent: root and the agent’s own user may.`,
      hint: 'Run this with sudo, or hand the key over in VM_AGENT_API_KEY.',
      cause,
    });
  });
  if (key !== undefined) return key;
  throw new AppError('not_enrolled', {
    detail: `There is no ${path}.`,
    hint: 'Enroll this machine with `vm-agent install`, or name the installation’s folder with --home.',
  });
}

async function serverTls(
  flags: LocalFlags,
  ctx: CliContext,
): Promise<{ tls: boolean; certFile: string | undefined }> {
  const { loadAgentConfig } = await import('../agent/config.ts');
  return loadAgentConfig({ layout: layoutFor(flags.home, ctx), env: ctx.process.env }).then(
    ({ server: { ssl } }) => ({ tls: ssl.enabled, certFile: ssl.cert_file }),
    // Who may not read it finds what is usual.
    () => ({ tls: true, certFile: undefined }),
  );
}
