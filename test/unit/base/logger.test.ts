import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../base/logger.ts';
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
});
