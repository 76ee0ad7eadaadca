import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { belong } from '../../../agent/identity/pair.ts';
import { readPairs } from '../../../agent/identity/pair-files.ts';
import { BACKDATE_S } from '../../../protocol/certificate-profile.ts';
import { diskLayout, securityEntry } from '../../../protocol/disk-layout.ts';
import { createAgentHome } from '../../fakes/agent-home.ts';
import { serveHome } from '../../fakes/agent-rig.ts';
import { answerRenewal } from '../../fakes/renewal-answer.ts';
import { isRenewed, onBadDisk } from './machine.ts';

const LIFE_MS = 60_000;
/** Writes for which there is no room. */
const FULL_FOR = 2;

describe('a renewal that fails [cert-4]', () => {
  it('for a full disk, a refusal, a cut line and a foreign certificate leaves the old pair, and is tried until it works', async () => {
    await using home = await createAgentHome();
    const layout = diskLayout(home.path);
    // Two thirds of its life are over.
    const old = await home.ca.agent(home.agentId, {
      notBefore: new Date(Date.now() - BACKDATE_S * 1000 - (2 * LIFE_MS) / 3),
      notAfter: new Date(Date.now() + LIFE_MS / 3),
    });
    await writeFile(securityEntry(layout, 'key').path, old.key, { mode: 0o600 });
    await writeFile(securityEntry(layout, 'certificate').path, old.certificate);

    const keys = new Set<string>();
    const answers: ((request: { csr: string; response: ServerResponse }) => Promise<void> | void)[] = [
      ({ response }) => void response.writeHead(503).end(),
      ({ response }) => void response.destroy(),
      async (asked) => grant(asked.response, (await home.ca.agent(home.agentId)).certificate),
    ];
    const grant = (response: ServerResponse, certificate: string) =>
      answerRenewal(response, home, certificate);
    const onRequest = async (request: IncomingMessage, response: ServerResponse) => {
      let text = '';
      for await (const piece of request) text += piece;
      const csr = Buffer.from(JSON.parse(text).csr_base64, 'base64').toString();
      const found = await readPairs(layout);
      // Whoever is cut off now still has the old pair, and the new key is on disk before it is shown.
      expect(found?.current.certificate).toBe(old.certificate.trim());
      expect(found?.next?.certificate).toBeUndefined();
      keys.add(found?.next?.key ?? 'none');
      const answer = answers.shift();
      if (answer !== undefined) return answer({ csr, response });
      grant(response, (await home.ca.agent(home.agentId, { publicKeyOfCsr: csr })).certificate);
    };
    await using server = await serveHome(home, {
      onRequest: (request, response) => void onRequest(request, response),
    });
    await using agent = onBadDisk(home.path, { FULL_FOR: String(FULL_FOR) });
    await server.connected(1);
    await agent.logged(isRenewed);

    const failures = agent.log.flatMap(({ msg, err }) =>
      String(msg).startsWith('key and certificate could not be renewed')
        ? [String((err as { message?: string }).message)]
        : [],
    );
    expect(failures).toEqual([
      expect.stringContaining('ENOSPC'),
      expect.stringContaining('ENOSPC'),
      expect.any(String),
      expect.any(String),
      expect.stringContaining('another key'),
    ]);
    expect(keys.size).toBe(1);
    expect(keys).not.toContain('none');
    // One connection for the old pair, which no failure touched, and one for the new.
    expect(server.connections).toBe(2);
    expect(server.resumed).toEqual([false, true]);
    const now = await readPairs(layout);
    expect(now?.current.certificate).not.toBe(old.certificate.trim());
    expect(belong(now?.current.certificate, now?.current.key)).toBe(true);
    expect(await readFile(securityEntry(layout, 'key').path, 'utf8')).not.toBe(old.key);
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
  });
});
