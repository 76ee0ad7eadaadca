const HANDSHAKE = 0x16;
const SERVER_HELLO = 2;
const KEY_SHARE = 51;

/** The group that a server chose, from the first bytes that it says (RFC 8446, 4.1.3 and 4.2.8). */
export function negotiatedGroup(bytes: Buffer): number | undefined {
  if (bytes[0] !== HANDSHAKE || bytes[5] !== SERVER_HELLO) return undefined;
  // Record header, message header, version, random; then session id, cipher and compression.
  const session = 5 + 4 + 2 + 32;
  let at = session + 1 + (bytes[session] ?? 0) + 2 + 1 + 2;
  while (at + 4 <= bytes.length) {
    const [type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
    if (type === KEY_SHARE) return bytes.readUInt16BE(at + 4);
    at += 4 + length;
  }
  return undefined;
}
