/** The WebSocket subprotocol that both ends offer and select. */
export const SUBPROTOCOL = 'vm-agent.v1';

/** The revision of the messages inside {@link SUBPROTOCOL}; `hello` carries the range that an end can speak. */
export const PROTOCOL_VERSION = 1;
export const PROTOCOL_MIN = 1;

/** What changed, newest first. A line is added with each number, and never rewritten. */
export const PROTOCOL_HISTORY: readonly { version: number; date: string; change: string }[] = [
  {
    version: 1,
    date: '2026-11-23',
    change:
      'hello/welcome, sequenced frames, signed commands, binary output frames, cumulative acknowledgements',
  },
];

/**
 * Name that agents put in SNI and check in the orchestrator's certificate. It stays the same when the public
 * address changes, and lets one listener give browsers a publicly trusted certificate and agents the private one.
 */
export const AGENT_SNI = 'agents.vm-agent.internal';

/** WebSocket close codes; none of them makes an agent delete its identity. */
export const CLOSE = {
  goingAway: 4000,
  protocolError: 4001,
  helloTimeout: 4002,
  unsupportedVersion: 4003,
  supersededSession: 4004,
  certificateEnded: 4005,
  certificateRevoked: 4006,
  quarantined: 4007,
  overloaded: 4008,
  deadLink: 4009,
  wrongAgent: 4010,
} as const;

/** Frames larger than this close the connection (bytes). */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** Payload of one output frame (bytes). */
export const OUTPUT_CHUNK_BYTES = 64 * 1024;
/** Output that may be sent but not yet durable at the peer (bytes): for a command, and for a link. */
export const COMMAND_CREDIT_BYTES = 1024 * 1024;
export const LINK_CREDIT_BYTES = 4 * 1024 * 1024;
/** A WebSocket ping goes out this often; a link without any byte for {@link DEAD_AFTER_MS} is dead. */
export const PING_INTERVAL_MS = 10_000;
export const DEAD_AFTER_MS = 25_000;
