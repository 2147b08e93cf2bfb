#!/bin/sh
# Our transport handshake against an independent implementation of Noise
# (Debian: golang-github-flynn-noise-dev), in both roles, with rekeys.
#
#   tests/interop/noise.sh NOISE_PEER WORK_DIR
#
# Exit status 77, with the reason, where the other implementation is missing.

set -u
peer=$1
work=$2/interop_noise
gopath=/usr/share/gocode
psk=54686973206973206d7920417573747269616e20706572737065637469766521
other=54686973206973206d7920417573747269616e20706572737065637469766520

skip()
{
    echo "skipped: $1" >&2
    exit 77
}

[ -d "$gopath/src/github.com/flynn/noise" ] ||
    skip 'no golang-github-flynn-noise-dev'
go=/usr/lib/go-1.19/bin/go
[ -x "$go" ] || go=$(command -v go) || skip 'no go compiler'

rm -rf "$work"
mkdir -p "$work/go" || exit 1
trap 'rm -rf "$work"' EXIT

# Offline, from Debian's sources alone.
GOPATH=$gopath GO111MODULE=off GOFLAGS='' GOROOT='' GOPROXY=off \
    GOTOOLCHAIN=local GOCACHE=$work/go CGO_ENABLED=0 \
    "$go" build -o "$work/flynn" tests/interop/noise_flynn/main.go || exit 1

talk() # ROLE_OF_OURS PSK_OF_OURS REKEY_OF_OURS REKEY_OF_THEIRS ROUNDS
{
    theirs=responder
    [ "$1" = initiator ] || theirs=initiator
    rm -f "$work/to" "$work/from"
    mkfifo "$work/to" "$work/from" || exit 1
    timeout 60 "$work/flynn" "$theirs" "$psk" "$4" "$5" \
        <"$work/to" >"$work/from" &
    timeout 60 "$peer" "$1" "$2" "$3" "$5" >"$work/to" <"$work/from"
    ours=$?
    wait $!
    both=$?
    [ "$ours" -eq 0 ] && [ "$both" -eq 0 ]
}

status=0
expect() # ok|refused WHAT then as talk
{
    want=$1
    what=$2
    shift 2
    if talk "$@" 2>"$work/log"; then got=ok; else got=refused; fi
    echo "$what, we are the $1: $got"
    if [ "$got" != "$want" ]; then
        cat "$work/log"
        status=1
    fi
}

for role in initiator responder; do
    expect ok 'one key' "$role" "$psk" 65536 65536 14
    expect ok 'a rekey every 5 messages' "$role" "$psk" 5 5 28
    expect ok 'a rekey after every message' "$role" "$psk" 1 1 14
    expect refused 'another psk' "$role" "$other" 65536 65536 1
    expect refused 'they miss a rekey' "$role" "$psk" 5 65536 14
    expect refused 'we miss a rekey' "$role" "$psk" 65536 5 14
done
exit $status
