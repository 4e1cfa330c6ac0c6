#!/bin/bash
# The first process of a real node's namespaces: node-init.sh HOSTNAME FOLDER. Its end is the end of all that runs in
# them, and of every mount. What it mounts is seen in here only: the node finds its own FOLDER at /run/node.
set -euo pipefail
hostname "$1"
mount --make-rshared /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p /run/node /run/netns /run/lock
mount --bind "$2" /run/node
mount --bind /run/netns /run/netns
mount --make-rshared /

# The kubelet sets these for the whole machine unless it finds them as it wants them: here it does.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    name=${setting%=*}
    mkdir -p "/run/sysctl/${name%/*}"
    echo "${setting#*=}" > "/run/sysctl/$name"
    mount --bind "/run/sysctl/$name" "/proc/sys/$name"
done

touch /run/node/namespaces-ready
# Adopts and reaps the containers' shims.
while :; do wait -n 2> /dev/null || sleep 0.5; done
