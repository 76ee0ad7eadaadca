import { ENROLL_FOLDER, ENROLL_UNIT } from '../protocol/disk-layout.ts';
import { shellQuote } from '../protocol/shell-quote.ts';
import type { CheckedParams } from './params.ts';

/** A file on the machine, of root. */
export interface MachineFile {
  path: string;
  mode: number;
  content: string;
}

export const tokenFile = `${ENROLL_FOLDER}/token`;
export const tokenCommandFile = `${ENROLL_FOLDER}/token-from`;
export const scriptFile = `${ENROLL_FOLDER}/enroll.sh`;

/**
 * Exit codes of the installer after which another try with the same token cannot end better: wrong usage, no root, no
 * https, a token that is invalid, spent, expired, revoked or not for this machine, a platform that is not supported, a
 * machine that is enrolled elsewhere, revoked, or a copy of another. See `provision/exit-codes.ts`.
 */
export const FINAL_EXIT_CODES: readonly number[] = [2, 10, 11, 14, 15, 16, 17, 18, 21, 24, 29, 34];

/** Those that say something about the token alone. One that the machine fetches may be another at the next try. */
const ABOUT_TOKEN: ReadonlySet<number> = new Set([14, 15, 16, 17, 18]);

const finalCodes = ({ tokenFrom }: CheckedParams): readonly number[] =>
  tokenFrom === undefined ? FINAL_EXIT_CODES : FINAL_EXIT_CODES.filter((code) => !ABOUT_TOKEN.has(code));

/** How long a try that failed waits for the next. A store changes seldom, and each machine of a group asks anew. */
const pause = ({ tokenFrom }: CheckedParams) =>
  tokenFrom === undefined ? { systemd: '30s', text: '30 s' } : { systemd: '5min', text: '5 min' };

/** The secret of a token becomes this text, which is as long: files that hold it keep their length and their sense. */
const REDACTED = 'redacted-after-enrolment'.padEnd(40, '-');

const EMPTY_ENCODED = `  for copy in /var/lib/cloud/instances/*/user-data.txt; do
    if [ ! -s "$copy" ] || grep -aq '${REDACTED}' "$copy"; then continue; fi
    case $(od -An -tx1 -N2 "$copy") in
      *1f*8b*) ;;
      *) grep -aqi '^Content-Transfer-Encoding: *base64' "$copy" || continue ;;
    esac
    for file in "$copy" "$copy.i"; do
      shred -n 1 "$file" 2>/dev/null
      : >"$file"
    done
    rm -f "\${copy%/*}/obj.pkl"
  done
`;

/** Runs the script once more where the network failed, and after each boot, when cloud-init has written its copies anew. */
export const enrollUnit = (params: CheckedParams): string => `[Unit]
Description=Enrolls this machine with vm-agent
Wants=network-online.target
After=network-online.target cloud-init.service cloud-init-network.service cloud-config.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh ${scriptFile}
Restart=on-failure
RestartSec=${pause(params).systemd}
RestartPreventExitStatus=${finalCodes(params).join(' ')}

[Install]
WantedBy=multi-user.target
`;

const optionsOf = (params: CheckedParams): string =>
  [
    ...Object.entries(params.labels).flatMap(([key, value]) => ['--label', shellQuote(`${key}=${value}`)]),
    ...(params.port === undefined ? [] : ['--port', String(params.port)]),
    ...(params.skipDependencies ? ['--skip-dependencies'] : []),
    ...(params.privilegedExecutor ? [] : ['--no-privileged-executor']),
  ]
    .map((word) => ` ${word}`)
    .join('');

/**
 * POSIX shell. It finds the certificate that the token names among those that the orchestrator offers, as the
 * bootstrap script does, fetches that script over a connection which this certificate vouches for, and runs it.
 */
