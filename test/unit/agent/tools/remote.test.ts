import { expect, it } from 'vitest';
import type { RemoteCall } from '../../../../agent/executor/client.ts';
import { remoteShell } from '../../../../agent/tools/remote.ts';
import type { CallContext } from '../../../../agent/tools/tool.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

it('tells the executor the time limit that the caller gave, which may be longer than the usual one', async () => {
  const calls: RemoteCall[] = [];
  const shell = remoteShell({
    async call(call) {
      calls.push(call);
      return {
        end: { kind: 'exited', exit_code: 0 },
        startedAtMs: undefined,
        endedAtMs: undefined,
        attestation: undefined,
      };
    },
    stop: () => undefined,
    signal: () => undefined,
    input: () => undefined,
    control: () => undefined,
  });
  const context: CallContext = {
    id: 'cmd-1',
    clock: createFakeClock(),
    log: silentLogger,
    signal: new AbortController().signal,
    output: () => undefined,
    caller: { door: 'mcp', id: 'api-key', grant: 'local-api' },
    progress: () => undefined,
    signed: undefined,
  };
  await shell.run({ context, args: { command: 'id', timeout: 3600 } });
  expect(calls[0]?.start?.local?.arguments).toEqual({ command: 'id', timeout: 3600 });
});
