#!/bin/sh
# The architecture, as a test: every include of a folder is on its list.
# Run from the repository root.

status=0
std='assert|errno|inttypes|limits|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdlib|string'
os='arpa/inet|dirent|fcntl|getopt|grp|math|netdb|netinet/(in|tcp)|poll|pthread|pwd|sched|signal|stdio|sys/[a-z_]+|termios|time|unistd|locale'

allow() # FOLDER OWN-FOLDERS SYSTEM-HEADERS
{
    [ -d "$1" ] || return 0
    found=$(find "$1" -name '*.[ch]' -exec grep -nE '^ *# *include' {} + |
        grep -vE "include *(\"($2)/[a-z0-9_/]+\.h\"|<($3)\.h>)")
    if [ -n "$found" ]; then
        printf '%s\n^ not on the list of %s/\n' "$found" "$1" >&2
        status=1
    fi
}

#     folder      may include                        and these headers
allow crypto      'crypto'                           "$std|sodium|openssl/[a-z]+|intel-ipsec-mb|sys/(types|mman)"
allow protocol    'crypto|protocol'                  "$std|msgpack"
allow replication 'crypto|protocol|replication'      "$std|isa-l|isa-l/[a-z_]+|zstd"
allow sim         'crypto|protocol|replication|sim'  "$std|stdio|getopt|sodium"
allow node        'crypto|protocol|replication|node' "$std|$os|isa-l/crc(64)?|sodium|uv|rocksdb/c|microhttpd|jansson|curl/curl|confuse|sanitizer/asan_interface"

# Inside of a folder: each of its folders may include those before it.
order() # FOLDER SUB-FOLDERS
{
    top=$1
    shift
    for sub in "$top"/*/; do
        case " $* " in
            *" $(basename "$sub") "*) ;;
            *) printf '%s has no place in the order of %s/\n' "$sub" "$top" >&2
               status=1 ;;
        esac
    done
    before=
    for sub in "$@"; do
        before="$before${before:+|}$sub"
        found=$(grep -rnE "include \"$top/[a-z]+/" "$top/$sub" |
            grep -vE "include \"$top/($before)/")
        if [ -n "$found" ]; then
            printf '%s\n^ %s/%s may not include that\n' "$found" "$top" "$sub" >&2
            status=1
        fi
    done
}

order replication coding mover custodian recoverer steward depositor
order node base cli core link home mover custody \
    shard client recovery deposit admin daemon cmd

exit $status
