import { describe, expect, it } from 'vitest';
import { type OutputLink, OutputSender } from '../../../../agent/executor/output-sender.ts';
import { OutputSpool } from '../../../../agent/executor/output-spool.ts';
import { decodeOutputFrame } from '../../../../protocol/output-frame.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const ID = 'cmd-01arz3ndektsv4rrffq69g5fav';
const OTHER = 'cmd-01arz3ndektsv4rrffq69g5fbb';

/** A link that keeps what it gets; `hold` keeps the buffers as a slow socket does. */
class Link implements OutputLink {
  readonly frames: { id: string; stream: string; offset: number; text: string }[] = [];
  readonly #waiting: (() => void)[] = [];
  hold = false;
  send(bytes: Uint8Array, done: () => void) {
    const decoded = decodeOutputFrame(bytes);
    if (decoded.kind !== 'ok') throw new Error('bad frame');
    const { command_id: id, stream, offset, data } = decoded.frame;
    this.frames.push({ id, stream, offset, text: Buffer.from(data).toString() });
    if (this.hold) this.#waiting.push(done);
    else done();
  }
  release() {
    for (const done of this.#waiting.splice(0)) done();
  }
  text(id = ID, stream = 'stdout') {
    return this.frames
      .filter((frame) => frame.id === id && frame.stream === stream)
      .map((frame) => frame.text)
      .join('');
  }
}

function rig(home: TempHome, lost: unknown[] = []) {
  const sender = new OutputSender({
    clock: createFakeClock(),
    onReadFailure: (...args) => lost.push(args),
    chunkBytes: 4,
  });
  const spool = new OutputSpool({ folder: home.path, commandId: ID });
  sender.add(spool);
  const write = (text: string, to = spool) => {
    to.write('stdout', Buffer.from(text));
    sender.pump();
  };
  return { sender, spool, write };
}

describe('sending output', () => {
  it('sends what was printed at once, and no more than the credit ahead of the acknowledgements', async () => {
    await using home = await createTempHome();
    const { sender, write } = rig(home);
    const link = new Link();
    sender.setLink(link, { command: 10, link: 100 });
    write('abc');
    expect(link.text()).toBe('abc');
    write('defghijklmno');
    expect(link.text()).toBe('abcdefghij');
    sender.acknowledged(ID, 'stdout', 4);
    expect(link.text()).toBe('abcdefghijklmn');
    sender.setCredit({ command: 100 });
    expect(link.text()).toBe('abcdefghijklmno');
  });

  it('shares the link’s credit among commands', async () => {
    await using home = await createTempHome();
    const { sender, write } = rig(home);
    const other = new OutputSpool({ folder: home.path, commandId: OTHER });
    sender.add(other);
    write('aaaaaaaaaaaa');
    write('bbbbbbbbbbbb', other);
    const link = new Link();
    sender.setLink(link, { command: 100, link: 16 });
    expect([link.text(ID), link.text(OTHER)]).toEqual(['aaaaaaaa', 'bbbbbbbb']);
    sender.remove(OTHER);
    expect(link.text(ID)).toBe('aaaaaaaaaaaa');
  });

  it('goes on from what is durable on the next link, and back when the peer has less', async () => {
    await using home = await createTempHome();
    const { sender, write } = rig(home);
    sender.setLink(new Link());
    write('0123456789');
    sender.acknowledged(ID, 'stdout', 6);
    sender.setLink(undefined);
    const second = new Link();
    sender.setLink(second);
    expect(second.text()).toBe('6789');
    sender.acknowledged(ID, 'stdout', 2);
    expect(second.frames.filter((frame) => frame.offset === 2)).toHaveLength(1);
    expect(second.text()).toBe('678923456789');
  });

  it('jumps ahead when the peer has more, and ignores what is beyond the end', async () => {
    await using home = await createTempHome();
    const { sender, write } = rig(home);
    write('0123456789');
    const link = new Link();
    sender.setLink(link, { command: 4, link: 4 });
    expect(link.text()).toBe('0123');
    sender.acknowledged(ID, 'stdout', 99);
    sender.acknowledged(ID, 'stdout', 8);
    expect(link.text()).toBe('012389');
  });

  it('uses a few buffers however slow the link, and tells when all is sent', async () => {
    await using home = await createTempHome();
    const { sender, write } = rig(home);
    const link = new Link();
    link.hold = true;
    sender.setLink(link);
    let sent = 0;
    write('x'.repeat(40));
    sender.ended(ID, () => {
      sent += 1;
    });
    expect(link.frames).toHaveLength(4);
    expect(sent).toBe(0);
    for (let i = 0; i < 4; i++) link.release();
    expect(link.text()).toHaveLength(40);
    expect(sent).toBe(1);
  });

  it('says what was lost when the spool cannot be read', async () => {
    await using home = await createTempHome();
    const lost: unknown[] = [];
    const { sender } = rig(home, lost);
    const spool = new OutputSpool({ folder: home.path, commandId: OTHER, sizes: { stdout: 5, stderr: 0 } });
    sender.add(spool);
    sender.setLink(new Link());
    expect(lost).toEqual([[OTHER, { stdout: 0, stderr: 0 }, expect.any(Error)]]);
  });
});
