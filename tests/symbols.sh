#!/bin/sh
# The deciding layers have no hands: protocol/ and replication/ may not refer to
# the network, files, the clock, threads, the environment or any randomness but
# the stream that they are given.
# usage: symbols.sh libcairn_protocol.a libcairn_replication.a
set -eu

[ $# -gt 0 ] || { echo "usage: symbols.sh LIBRARY..." >&2; exit 2; }

forbidden='uv_.*|rocksdb_.*|MHD_.*|curl_.*|json_.*'
forbidden="$forbidden|f?open(at)?(64)?|creat|p?(read|write)v?(64)?|f(read|write|close|printf|puts|gets)|close|unlink(at)?|rename(at)?|mkdir(at)?|f?stat(at)?(64)?|lseek(64)?|f(data)?sync|mmap(64)?|printf|puts|perror"
forbidden="$forbidden|socket|connect|bind|listen|accept4?|send(to|msg)?|recv(from|msg)?|poll|select|epoll_.*|getaddrinfo"
forbidden="$forbidden|time|clock|clock_gettime|gettimeofday|localtime(_r)?|nanosleep|u?sleep|timer_.*"
forbidden="$forbidden|pthread_(create|mutex_.*|cond_.*)|thrd_.*|mtx_.*|fork|exec.*|system"
forbidden="$forbidden|getenv|secure_getenv|setenv|rand(_r)?|random|arc4random.*|getrandom|randombytes_.*|RAND_.*|rng_init_system"

status=0
for lib in "$@"; do
    undefined=$(nm -u "$lib" | awk '$1 == "U" {sub(/@.*/, "", $2); print $2}' | sort -u)
    [ -n "$undefined" ] || { echo "$lib: no symbols read" >&2; exit 1; }
    found=$(printf '%s\n' "$undefined" | grep -xE "$forbidden" || :)
    if [ -n "$found" ]; then
        printf '%s refers to:\n%s\n' "$lib" "$found" >&2
        status=1
    fi
done
exit $status
