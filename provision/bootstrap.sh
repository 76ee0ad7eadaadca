#!/bin/sh
# Installs vm-agent on this machine: what an orchestrator serves at /setup.sh.
#
#   sh setup.sh --server-url https://HOST:PORT --token-stdin [options]     (--help lists them)
#
# It downloads the agent and its own Node from that orchestrator alone, checks them against their SHA-256, and starts
# the installer, which checks the release's signature. All of it is in functions, and the last line calls main: half
# a download does nothing. Needed: curl or GNU wget, tar, gzip, sha256sum.

main() {
  set -eu
  umask 077
  server=${ORCHESTRATOR_URL-} token=${PROVISIONING_TOKEN-} from='' ca='' own='' work=''
  unset PROVISIONING_TOKEN

  # Takes out what this script needs itself, above all the token, and leaves the rest for the installer.
  left=$#
  while [ "$left" -gt 0 ]; do
    word=$1 value=
    shift
    left=$((left - 1))
    case $word in
      --server-url | --orchestrator-url | --provisioning-token | --token-file | --ca-file | --home)
        [ "$left" -gt 0 ] || fail 2 "$word needs a value" "--help lists the options"
        value=$1
        shift
        left=$((left - 1))
        ;;
      --*=*) value=${word#*=} word=${word%%=*} ;;
    esac
    case $word in
      --server-url | --orchestrator-url) server=$value ;;
      --provisioning-token) token=$value from=argument ;;
      --token-file) from=$value ;;
      --token-stdin) from=- ;;
      --ca-file) ca=$value ;;
      --home) own=1 && set -- "$@" --home "$value" ;;
      --user | --dry-run) own=1 && set -- "$@" "$word" ;;
      --help | -h) usage && exit 0 ;;
      *)
        # An option of the installer; its value, if any, follows as a word of its own or after the sign.
        if [ -n "$value" ]; then word=$word=$value; fi
        set -- "$@" "$word"
        ;;
    esac
  done

  [ -n "$server" ] || fail 2 "the orchestrator's address is missing" "give it by --server-url https://HOST:PORT"
  server=${server%/}
  case $server in
    https://?*) ;;
    *) fail 11 "the orchestrator's address must begin with https://, and $server does not" "try --server-url https://${server#*://}" ;;
  esac
  if [ -z "$own" ] && [ "$(id -u)" != 0 ]; then
    fail 10 "installing for the whole system needs root" "run it with sudo, or with --user for an installation of your own"
  fi
  find_platform
  find_tools
  read_token
  sweep
  work=$(mktemp -d "${TMPDIR:-/tmp}/vm-agent-setup.$$.XXXXXXXX") ||
    fail 20 "no temporary folder can be made in ${TMPDIR:-/tmp}" "free some space there, or set TMPDIR"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  find_ca
  echo "Downloading the agent for $platform from $server"
  fetch /artifacts/manifest.txt "$work/manifest.txt"
  agent='' runtime=''
  while read -r sum _ kind for; do
    case $sum in *[!0-9a-f]*) continue ;; esac
    [ "${#sum}" = 64 ] || continue
    case $kind/$for in
      agent/*) agent=$sum ;;
      runtime/"$platform") runtime=$sum ;;
    esac
  done <"$work/manifest.txt"
  [ -n "$agent" ] ||
    fail 28 "$server has no release of the agent" "run 'npm run build' where the orchestrator was built, and restart it"
  [ -n "$runtime" ] ||
    fail 28 "$server has no runtime for $platform" "run 'npm run build -- --all-platforms' where the orchestrator was built, and restart it"
  take "$agent" "$work/agent"
  take "$runtime" "$work/runtime"

  node=$work/runtime/node
  if ! why=$("$node" --version 2>&1); then
    fail 21 "the runtime does not start here: $why" "install the library that it names; if $work lies where no program may run (noexec), set TMPDIR to another folder"
  fi
  set -- "$@" --server-url "$server" --artifacts "$work"
  [ -z "$ca" ] || set -- "$@" --ca-file "$ca"
  code=0
  if [ -n "$token" ]; then
    # printf is part of the shell: the token is in no argument, file or environment that others could read.
    printf '%s\n' "$token" | "$node" "$work/agent/setup.mjs" "$@" --token-stdin || code=$?
  else
    "$node" "$work/agent/setup.mjs" "$@" </dev/null || code=$?
  fi
  exit "$code"
}

usage() {
  cat <<'END'
Usage: sh setup.sh --server-url https://HOST:PORT [options]

Installs vm-agent on this machine and enrolls it with an orchestrator. Safe to run
again: it continues where an interrupted run stopped, or changes nothing.

  --server-url URL           the orchestrator (also --orchestrator-url, env ORCHESTRATOR_URL)
  --token-stdin              read the provisioning token from stdin
  --token-file FILE          read it from a file
  --provisioning-token T     the token itself; visible to other users of this machine
                             (env PROVISIONING_TOKEN)
  --ca-file FILE             the orchestrator's CA certificate
  --label KEY=VALUE          label that this machine reports; may be repeated
  --port N                   port of the agent's local interface (default 8080)
  --user                     install for yourself: no root, no systemd
  --home DIR                 folder of such an installation (default ~/.vm-agent)
  --skip-dependencies        install no system packages
  --force-reinstall          replace the identity by a new one; keeps logs
  --same-machine             keep the identity although the instance id has changed
  --no-privileged-executor   run commands inside the agent (in this version always so)
  --dry-run                  say what would be done, and change nothing
  --debug                    show each command, durations, and where an error happened
  --help                     this text
END
}

# fail CODE WHAT ADVICE
fail() {
  printf 'error: %s\nwhat to do: %s\n' "$2" "$3" >&2
  exit "$1"
}

# Takes away the downloads of earlier runs that were killed: their folders bear the pid of a process that is gone.
sweep() {
  for folder in "${TMPDIR:-/tmp}"/vm-agent-setup.*.*; do
    [ -d "$folder" ] && [ ! -L "$folder" ] && [ -O "$folder" ] || continue
    pid=${folder##*/vm-agent-setup.}
    kill -0 "${pid%%.*}" 2>/dev/null || rm -rf "$folder"
  done
}

