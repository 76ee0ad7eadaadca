#!/bin/sh
# First process of the agent's container image.
#   run [OPTION…]   (the default) enrolls at the first start, then becomes the agent; options of `vm-agent container`
#   prepare         as root: gives the agent's folder to the image's user, where a volume is made for root
#   anything else   is run as it is: `vm-agent status`, `sh`
set -eu

home=${VM_AGENT_HOME:-/opt/vm-agent}
user=${VM_AGENT_CONTAINER_USER:-10001}

prepare() {
  if [ -L "$home/current" ]; then
    echo "error: $home holds an agent that was installed on this machine; it is left as it is." >&2
    echo "what to do: remove it first (vm-agent uninstall), or keep the container off this machine." >&2
    exit 24
  fi
  [ "$(stat -c %u "$home")" = "$user" ] || chown -R "$user:$user" "$home"
}

case ${1:-run} in
  run) [ $# -eq 0 ] || shift ;;
  prepare) prepare && exit 0 ;;
  *) exec "$@" ;;
esac

# A child does it, and then another program takes this process over: the environment that /proc shows of the agent, and
# that its commands inherit, never held the token.
vm-agent container "$@" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || :' TERM INT
code=0
wait "$child" || code=$?
trap - TERM INT
[ "$code" -eq 0 ] || exit "$code"
unset PROVISIONING_TOKEN VM_AGENT_PROVISIONING_TOKEN PROVISIONING_TOKEN_FILE

# The first process inherits what commands leave behind, and has to wait for it: that is tini's whole work.
exec tini -- vm-agent server --home "$home"
