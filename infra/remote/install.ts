import { diskLayout, SERVICE_UNIT, securityEntry } from '../../protocol/disk-layout.ts';
import { shellQuote } from '../../protocol/shell-quote.ts';
import { DEPLOYMENT_LABEL, HOST_LABEL } from '../program/request.ts';
import { LABEL_FUNCTIONS } from './labels.ts';
import { asRoot } from './shell.ts';

export interface InstallScript {
  /** `https://HOST[:PORT]` */
  url: string;
  /** PEM of the orchestrator's CA; empty: the system trusts it. */
  ca: string;
  version: string;
  deployment: string;
  host: string;
  /** Labels are to be granted: a machine that enrolled by itself needs a new identity for them. */
  labelled: boolean;
}

/**
 * The command that makes a host an agent of that version, or finds that it is one. The token comes on stdin. It holds
 * nothing secret, and is the same text as long as nothing is to be done.
 *
 * The least that helps is done: an agent of another version is upgraded in place, with the way back that `vm-agent
 * upgrade` has; one that is down is started; the whole installer, with its download, runs where programs are missing
 * or broken; a new identity is made where the old one counts no more, or is that of another host. Prints one fixed line; on failure also the end
 * of what the installer said, without lines that hold the token.
 */
export const installCommand = (options: InstallScript): string => asRoot(scriptOf(options));

function scriptOf({ url, ca, version, deployment, host, labelled }: InstallScript): string {
  const layout = diskLayout();
  const fetchCa = ca === '' ? '' : ` --cacert "$work/ca.pem"`;
  const wgetCa = ca === '' ? '' : ` --ca-certificate="$work/ca.pem"`;
  return `# vm-agent ${version}, installation ${deployment}
set -eu
umask 077
IFS= read -r token || :
if [ -z "$token" ]; then
  echo "vm-agent: no provisioning token came on stdin, so nothing was done. Run pulumi up again, which makes one." >&2
  exit 14
fi
url=${shellQuote(url)} version=${shellQuote(version)} deployment=${shellQuote(deployment)} host=${shellQuote(host)}
program=${layout.current}/bin/vm-agent config=${layout.config}/agent_config.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
log=$work/log
: >"$log"
${ca === '' ? '' : `cat >"$work/ca.pem" <<'END_OF_CA'\n${ca.trim()}\nEND_OF_CA\n`}
fail() {
  echo "vm-agent: the installation failed" >&2
  tail -n 15 "$log" | while IFS= read -r line; do
    case $line in *"\${token:-none}"*) ;; *) printf '%s\\n' "$line" >&2 ;; esac
  done
  exit "$1"
}
enroll() {
  command=$1
  shift
  code=0
  printf '%s\\n' "$token" | $command "$@" --token-stdin --server-url "$url"${ca === '' ? '' : ' --ca-file "$work/ca.pem"'} \\
    --label ${HOST_LABEL}="$host" --label ${DEPLOYMENT_LABEL}="$deployment" >>"$log" 2>&1 || code=$?
}
setup() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsS --proto '=https'${fetchCa} -o "$work/setup.sh" "$url/setup.sh" >>"$log" 2>&1 || fail 12
  else
    wget -q${wgetCa} -O "$work/setup.sh" "$url/setup.sh" >>"$log" 2>&1 || fail 12
  fi
  enroll sh "$work/setup.sh" "$@"
  [ "$code" -eq 0 ] || fail "$code"
}
${LABEL_FUNCTIONS}
before=$(cksum "$config" 2>/dev/null || :)
present=$("$program" --version 2>/dev/null || :)
enrolled=
[ -s ${securityEntry(layout, 'certificate').path} ] && enrolled=1
force=
case $deployment in *-r) [ "$(label ${DEPLOYMENT_LABEL})" = "$deployment" ] || force=1 ;; esac
# What was granted to another host ends with that: this one gets an identity of its own.
case $(label ${HOST_LABEL}) in
  "$host") ;;
  '') ${labelled ? 'force=1' : ':'} ;;
  *) force=1 ;;
esac

if [ -n "$enrolled" ] && [ -n "$force" ]; then
  setup --force-reinstall
elif [ -z "$enrolled" ] || [ -z "$present" ]; then
  setup
else
  code=0
  if [ "$present" != "$version" ]; then
    "$program" upgrade --version "$version" >>"$log" 2>&1 || code=$?
    # 28 and 31 to 33: there is no such release, or it was not taken, for a reason that trying again does not change.
    case $code in 28 | 31 | 32 | 33) fail "$code" ;; esac
  fi
  [ "$code" -ne 0 ] || enroll "$program" provision
  # 29: revoked; 24: an agent of another orchestrator; 13: of one with another CA.
  case $code in
    0) ;;
    13 | 24 | 29) setup --force-reinstall ;;
    *) setup ;;
  esac
fi
if [ "$before" != "$(cksum "$config" 2>/dev/null || :)" ]; then
  systemctl reload ${SERVICE_UNIT} >>"$log" 2>&1 || fail 30
fi
echo "vm-agent: installed"
`;
}
