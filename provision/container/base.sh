#!/bin/sh
# What both images need beside their packages; run once, inside the new root. `npm run image` and the Containerfiles
# use the same file.
set -eu

echo 'vm-agent:x:10001:' >>/etc/group
echo 'vm-agent:x:10001:10001:vm-agent:/tmp:/bin/sh' >>/etc/passwd

# Every container would have the same id, and the orchestrator would take them for clones of one machine.
rm -f /etc/machine-id /var/lib/dbus/machine-id

# Nothing of the build, and nothing that differs from one build to the next.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/* /var/log/* /tmp/*
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /var/lib/dpkg/*-old
