// Without a schema, for the page: it takes no validator along.

/**
 * What a browser or the command line and the orchestrator say to each other about one terminal. Binary frames are
 * bytes: from the client what was typed, to the client what the terminal shows. Text frames are the JSON objects below.
 */
export const TERMINAL_SUBPROTOCOL = 'vm-terminal.v1';

/** Bytes that a client may have received and not yet shown; then the terminal waits for it. */
export const CLIENT_WINDOW_BYTES = 512 * 1024;
/** A client says what it has shown at least this often (bytes). */
export const CLIENT_ACK_BYTES = 64 * 1024;

export const END_REASONS = [
  'exit',
  'closed',
  'idle_timeout',
  'time_limit',
  'access_ended',
  'locked',
  'denied',
  'agent_offline',
  'agent_revoked',
  'abandoned',
  'recording_full',
  'recording_failed',
  'refused',
  'not_started',
  'killed',
  'orchestrator_stopped',
] as const;
/** WebSocket close codes of this door. */
export const TERMINAL_CLOSE = {
  ended: 4100,
  refused: 4101,
  attachedElsewhere: 4102,
  protocolError: 4103,
  tooSlow: 4104,
  stopping: 4105,
} as const;
