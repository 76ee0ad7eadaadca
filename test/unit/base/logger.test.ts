import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, moduleLogger } from '../../../base/logger.ts';
import { createTempHome } from '../../fakes/temp-home.ts';

function sink() {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => lines.join('') };
}

describe('the log', () => {
  it('is one JSON object a line, with a level by name and a UTC time', async () => {
    const out = sink();
    const logger = createLogger({ name: 'test', level: 'info', stream: out.stream });
    logger.log.info({ vm_id: 'vm-a-000001' }, 'first\nsecond');
    logger.log.debug('hidden');
    await logger.close();
    const lines = out.text().trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      name: 'test',
      vm_id: 'vm-a-000001',
      msg: 'first\nsecond',
    });
    expect(JSON.parse(lines[0] ?? '').time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('[attack-6] stays one readable line, whatever strangers call themselves', async () => {
    const out = sink();
    const logger = createLogger({ name: 'test', level: 'info', stream: out.stream });
    const hostname = 'a\r\nb\u2028c\u2029d\u0085e\u001b[31mf\u009b2Jg\u202eh\u007f';
    logger.log.info({ hostname, path: 'x'.repeat(1024 * 1024), deep: [{ a: [{ b: [{}] }] }] }, hostname);
    await logger.close();
    const text = out.text();
    expect(text.length).toBeLessThan(16 * 1024);
    // What other readers take for line ends, and terminals for commands, is escaped.
    expect(text.slice(0, -1)).toMatch(/^[\x20-\x7e\u2026]*$/);
    expect(text.endsWith('\n')).toBe(true);
    const line = JSON.parse(text);
    expect(line).toMatchObject({ hostname, msg: hostname, level: 'info' });
    expect(line.path).toMatch(/^x{2000}… \(1048576 characters\)$/);
  });

  it('shows no secret, neither at the top nor one level down', async () => {
    const out = sink();
    const logger = createLogger({ name: 'test', level: 'info', stream: out.stream });
    logger.log.info(
      {
        token: 'CANARY',
        request: { authorization: 'CANARY', provisioning_token: 'CANARY', api_key: 'CANARY' },
      },
      'm',
    );
    await logger.close();
    expect(out.text()).not.toContain('CANARY');
    expect(out.text()).toContain('[redacted]');
  });

  it('rotates its file by size and keeps as many old ones as it was told', async () => {
    await using home = await createTempHome();
    const path = join(home.path, 'agent.log');
    const logger = createLogger({ name: 'test', level: 'info', file: { path, maxBytes: 2000, maxFiles: 2 } });
    for (let i = 0; i < 200; i++) logger.log.info({ i, filler: 'x'.repeat(100) }, 'line');
    await logger.close();
    expect(readdirSync(home.path).toSorted()).toEqual(['agent.log', 'agent.log.1', 'agent.log.2']);
    expect(statSync(path).mode & 0o007).toBe(0);
    expect(readFileSync(path, 'utf8').length).toBeLessThan(2000 + 400);
  });

  it('loses no line over many rotations', async () => {
    await using home = await createTempHome();
    const path = join(home.path, 'agent.log');
    const maxFiles = 100;
    const logger = createLogger({ name: 'test', level: 'info', file: { path, maxBytes: 3000, maxFiles } });
    for (let i = 0; i < 500; i++) {
      logger.log.info({ i, filler: 'x'.repeat(100) }, 'line');
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await logger.close();
    const files = readdirSync(home.path);
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) expect(statSync(join(home.path, file)).mode & 0o027).toBe(0);
    const newestFirst = [path, ...Array.from({ length: files.length - 1 }, (_, i) => `${path}.${i + 1}`)];
    expect(newestFirst.toReversed().flatMap(numbersIn)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('writes on to its name after somebody moved or removed the file, and loses nothing', async () => {
    await using home = await createTempHome();
    const path = join(home.path, 'agent.log');
    const logger = createLogger({ name: 'test', level: 'info', file: { path, maxBytes: 1e6, maxFiles: 2 } });
    logger.log.info({ i: 0 }, 'line');
    await logger.reopen();
    renameSync(path, `${path}.moved`);
    logger.log.info({ i: 1 }, 'line');
    const reopened = logger.reopen();
    logger.log.info({ i: 2 }, 'line');
    await reopened;
    expect(statSync(path).mode & 0o027).toBe(0);
    logger.log.info({ i: 3 }, 'line');
    await logger.reopen();
    // What comes while the file changes may go to either, but not astray.
    expect([...numbersIn(`${path}.moved`), ...numbersIn(path)]).toEqual([0, 1, 2, 3]);
    expect(numbersIn(`${path}.moved`)).toContain(1);
    expect(numbersIn(path)).toContain(3);
    rmSync(path);
    await logger.reopen();
    logger.log.info({ i: 4 }, 'line');
    await logger.close();
    expect(numbersIn(path)).toEqual([4]);
  });

  it('gives each module its own level, which can change while it runs', async () => {
    const out = sink();
    const logger = createLogger({
      name: 'test',
      level: 'info',
      modules: { channel: 'debug' },
      stream: out.stream,
    });
    const channel = moduleLogger(logger.log, 'channel');
    const http = moduleLogger(channel, 'http');
    channel.debug('a');
    http.debug('hidden');
    logger.setLevels({ level: 'error', modules: { http: 'debug' } });
    channel.warn('hidden');
    http.debug('b');
    logger.log.warn('hidden');
    await logger.close();
    const lines = out.text().trimEnd().split('\n');
    expect(lines.map((line) => [JSON.parse(line).module, JSON.parse(line).msg])).toEqual([
      ['channel', 'a'],
      ['http', 'b'],
    ]);
    expect(lines[1]?.match(/"module"/g)).toHaveLength(1);
  });
});

const numbersIn = (file: string): number[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).i);
