#!/bin/sh
# Starts the program of this name with the Node beside it: /usr/local/bin of both images.
# The heap's sizes are those of provision/node-flags.ts.
case ${0##*/} in
  vm-agent) exec /usr/lib/vm-agent/runtime/node --max-semi-space-size=4 /usr/lib/vm-agent/vm-agent.mjs "$@" ;;
  vm-orchestrator) exec /usr/lib/vm-agent/runtime/node --max-semi-space-size=16 --initial-old-space-size=64 /usr/lib/vm-agent/vm-orchestrator.mjs "$@" ;;
  *) exec /usr/lib/vm-agent/runtime/node "/usr/lib/vm-agent/${0##*/}.mjs" "$@" ;;
esac