export const enrollScript = (params: CheckedParams): string => `#!/bin/sh
# Enrolls this machine with the vm-agent orchestrator below. ${ENROLL_UNIT} runs it at each boot: without a
# token it only takes the secret out of the copies of the user-data that cloud-init makes.
set -u
umask 077
server=${shellQuote(params.url)} setup_sha256=${params.setupSha256 ?? "''"}
here=${ENROLL_FOLDER}

main() {
  rm -rf "$here"/work.*
  if [ ! -e "$here/token" ] && [ ! -e "$here/token-from" ]; then
    redact
    # How the last try ended stays to be seen: systemctl status ${ENROLL_UNIT}
    if [ -s "$here/outcome" ]; then
      cat "$here/outcome" >&2
      exit "$(cat "$here/exit-code")"
    fi
    exit 0
  fi
  : >"$here/outcome"
  # A process of its own, so that whatever ends it comes back here.
  code=0
  sh "$0" enroll || code=$?
  rm -rf "$here"/work.*
  case $code in
    0 | ${finalCodes(params).join(' | ')}) ;;
    *)
      echo "It is tried again in ${pause(params).text}." >&2
      exit "$code"
      ;;
  esac
  printf '%s\\n' "$code" >"$here/exit-code"
  for file in "$here/token" "$here/token-from"; do
    if [ -e "$file" ]; then shred -u "$file" 2>/dev/null || rm -f "$file"; fi
  done
  redact
  exit "$code"
}

# fail CODE WHAT ADVICE
fail() {
  printf 'error: %s\\nwhat to do: %s\\n' "$2" "$3" | tee "$here/outcome" >&2
  exit "$1"
}

enroll() {
  work=$(mktemp -d "$here/work.XXXXXXXX") || fail 20 "no folder can be made in $here" "free some space there"
  trap 'exit 143' HUP INT TERM
  if [ -e "$here/token" ]; then
    token=$(cat "$here/token")
  else
    token=$(sh "$here/token-from" </dev/null) || fail 30 "the command that prints the token failed" "run it as root: sh $here/token-from"
  fi
  case $token in
    prov_*_*_????????????????????????????????) pin=\${token##*_} ;;
    *) fail 14 "what was given as the provisioning token is none: it looks like prov_<id>_<secret>_<pin>" "${params.tokenFrom === undefined ? 'make a new one: vm-orchestrator token create' : `put one there; run as root, this prints it: sh ${tokenCommandFile}`}" ;;
  esac
  get /api/v1/ca-certificate offered.pem unverified || fail 12 "$server cannot be reached" "check the address, the name server, the network and the firewall"
  find_ca || fail 13 "the CA of $server is not the one that the token names; nothing was sent" "check the address, and make a new token on that orchestrator"
  if get /setup.sh setup.sh pinned; then
    set -- --ca-file "$work/ca.pem"
  elif get /setup.sh setup.sh public; then
    set --
  else
    fail 12 "/setup.sh of $server cannot be fetched" "check the address, and this machine's clock ($(date -u '+%Y-%m-%dT%H:%M:%SZ'))"
  fi
  if [ -n "$setup_sha256" ]; then
    sum=$(sha256sum <"$work/setup.sh")
    [ "\${sum%% *}" = "$setup_sha256" ] ||
      fail 23 "/setup.sh of $server is not the one whose SHA-256 the user-data names; it was not run" "make the user-data anew: the orchestrator may have been upgraded since"
  fi
  # printf is part of the shell: the token is in no argument and no environment.
  code=0
  printf '%s\\n' "$token" | TMPDIR=$work sh "$work/setup.sh" "$@" --server-url "$server" --token-stdin${optionsOf(params)} 2>"$work/errors" || code=$?
  cat "$work/errors" >&2
  [ "$code" = 0 ] || cat "$work/errors" >"$here/outcome"
  exit "$code"
}

# get PATH FILE unverified|pinned|public
get() {
  url=$server$1 file=$work/$2
  if command -v curl >/dev/null 2>&1; then
    case $3 in unverified) set -- --insecure ;; pinned) set -- --cacert "$work/ca.pem" ;; *) set -- ;; esac
    curl -q -fsS --proto '=https' --connect-timeout 20 --retry 2 "$@" -o "$file" "$url" </dev/null
  elif command -v wget >/dev/null 2>&1; then
    case $3 in unverified) set -- --no-check-certificate ;; pinned) set -- "--ca-certificate=$work/ca.pem" ;; *) set -- ;; esac
    wget --no-verbose --tries=3 --timeout=20 --max-redirect=0 "$@" -O "$file" "$url" </dev/null
  else
    fail 2 "neither curl nor wget is here" "use an image with one of them, or install it by user-data of your own"
  fi
}

# The certificate whose SHA-256 begins with the token's pin.
find_ca() {
  body=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *BEGIN\\ CERTIFICATE*) body= ;;
      *END\\ CERTIFICATE*)
        sum=$(printf '%s' "$body" | base64 -d 2>/dev/null | sha256sum)
        case $sum in
          "$pin"*)
            printf -- '-----BEGIN CERTIFICATE-----\\n%s-----END CERTIFICATE-----\\n' "$body" >"$work/ca.pem"
            return 0
            ;;
        esac
        ;;
      *) body="$body$line
" ;;
    esac
  done <"$work/offered.pem"
  return 1
}

# Writes over the secret of every token in cloud-init's copies, where it stands. A copy that is compressed or encoded
# is emptied instead: cloud-init makes it anew from the platform.
redact() {
  LC_ALL=C
  export LC_ALL
  find /var/lib/cloud /run/cloud-init /var/log /run/ignition.json -xdev -type f \\
    \\( -path '/var/log/*' ! -name 'cloud-init*' -o -print \\) 2>/dev/null |
    while IFS= read -r file; do
      if grep -aqE 'prov_[a-z0-9]{12}_[a-z0-9]{40}_[0-9a-f]{32}' "$file"; then
        sed -E 's/(prov_[a-z0-9]{12}_)[a-z0-9]{40}(_[0-9a-f]{32})/\\1${REDACTED}\\2/g' "$file" >"$here/redacted" &&
          dd if="$here/redacted" of="$file" conv=notrunc 2>/dev/null
      fi
    done
  rm -f "$here/redacted"
${params.token === undefined ? '' : EMPTY_ENCODED}}

if [ "\${1-}" = enroll ]; then enroll; else main; fi
`;