find_platform() {
  [ "$(uname -s)" = Linux ] || fail 21 "the agent does not run on $(uname -s)" "it runs on Linux with glibc, on x86-64 and arm64"
  case $(uname -m) in
    x86_64 | amd64) platform=linux-x64 loader=/lib64/ld-linux-x86-64.so.2 ;;
    aarch64 | arm64) platform=linux-arm64 loader=/lib/ld-linux-aarch64.so.1 ;;
    *) fail 21 "the agent does not run on $(uname -m)" "it runs on x86_64 and aarch64" ;;
  esac
  [ -e "$loader" ] ||
    fail 21 "this system has no glibc ($loader is missing; Alpine and others have musl)" "use a distribution with glibc, such as Debian, Ubuntu, Fedora, RHEL, SUSE, or run the agent in a container of one"
  # Node needs glibc 2.28. Where getconf is missing, the runtime's own start tells.
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=''
  case $glibc in
    'glibc 2.'*)
      minor=${glibc#glibc 2.} minor=${minor%%.*}
      [ "$minor" -ge 28 ] ||
        fail 21 "this system has $glibc; Node, which the agent runs on, needs 2.28 or newer" "use a newer release of the system, or run the agent in a container of one"
      ;;
  esac
}

find_tools() {
  for tool in tar gzip sha256sum mktemp; do
    command -v "$tool" >/dev/null 2>&1 || fail 2 "$tool is missing" "install it with this system's package manager"
  done
  if command -v curl >/dev/null 2>&1; then
    getter=curl
  elif command -v wget >/dev/null 2>&1; then
    # BusyBox's wget takes any certificate for good.
    case $(wget --version 2>/dev/null) in
      *'GNU Wget'*) getter=wget ;;
      *) fail 2 "this wget does not check certificates" "install curl or GNU wget" ;;
    esac
  else
    fail 2 "neither curl nor wget is here" "install one of them"
  fi
}

# Sets token and pin. The text of the token is never shown.
read_token() {
  case $from in
    '') ;;
    argument)
      echo 'warning: a token in --provisioning-token can be read by other users of this machine while this runs; --token-stdin keeps it to yourself' >&2
      ;;
    -)
      token=''
      IFS= read -r token || [ -n "$token" ] || fail 14 "no provisioning token came on stdin" "pipe it: printf %s 'prov_…' | sh setup.sh --token-stdin …"
      ;;
    *)
      token=''
      [ -r "$from" ] || fail 2 "the token file $from cannot be read" "check --token-file"
      IFS= read -r token <"$from" || :
      ;;
  esac
  pin=''
  case $token in
    prov_*_*_????????????????????????????????) pin=${token##*_} ;;
    '') [ -z "$from" ] || fail 14 "the provisioning token is empty" "make one: vm-orchestrator token create" ;;
    *) fail 14 "what was given as the provisioning token is none: it looks like prov_<id>_<secret>_<pin>" "copy the whole token, or make a new one: vm-orchestrator token create" ;;
  esac
}

