#!/bin/sh
# One seed is one history in every process, whatever the addresses and the time
# of day: two runs of the simulator print the same trace, another seed another.
# usage: sim.sh CAIRN-SIM
set -eu

[ $# -eq 1 ] || { echo "usage: sim.sh CAIRN-SIM" >&2; exit 2; }

first=$("$1" --seed 3 --faults some --json)
again=$("$1" --seed 3 --faults some --json)
other=$("$1" --seed 4 --faults some --json)
[ "$first" = "$again" ] || { printf '%s\n%s\n^ differ\n' "$first" "$again"; exit 1; }
trace() { printf '%s' "$1" | sed 's/.*"trace":"\([0-9a-f]*\)".*/\1/'; }
[ "$(trace "$first")" != "$(trace "$other")" ] || { echo 'two seeds, one trace'; exit 1; }
