import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { isLoopback, refuseForeignPages } from './auth.ts';
import type { Callers } from './callers.ts';
import { EXPOSITION_TYPE } from './exposition.ts';
import { type AgentFacts, healthAnswer, infoAnswer } from './health.ts';

export interface RouteOptions {
  clock: Clock;
  facts: AgentFacts;
  /** PEM of the CA, when the machine is enrolled. */
  ca(): string | undefined;
  callers: Callers;
  ownNames(): readonly string[];
  port(): number;
  /** Whether programs on this machine may read /metrics without TLS. */
  plainLoopback: boolean;
  metrics(): Promise<string>;
}

export interface Answer {
  status: number;
  type: string;
  body: string;
}

const json = (status: number, body: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
});

interface Route {
  /** Who may: anyone; on loopback anyone and from elsewhere a caller with key or certificate; such a caller alone. */
  access: 'anyone' | 'loopback-or-caller' | 'caller';
  /** Served to loopback peers without TLS as well: always, or where the configuration says so. */
  plain: boolean | 'configured';
  answer(options: RouteOptions): Answer | Promise<Answer>;
}

const ROUTES: Readonly<Record<string, Route>> = {
  '/livez': { access: 'anyone', plain: true, answer: () => json(200, { status: 'alive' }) },
  '/health': {
    access: 'loopback-or-caller',
    plain: true,
    answer: ({ facts, clock }) => {
      const answer = healthAnswer(facts, isoTime(clock.now()));
      return json(answer.status === 'healthy' ? 200 : 503, answer);
    },
  },
  '/info': {
    access: 'loopback-or-caller',
    plain: true,
    answer: ({ facts, port }) => json(200, infoAnswer(facts, port())),
  },
  '/metrics': {
    access: 'caller',
    plain: 'configured',
    answer: async ({ metrics }) => ({ status: 200, type: EXPOSITION_TYPE, body: await metrics() }),
  },
  '/api/v1/ca-certificate': {
    access: 'anyone',
    plain: false,
    answer: ({ ca }) => {
      const body = ca();
      if (body === undefined)
        throw new AppError('not_enrolled', { hint: 'Enroll this machine with `vm-agent install`.' });
      return { status: 200, type: 'application/x-pem-file', body: `${body.trimEnd()}\n` };
    },
  },
};

export const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?', 1)[0] ?? '/';

/** The answer to a request. @throws AppError for everything that is not one of the routes, or not allowed. */
export async function route(request: IncomingMessage, options: RouteOptions): Promise<Answer> {
  const path = pathOf(request);
  const found = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  const loopback = isLoopback(request.socket.remoteAddress);
  const secure = request.socket instanceof TLSSocket;
  const plain = found?.plain === 'configured' ? options.plainLoopback : found?.plain !== false;
  if (!secure && !(loopback && plain))
    throw new AppError('forbidden', {
      detail: 'Plain HTTP serves /livez, /health and /info to this machine alone.',
      hint: 'Use https:// on the same port.',
    });
  refuseForeignPages(request, options.ownNames());
  if (found === undefined)
    throw new AppError('not_found', { detail: `There is nothing at ${path.slice(0, 200)}.` });
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new AppError('method_not_allowed', { hint: 'Use GET.' });
  if (found.access === 'caller' || (found.access === 'loopback-or-caller' && !loopback))
    options.callers.demandKnown(request);
  return found.answer(options);
}
