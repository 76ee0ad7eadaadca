/**
 * Every error that a person or a program may see: its HTTP status, whether the same request may succeed later,
 * and a sentence. Codes are stable and never reused; `docs/errors.md` says what to do about each.
 */
const table = {
  bad_request: [400, false, 'The request is not valid.'],
  invalid_csr: [400, false, 'The certificate signing request is not valid.'],
  password_refused: [400, false, 'This password is not allowed.'],
  invalid_selector: [400, false, 'The selector cannot be understood.'],
  unauthenticated: [401, false, 'Credentials are missing or not valid.'],
  token_invalid: [401, false, 'The provisioning token is not known here.'],
  token_expired: [401, false, 'The provisioning token has expired.'],
  token_revoked: [401, false, 'The provisioning token was revoked.'],
  login_failed: [401, false, 'User name or password is wrong.'],
  oidc_failed: [401, true, 'Signing in by the OpenID Connect provider failed.'],
  account_disabled: [403, false, 'This account may not sign in.'],
  forbidden: [403, false, 'These credentials do not allow this.'],
  token_not_allowed: [403, false, 'The provisioning token does not allow this machine.'],
  client_certificate_required: [403, false, 'A client certificate of the right role is required here.'],
  certificate_expired: [403, false, 'The client certificate is not valid at this time.'],
  recovery_refused: [403, false, 'The proof of who asks to come back is not valid.'],
  certificate_revoked: [403, false, 'The client certificate was revoked.'],
  origin_refused: [403, false, 'Requests from this origin are refused.'],
  own_approval: [403, false, 'Nobody decides on a command that he asked for himself.'],
  not_found: [404, false, 'There is no such thing here.'],
  artifact_not_available: [404, false, 'This orchestrator does not have that artifact.'],
  method_not_allowed: [405, false, 'This method is not allowed here.'],
  conflict: [409, false, 'The request conflicts with the present state.'],
  token_used: [409, false, 'The provisioning token was already used, by another machine or another key.'],
  vm_id_taken: [409, false, 'Another agent of this organization has this vm_id.'],
  not_cancellable: [409, false, 'It has already ended.'],
  approval_ended: [409, false, 'This approval is not pending any more.'],
  approval_mismatch: [409, false, 'What is to be approved is not what was looked at.'],
  link_unknown: [410, true, 'This link of polls has ended; begin a new one.'],
  payload_too_large: [413, false, 'The request is too large.'],
  headers_too_large: [431, false, 'The address and the headers of the request are too large.'],
  idempotency_mismatch: [422, false, 'The same Idempotency-Key was used with another request.'],
  approval_signature_invalid: [
    422,
    false,
    'The signature is by none of the approvers, or over something else.',
  ],
  no_agents_match: [422, false, 'No agent matches the selector.'],
  unsupported: [422, false, 'This end does not support what was asked for.'],
  locked: [423, false, 'It is locked.'],
  websocket_required: [426, false, 'Only a WebSocket is answered here.'],
  token_rate_limited: [429, true, 'The provisioning token enrolled as many machines as it may in this time.'],
  rate_limited: [429, true, 'Too many attempts; try again later.'],
  internal: [500, true, 'Something went wrong inside; the log says what.'],
  unavailable: [503, true, 'Not available just now; try again.'],
  store_unavailable: [503, true, 'What must be kept cannot be written just now.'],
  agent_offline: [503, true, 'The agent is not connected.'],
  call_timeout: [504, true, 'The agent did not answer in time.'],
  // Seen by people who install or run an agent, and in results; they have no HTTP answer of their own.
  config_invalid: [400, false, 'The configuration is not valid.'],
  not_enrolled: [409, false, 'This machine is not enrolled.'],
  machine_copied: [409, false, 'The identity on this disk was made on another machine.'],
  not_root: [403, false, 'This needs root.'],
  url_scheme: [400, false, 'The orchestrator’s address must begin with https://.'],
  server_unreachable: [503, true, 'The orchestrator cannot be reached.'],
  ca_mismatch: [403, false, 'The orchestrator’s CA is not the one that the token names.'],
  clock_skew: [400, false, 'This machine’s clock is too far from the orchestrator’s.'],
  disk_full: [507, true, 'There is not enough free disk space.'],
  platform_unsupported: [422, false, 'This platform is not supported.'],
  step_failed: [500, true, 'A step of the installation failed.'],
  downgrade_refused: [409, false, 'The release is older than what is installed.'],
  upgrade_rolled_back: [500, false, 'The new version did not become good; the one before runs again.'],
  signature_invalid: [403, false, 'The signature is not valid.'],
  command_replayed: [409, false, 'A command with this sequence number was taken before.'],
  command_early: [403, false, 'The command is to start later.'],
  command_expired: [409, false, 'The command expired before it could start.'],
  wrong_agent: [403, false, 'The command is meant for another agent.'],
  tool_unknown: [422, false, 'This agent does not have that tool.'],
  tool_disabled: [403, false, 'This tool is switched off on this VM.'],
  not_started: [500, false, 'The command could not be started.'],
  policy_refused: [403, false, 'This VM’s policy does not allow this.'],
  approval_required: [403, false, 'This VM’s policy wants approvers’ own signatures for this.'],
  path_refused: [403, false, 'This path may not be used.'],
} as const satisfies Record<string, readonly [status: number, retryable: boolean, message: string]>;

export type ErrorCode = keyof typeof table;

export interface ErrorEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly message: string;
}

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = Object.fromEntries(
  Object.entries(table).map(([code, [status, retryable, message]]) => [code, { status, retryable, message }]),
) as Record<ErrorCode, ErrorEntry>;

export const ERROR_CODES = Object.keys(table) as [ErrorCode, ...ErrorCode[]];

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(table, value);
}

export interface AppErrorOptions {
  /** What happened, for the person who reads it; defaults to the table's sentence. Never holds a secret. */
  detail?: string;
  /** What the person should do about it. */
  hint?: string;
  cause?: unknown;
  /** Machine-readable context that may be shown: names, sizes, seconds to wait. */
  context?: Record<string, string | number | boolean>;
}

/** The one error class that crosses borders. `message` is safe to show; `cause` is for the log. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly context: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(
      options.detail ?? ERRORS[code].message,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.code = code;
    this.status = ERRORS[code].status;
    this.retryable = ERRORS[code].retryable;
    this.hint = options.hint;
    this.context = options.context ?? {};
  }
}
