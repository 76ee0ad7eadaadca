import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect as connectTcp, isIPv6, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import type { AuditEvent } from '../../../protocol/rest-audit.ts';
import type { Sink } from './sink.ts';

/** Facility 13 (log audit); severity 5 (notice), or 4 (warning) for what somebody should look at (RFC 5424 § 6.2.1). */
const FACILITY = 13;
const ALARMS = /^audit\.(witness|agent_head|checkpoint)|refused|reuse|failed/;

/** Our structured data, under the enterprise number for documentation: nobody else's names are taken (RFC 5612). */
const SD_ID = 'vmAgent@32473';

const sdValue = (text: string): string => text.replace(/["\\\]]/g, '\\$&').replace(/\p{Cc}/gu, ' ');

/** One event as RFC 5424 has it; the message is the event as JSON. */
export function syslogMessage(log: string, event: AuditEvent, host: string): string {
  const severity = ALARMS.test(event.action) ? 4 : 5;
  const data = Object.entries({
    log,
    seq: String(event.seq ?? ''),
    action: event.action,
    actor: event.actor.id,
    target: event.target ?? '',
  }).map(([name, value]) => `${name}="${sdValue(value)}"`);
  const name = host.replace(/[^\x21-\x7e]/g, '-').slice(0, 255) || '-';
  const message = JSON.stringify(event).replace(/\p{Cc}/gu, ' ');
  return `<${FACILITY * 8 + severity}>1 ${event.at} ${name} vm-orchestrator - audit [${SD_ID} ${data.join(' ')}] ${message}`;
}

/** Octet counting (RFC 6587 § 3.4.1, RFC 5425 § 4.3): a message may hold anything. */
export function framed(message: string): Buffer {
  const bytes = Buffer.from(message);
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}

export interface SyslogTarget {
  transport: 'udp' | 'tcp' | 'tls';
  host: string;
  port: number;
  /** PEM, for a receiver whose CA the system does not trust. */
  ca?: string | undefined;
}

const untilConnected = (socket: Socket, event: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = () => socket.destroy(new Error('it did not connect in time'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once(event, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it closed the connection')));
  });

/**
 * Sends events to a syslog receiver. The protocol has no acknowledgement: over TCP and TLS "sent" means that the
 * kernel has taken them, so a connection that breaks may cost what was on its way; over UDP anything may be lost.
 */
export function syslogSink(target: SyslogTarget): Sink {
  const { transport, host, port } = target;
  const address = `syslog+${transport}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  let open: Promise<Socket> | undefined;

  async function connect(signal: AbortSignal): Promise<Socket> {
    const socket =
      transport === 'tls'
        ? connectTls({
            host,
            port,
            minVersion: 'TLSv1.2',
            ...(target.ca === undefined ? {} : { ca: target.ca }),
          })
        : connectTcp({ host, port });
    // The receiver says nothing; reading shows when it goes.
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open = undefined;
    });
    await untilConnected(socket, transport === 'tls' ? 'secureConnect' : 'connect', signal);
    return socket;
  }

  async function overStream(messages: readonly string[], signal: AbortSignal): Promise<void> {
    open ??= connect(signal).catch((cause: unknown) => {
      open = undefined;
      throw cause;
    });
    const socket = await open;
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.concat(messages.map(framed)), (cause) => (cause ? reject(cause) : resolve()));
    });
  }

  async function overUdp(messages: readonly string[]): Promise<void> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      for (const message of messages)
        await new Promise<void>((resolve, reject) => {
          socket.send(Buffer.from(message), port, host, (cause) => (cause ? reject(cause) : resolve()));
        });
    } finally {
      socket.close();
    }
  }

  return {
    id: `syslog-${createHash('sha256').update(address).digest('hex').slice(0, 16)}`,
    name: address,
    send({ log, events }, signal) {
      const messages = events.map((event) => syslogMessage(log, event, hostname()));
      return transport === 'udp' ? overUdp(messages) : overStream(messages, signal);
    },
    close() {
      open?.then(
        (socket) => socket.destroy(),
        () => undefined,
      );
    },
  };
}
