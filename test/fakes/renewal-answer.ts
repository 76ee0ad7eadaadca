import type { ServerResponse } from 'node:http';
import type { AgentHome } from './agent-home.ts';

/** Answers a renewal with this certificate, as an orchestrator does. */
export function answerRenewal(response: ServerResponse, home: AgentHome, certificate: string): void {
  const ca = home.ca.rootPem + home.ca.issuingPem;
  response.setHeader('content-type', 'application/json');
  response.end(
    JSON.stringify({
      certificate,
      ca_certificate: ca,
      ca_certificates: [ca],
      bundle_version: 1,
      expires_at: new Date(Date.now() + 3600_000).toISOString(),
      renew_after: new Date(Date.now() + 1800_000).toISOString(),
      server_time: new Date().toISOString(),
    }),
  );
}
