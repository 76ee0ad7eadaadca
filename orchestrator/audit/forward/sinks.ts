import type { Clock } from '../../../base/clock.ts';
import type { Sink } from './sink.ts';
import { type SyslogTarget, syslogSink } from './syslog.ts';
import { webhookSink } from './webhook.ts';

/** The receivers that the configuration names. */
export const sinksOf = (
  config: { syslog: SyslogTarget | undefined; webhook: { url: URL; secret: string } | undefined },
  clock: Clock,
): Sink[] => [
  ...(config.syslog === undefined ? [] : [syslogSink(config.syslog)]),
  ...(config.webhook === undefined ? [] : [webhookSink({ ...config.webhook, clock })]),
];