# Finds out whom to trust: the file that was given, what this system trusts, or else the certificate whose SHA-256 the
# token names, taken from the server and compared before anything is sent.
find_ca() {
  if [ -n "$ca" ]; then
    [ -r "$ca" ] || fail 2 "the CA file $ca cannot be read" "check --ca-file"
    return 0
  fi
  if get /api/v1/ca-certificate "$work/offered.pem"; then return 0; fi
  [ "$reason" = untrusted ] || explain
  [ -n "$pin" ] || explain
  get /api/v1/ca-certificate "$work/offered.pem" unverified || explain
  body=''
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *BEGIN\ CERTIFICATE*) body='' ;;
      *END\ CERTIFICATE*)
        hash=$(printf '%s' "$body" | base64 -d 2>/dev/null | sha256sum)
        case $hash in
          "$pin"*)
            printf -- '-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n' "$body" >"$work/ca.pem"
            ca=$work/ca.pem
            return 0
            ;;
        esac
        ;;
      *) body="$body$line
" ;;
    esac
  done <"$work/offered.pem"
  fail 13 "the CA of $server is not the one that the token names; nothing was sent" "check --server-url, and make a new token on that orchestrator"
}

# get PATH FILE [unverified]: downloads; on failure sets reason and said.
get() {
  reason='' said='' status=0
  if [ "$getter" = curl ]; then
    set -- "$1" "$2" "${3-}" -q --fail --silent --show-error --proto '=https' --connect-timeout 20 --retry 2
    if [ -n "$3" ]; then set -- "$@" --insecure; elif [ -n "$ca" ]; then set -- "$@" --cacert "$ca"; fi
    path=$1 file=$2
    shift 3
    said=$(curl "$@" --output "$file" "$server$path" 2>&1 </dev/null) || status=$?
    case $status in
      0) return 0 ;;
      22) reason=refused ;;
      23) reason=full ;;
      35 | 51 | 58 | 60 | 77 | 83 | 90) reason=untrusted ;;
      *) reason=unreachable ;;
    esac
  else
    set -- "$1" "$2" "${3-}" --no-verbose --tries=3 --timeout=20 --max-redirect=0
    if [ -n "$3" ]; then set -- "$@" --no-check-certificate; elif [ -n "$ca" ]; then set -- "$@" "--ca-certificate=$ca"; fi
    path=$1 file=$2
    shift 3
    said=$(wget "$@" --output-document="$file" "$server$path" 2>&1 </dev/null) || status=$?
    case $status in
      0) return 0 ;;
      3) reason=full ;;
      5) reason=untrusted ;;
      8) reason=refused ;;
      *) reason=unreachable ;;
    esac
  fi
  case $said in
    *'not yet valid'* | *'has expired'* | *'not yet activated'*) reason=clock ;;
  esac
  return 1
}

# Ends with what get found.
explain() {
  case $reason in
    clock) fail 19 "the certificate of $server is not valid at the time of this machine's clock, $(date -u '+%Y-%m-%dT%H:%M:%SZ') ($said)" "set the clock (for example: timedatectl set-ntp true) and run this again" ;;
    untrusted) fail 13 "the certificate of $server is not trusted here ($said)" "use the line that the orchestrator prints, which carries its CA, or give the CA by --ca-file; check this machine's clock too ($(date -u '+%Y-%m-%dT%H:%M:%SZ'))" ;;
    refused) fail 28 "$server does not have what was asked for ($said)" "check that --server-url is a vm-agent orchestrator with a built release" ;;
    full) fail 20 "a download cannot be written to $work; there may be no space left ($said)" "free some space there, or set TMPDIR" ;;
    *) fail 12 "$server cannot be reached ($said)" "check --server-url, the name server, the network and the firewall" ;;
  esac
}

# fetch PATH FILE
fetch() {
  get "$1" "$2" || explain
}

# take SHA256 FOLDER: downloads an archive, checks it and unpacks it.
take() {
  fetch "/artifacts/$1.tar.gz" "$work/$1.tar.gz"
  actual=$(sha256sum <"$work/$1.tar.gz")
  [ "${actual%% *}" = "$1" ] ||
    fail 23 "an archive from $server is not what its manifest says" "run this again; if it stays so, somebody changes it on the way"
  mkdir "$2"
  tar -xzof "$work/$1.tar.gz" -C "$2" </dev/null ||
    fail 20 "an archive cannot be unpacked in $work; there may be no space left" "free some space there, or set TMPDIR"
}

main "$@"
