#!/bin/sh
# Unpacks the proofs of transparency-dev/merkle and runs those that this
# design speaks, each file one case: good proofs verify, the others do not.
#
#   vectors_archive.sh VECTORS-PROGRAM ARCHIVE SCRATCH-FOLDER
set -eu

expected=196 # 98 inclusion, 98 consistency
mkdir -p "$3"
tar -xzf "$2" -C "$3"
find "$3/testdata/inclusion" "$3/testdata/consistency" -name '*.json' \
    >"$3/files"
found=$(wc -l <"$3/files")
if [ "$found" -ne "$expected" ]; then
    echo "$found files instead of $expected" >&2
    exit 1
fi
# jansson has no integers from 2^63 on: such an index goes in quotes.
tr '\n' '\0' <"$3/files" >"$3/files0"
xargs -0 sed -Ei 's/: ([0-9]{19,})(,?)$/: "\1"\2/' <"$3/files0"
xargs -0 "$1" merkle <"$3/files0"
