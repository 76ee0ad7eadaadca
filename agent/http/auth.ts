import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { tlsPeer } from '../../base/tls-peer.ts';
import { AppError } from '../../protocol/errors.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Also for IPv4 addresses as an IPv6 socket shows them. */
export function isLoopback(address: string | undefined): boolean {
  const plain = (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && LOOPBACK.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whom this agent believes. */
export interface AuthOptions {
  apiKey: string | undefined;
  /** Only clients of this organization and trust domain. */
  organizationId: string | undefined;
  trustDomain: string | undefined;
  nowMs: number;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The key that a request shows, whether right or wrong. A key in the URL is none: it would be in logs. */
export function shownApiKey(request: IncomingMessage): string | undefined {
  const header = request.headers['x-api-key'];
  const bearer = /^Bearer\s+(\S.*)$/i.exec(request.headers.authorization ?? '')?.[1];
  return (typeof header === 'string' ? header : bearer)?.trim();
}

/** Digests have one length, so the comparison tells nothing about the key's. */
export const isApiKey = (shown: string, apiKey: string | undefined): boolean =>
  apiKey !== undefined && timingSafeEqual(digest(shown), digest(apiKey));

export type ClientCertificate =
  | { kind: 'none' }
  | { kind: 'ok'; id: string }
  | { kind: 'refused'; why: string };

/**
 * The rule for client certificates, for every door: the role `client` of this agent's own organization. The CA signs
 * agents' certificates too, so chain and dates alone would let any agent in: theirs opens nothing here.
 */
export function clientCertificate(socket: Socket, options: AuthOptions): ClientCertificate {
  if (!(socket instanceof TLSSocket)) return { kind: 'none' };
  const outcome = tlsPeer(socket, options.nowMs);
  if (outcome.kind === 'none') return { kind: 'none' };
  if (outcome.kind === 'refused') return { kind: 'refused', why: outcome.detail };
  const { role } = outcome.peer;
  if (role.role !== 'client')
    return { kind: 'refused', why: `a certificate of role ${role.role} opens nothing on an agent` };
  if (role.orgId !== options.organizationId || role.trustDomain !== options.trustDomain)
    return { kind: 'refused', why: 'the certificate belongs to another organization' };
  return { kind: 'ok', id: role.id };
}

const hostName = (host: string): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();

/**
 * Pages in a browser on this machine must not reach what loopback opens: neither from a page of another origin, nor
 * through a name that was pointed at 127.0.0.1. @throws AppError `origin_refused`.
 */
export function refuseForeignPages(request: IncomingMessage, ownNames: readonly string[]): void {
  const { origin } = request.headers;
  if (origin !== undefined && !isOwnName(originHost(origin), ownNames)) throw new AppError('origin_refused');
  if (!isLoopback(request.socket.remoteAddress)) return;
  const host = hostName(request.headers.host ?? '');
  if (!isOwnName(host, ownNames))
    throw new AppError('origin_refused', { detail: `This agent is not called "${host.slice(0, 100)}".` });
}

function originHost(origin: string): string {
  try {
    return hostName(new URL(origin).host);
  } catch {
    return '';
  }
}

const isOwnName = (name: string, ownNames: readonly string[]): boolean =>
  name === 'localhost' || isLoopback(name) || ownNames.includes(name);
