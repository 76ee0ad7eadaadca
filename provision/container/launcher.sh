#!/bin/sh
# Starts the program of this name with the Node beside it: /usr/local/bin of both images.
exec /usr/lib/vm-agent/runtime/node "/usr/lib/vm-agent/${0##*/}.mjs" "$@"
