/** DER by hand, for what no library would make. */
export function der(tag: number, content: Uint8Array = Buffer.alloc(0)): Buffer {
  const { length } = content;
  const size =
    length < 128
      ? [length]
      : length < 256
        ? [0x81, length]
        : length < 65_536
          ? [0x82, length >> 8, length & 255]
          : [0x83, length >> 16, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

export const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, Buffer.concat(parts));

export const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');

/** Lengths, tags and numbers that parsers stumble over. */
const BYTES = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0xa0,
  0xff,
];

/** A few changes of a genuine document: bits, bytes, pieces cut out, doubled or exchanged, lengths that lie. */
export function mutatedDer(genuine: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(genuine);
  for (let changes = random(4) + 1; changes > 0; changes--) {
    const at = random(bytes.length + 1);
    const length = random(40);
    const piece = bytes.subarray(at, at + length);
    const rest = bytes.subarray(at + length);
    switch (random(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = BYTES[random(BYTES.length)] ?? 0;
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), rest]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), piece, piece, rest]);
        break;
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, random(256)]),
          rest,
        ]);
        break;
      case 5:
        bytes = bytes.subarray(0, at);
        break;
      default: {
        const from = random(genuine.length);
        bytes = Buffer.concat([bytes.subarray(0, at), genuine.subarray(from, from + length), rest]);
      }
    }
  }
  return bytes;
}
