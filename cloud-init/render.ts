import { stringify } from 'yaml';
import { ENROLL_UNIT } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import {
  enrollScript,
  enrollUnit,
  type MachineFile,
  scriptFile,
  tokenCommandFile,
  tokenFile,
} from './enroll-script.ts';
import { ignitionOf } from './ignition.ts';
import { mimeOf } from './mime.ts';
import { type CheckedParams, checkParams, type UserDataFormat } from './params.ts';

/** What AWS takes, before base64; the least of the clouds that people use. */
export const MAX_USER_DATA_BYTES = 16_384;

/** What {@link renderUserData} takes; every field but `url` and one of `token` and `tokenFrom` may be left out. */
export interface UserDataParams {
  /** The orchestrator, `https://HOST[:PORT]`: everything that the machine downloads comes from there. */
  url: string;
  /** Provisioning token; it names the orchestrator's CA. */
  token?: string | undefined;
  /**
   * Instead of a token: one line for `/bin/sh` that prints it, run as root on the machine at each try, such as a
   * read from a secret store by the machine's role. The user-data then holds no secret.
   */
  tokenFrom?: string | undefined;
  /** Labels that the machine reports. (What a token grants is the token's.) */
  labels?: Readonly<Record<string, string>> | undefined;
  /** SHA-256 of the orchestrator's `/setup.sh`, hex: another script is not run. */
  setupSha256?: string | undefined;
  /** Port of the agent's local interface. */
  port?: number | undefined;
  /** Install no system packages. */
  skipDependencies?: boolean | undefined;
  /** False: commands run inside the agent, with the rights of its user alone. */
  privilegedExecutor?: boolean | undefined;
  format?: UserDataFormat | undefined;
  /** User-data of your own, for the format `mime`; ours comes last. */
  parts?: readonly UserDataPart[] | undefined;
}

export interface UserDataPart {
  filename?: string | undefined;
  contentType?: string | undefined;
  content: string;
}

/** Top-level keys that our cloud-config may have. An old cloud-init takes any other for good and ignores it. */
export const CLOUD_CONFIG_KEYS: readonly string[] = ['write_files', 'runcmd'];

/**
 * User-data that makes a new machine enroll itself: pure text, the same for the same parameters.
 * @throws AppError `bad_request` for a wrong parameter, `payload_too_large` with both sizes.
 */
export function renderUserData(params: UserDataParams): string {
  const checked = checkParams(params);
  const text = rendered(checked);
  checkUserDataSize(text);
  return text;
}

/** @throws AppError `payload_too_large` when no cloud would take it. */
export function checkUserDataSize(text: string): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= MAX_USER_DATA_BYTES) return;
  throw new AppError('payload_too_large', {
    detail: `The user-data has ${bytes} bytes; at most ${MAX_USER_DATA_BYTES} are allowed.`,
    hint: 'Make your own parts smaller: let them fetch what is large.',
    context: { bytes, limit: MAX_USER_DATA_BYTES },
  });
}

function rendered(params: CheckedParams): string {
  const files = filesOf(params);
  if (params.format === 'ignition') return ignitionOf(files, { name: ENROLL_UNIT, text: enrollUnit(params) });
  const config = cloudConfigOf(params, files);
  return params.format === 'mime' ? mimeOf(params.parts, config) : config;
}

function filesOf(params: CheckedParams): MachineFile[] {
  const secret =
    params.token === undefined
      ? { path: tokenCommandFile, mode: 0o600, content: `${params.tokenFrom}\n` }
      : { path: tokenFile, mode: 0o600, content: `${params.token}\n` };
  return [secret, { path: scriptFile, mode: 0o700, content: enrollScript(params) }];
}

function cloudConfigOf(params: CheckedParams, files: readonly MachineFile[]): string {
  const unit = { path: `/etc/systemd/system/${ENROLL_UNIT}`, mode: 0o644, content: enrollUnit(params) };
  const config = {
    write_files: [...files, unit].map(({ path, mode, content }) => ({
      path,
      owner: 'root:root',
      permissions: `0${mode.toString(8)}`,
      content,
    })),
    // Waited for: `cloud-init status --wait` ends when the machine is enrolled, and says so when it is not.
    runcmd: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', ENROLL_UNIT],
      ['systemctl', 'start', ENROLL_UNIT],
    ],
  };
  // Lines as they are: nothing is folded, so that the token stays one word.
  return `#cloud-config\n${stringify(config, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}
