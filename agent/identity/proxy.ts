import { BlockList, isIP } from 'node:net';

/** An HTTP proxy on the way to the orchestrator, and what is reached without it. */
export interface ProxySettings {
  /** `http://[user:password@]host:port`; undefined: none. */
  url?: string | undefined;
  /** As in NO_PROXY: names, `.suffix`, addresses, CIDR ranges, each with `:port` if wanted; or `*`. */
  no_proxy?: string | undefined;
}

/** From the environment, as curl reads it: the small letters win. */
export function proxyFromEnv(env: Readonly<Record<string, string | undefined>>): ProxySettings | undefined {
  const url = env['https_proxy'] || env['HTTPS_PROXY'];
  if (!url) return undefined;
  const noProxy = env['no_proxy'] || env['NO_PROXY'];
  return { url: url.includes('://') ? url : `http://${url}`, ...(noProxy ? { no_proxy: noProxy } : {}) };
}

/** The proxy that leads to an address, or undefined when the way is a direct one. */
export function proxyFor(target: URL, settings: ProxySettings | undefined): string | undefined {
  if (settings?.url === undefined) return undefined;
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || '443';
  const entries = (settings.no_proxy ?? '').split(/[\s,]+/).filter(Boolean);
  return entries.some((entry) => covers(entry.toLowerCase(), host, port)) ? undefined : settings.url;
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, name = entry, wanted] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  const [network = '', bits] = bare.split('/');
  if (bits !== undefined && isIP(network) !== 0) return inSubnet(host, network, Number(bits));
  const suffix = bare.replace(/^\*?\./, '');
  return host === suffix || host.endsWith(`.${suffix}`);
}

function inSubnet(host: string, network: string, bits: number): boolean {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(host) !== isIP(network) || bits > (family === 'ipv6' ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return list.check(host, family);
}

/**
 * For `new https.Agent`: Node itself opens a tunnel (CONNECT) and speaks TLS through it with the orchestrator, so pins
 * and certificates hold as on a direct way.
 */
export function proxyAgentOptions(
  target: URL,
  settings: ProxySettings | undefined,
): { proxyEnv?: { HTTPS_PROXY: string } } {
  const url = proxyFor(target, settings);
  return url === undefined ? {} : { proxyEnv: { HTTPS_PROXY: url } };
}

/** For messages: a proxy's user and password are nobody's business. */
export const withoutUserinfo = (text: string): string => text.replace(/\/\/[^/@\s"]*@/g, '//');
