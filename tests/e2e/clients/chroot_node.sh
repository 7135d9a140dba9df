#!/bin/sh
# clients/chroot_node.sh ROOT BASE [PATH BODY]...: clients/client.js on the node of a Debian root;
# where something is preloaded here, its copy in the root is preloaded there.
root=$1
shift
preloaded=${LD_PRELOAD:+LD_PRELOAD=/preload.so}
unset LD_PRELOAD
export NODE_EXTRA_CA_CERTS=/cert.pem
# shellcheck disable=SC2016,SC2086
exec unshare -m sh -ec 'root=$1; shift
mount --bind /dev/shm "$root/dev/shm"
mount --bind /proc "$root/proc"
exec chroot "$root" env "$@"' sh "$root" $preloaded /usr/bin/node /client.js "$@"
