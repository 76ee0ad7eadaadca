/** `journalctl -o export`: entries of lines KEY=value with a blank line between them. */
import type { WallClock } from './clock.ts';
import { roleOf, setRole } from './named-fields.ts';
import { type LineReader, type LogRecord, setMessage } from './reader.ts';

const KEY = /^[A-Z_][A-Z0-9_]*=/;
const BARE_KEY = /^[A-Z_][A-Z0-9_]*$/;
/** Of a value that holds line breaks the length is written before it, in as many bytes. */
const LENGTH_BYTES = 8;

/** Undefined where the sample is something else. */
export function journalExportReader(sample: readonly string[], clock: WallClock): LineReader | undefined {
  const lines = sample.filter((line) => line !== '');
  if (!lines.some((line) => line.startsWith('__REALTIME_TIMESTAMP='))) return undefined;
  if (lines.filter((line) => KEY.test(line)).length / lines.length < 0.8) return undefined;
  let within = false;
  let binary: string | undefined;

  function take(line: string, record: LogRecord): void {
    if (binary !== undefined && !KEY.test(line)) {
      // Only the message is worth its further lines.
      if (binary === 'MESSAGE') {
        if (record.message === '') setMessage(record, line.slice(LENGTH_BYTES));
        else record.held.push(line);
      }
      return;
    }
    binary = BARE_KEY.test(line) ? line : undefined;
    const mark = line.indexOf('=');
    if (mark <= 0) return;
    const role = roleOf(line.slice(0, mark));
    if (role !== undefined) setRole(record, role, line.slice(mark + 1), clock);
  }

  return {
    read(line, record) {
      if (line === '') {
        within = false;
        binary = undefined;
        return false;
      }
      if (within) return false;
      within = true;
      take(line, record);
      return true;
    },
    more(line, record) {
      if (line !== '') take(line, record);
      return true;
    },
    format: () => ({
      name: 'journal-export',
      fields: [
        { kind: 'time', name: '__REALTIME_TIMESTAMP' },
        { kind: 'level', name: 'PRIORITY' },
        { kind: 'host', name: '_HOSTNAME' },
        { kind: 'process', name: 'SYSLOG_IDENTIFIER' },
        { kind: 'pid', name: '_PID' },
      ],
      timeFormat: 'epoch-us',
      yearInferred: false,
      zoneInferred: false,
      confidence: 1,
    }),
  };
}
