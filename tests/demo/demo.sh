#!/bin/sh
# The tour that ./dev demo gives: seven stewards found a network, a lab deposits
# a real model with them, the lab and three stewards are lost, and what is left
# releases the model to a recipient, who puts it to work. Nothing is faked:
# every step is a command that it shows, between processes that anyone may run.
#
#   demo.sh [--keep | --network] [DIR]
#       DIR         any folder instead of the default model
#       --keep      leaves what is left of the network up
#       --network   only founds the network, and leaves it up
set -eu

keep=0
network=0
model=
for arg in "$@"; do
    case $arg in
        --keep) keep=1 ;;
        --network) keep=1 network=1 ;;
        -*) echo "demo: unknown option $arg" >&2; exit 2 ;;
        *) model=$arg ;;
    esac
done
bin=${CAIRN_BIN:-$PWD/build/node}
PATH=$bin:$PATH
[ -x "$bin/cairn" ] || { echo 'demo: run ./dev demo, which builds first' >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo.XXXXXX")
aside=$work/.aside # What is of this script alone.
mkdir "$aside"
cleanup()
{
    if [ "$keep" = 1 ]; then
        printf '\nkept, with its processes: %s\n' "$work"
        printf 'Commands as above, from there: cd %s; PATH=%s:$PATH\n' "$work" "$bin"
        printf 'To end it: kill $(cat %s/*/*.pid); rm -r %s\n' "$work" "$work"
    else
        # shellcheck disable=SC2046
        kill -9 $(cat "$work"/*/*.pid 2>/dev/null) 2>/dev/null || :
        rm -rf "$work"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

tell() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || tell() { printf '\n%s\n' "$*"; }
show()
{
    printf '  $'
    for word in "$@"; do
        case $word in *' '*) word="'$word'" ;; esac
        printf ' %s' "$word" | sed "s|$work/||g"
    done
    printf '\n'
    "$@"
}
sums() { (cd "$1" && find -L . -type f -exec sha256sum {} + | sort -k 2); }

line='No stone is the cairn; lose some, and it still marks the way.'
reads= # Whether the model can be put to work.

tell '1. The model'
if [ -z "$model" ]; then
    reads=1
    model=$work/model
    mkdir "$model"
    data=$(dpkg -L tesseract-ocr-eng | grep '/eng\.traineddata$')
    cp "$data" "$model/eng.traineddata"
    cp /usr/share/doc/tesseract-ocr-eng/copyright "$model/LICENSE"
    echo 'A neural network that reads printed English: Tesseract'"'"'s, as Debian'
    echo 'ships it. Before anything else, let it read a line that we print:'
    printf '%s\n' "$line" >"$aside/line.txt"
    text2image --text="$aside/line.txt" --outputbase="$aside/line" \
        --font='DejaVu Sans' --fonts_dir=/usr/share/fonts/truetype/dejavu \
        --fontconfig_tmpdir="$aside" --ptsize=12 --xsize=2400 --ysize=160 \
        --margin=40 >/dev/null 2>&1
    before=$(tesseract --tessdata-dir "$model" "$aside/line.tif" - --psm 7 2>/dev/null)
    printf '  it reads: %s\n' "$before"
    [ "$(echo "$before" | tr -d '\n\f')" = "$line" ] || { echo 'demo: it does not read'; exit 1; }
else
    [ -d "$model" ] || { echo "demo: '$model' is no folder" >&2; exit 1; }
    printf 'The folder %s.\n' "$model"
fi
sums "$model" >"$aside/before.sha256"

# The same for six others, without the words.
quietly() { "$@" >"$aside/out" 2>&1 || { cat "$aside/out"; echo "demo: failed: $*"; exit 1; }; }
# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
    tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "demo: this did not come about: $*"; tail -n 5 "$work"/s*/log; exit 1; }
        sleep 0.1
    done
}
# The first value of that name in the JSON of standard input.
field() { tr -d '\n' | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
links_up() # HOME COUNT
{
    [ "$(cairn status --home "$1" --json | field linked)" = "$2" ]
}
start_custodian()
{
    cairn-custodian run --home "$work/c$1" >"$work/c$1/log" 2>&1 &
    echo $! >"$work/c$1/custodian.pid"
}
start_steward()
{
    cairnd run --home "$work/s$1" >>"$work/s$1/log" 2>&1 &
    echo $! >"$work/s$1/cairnd.pid"
}

tell '2. Seven institutions become stewards'
net=127.$(od -An -N2 -tu1 /dev/urandom | awk '{ print $1 % 250 + 2 "." $2 }')
names='Delft-Library Lund-University Kyoto-Archive Nairobi-Library Quito-University Sofia-Archive Perth-Library'
places='NL SE JP KE EC BG AU'
i=0
for name in $names; do
    i=$((i + 1))
    place=$(echo "$places" | cut -d' ' -f$i)
    name=$(echo "$name" | tr - ' ')
    run=quietly
    [ "$i" -gt 1 ] || run=show
    quietly ssh-keygen -q -t ed25519 -N '' -C "operator of $name" -f "$work/op$i"
    $run cairn-custodian init --home "$work/c$i"
    $run cairnd init --home "$work/s$i" --name "$name" --jurisdiction "$place" \
        --listen "$net.$i:7117" --custody "$work/c$i/card" \
        --custodian "$work/c$i/socket" --operator "$work/op$i.pub"
    cairnd card --home "$work/s$i" >"$work/s$i.card"
done
echo '  (and the same for the six others: each has a node, which is on the network,'
echo '  a custodian, which is not, and a human operator with an SSH key)'

tell '3. They found a network, with a lab in it'
show cairn id new --home "$work/lab" --name 'Example Lab'
cairn id card --home "$work/lab" >"$work/lab.card"
quietly cairn network found "$work"/s?.card "$work/lab.card" -o "$work/draft" \
    --secret "$work/network.psk" --name 'Demo network'
for i in 1 2 3 4 5 6 7; do
    quietly cairn network sign "$work/draft" --key "$work/op$i" -o "$work/op$i.sig"
done
show cairn network assemble "$work/draft" "$work"/op?.sig -o "$work/charter"
fingerprint=$(cairn network show "$work/charter" --json | field fingerprint)
for i in 1 2 3 4 5 6 7; do
    quietly cairnd install --home "$work/s$i" "$work/charter" "$work/network.psk"
    quietly cairn-custodian pin --home "$work/c$i" "$work/charter" \
        "$work/network.psk" --fingerprint "$fingerprint"
    start_custodian $i
    start_steward $i
done
for i in 1 2 3 4 5 6 7; do wait_for 30 links_up "$work/s$i" 6; done
show cairn status --home "$work/s1"
[ "$network" = 0 ] || exit 0

tell '4. The lab looks at what it would deposit, and deposits it'
quietly cairn id install --home "$work/lab" "$work/charter" "$work/network.psk"
show cairn deposit plan -k 4 -n 7 -t 3 --segment-size 256KiB "$model"
show cairn deposit create --home "$work/lab" -k 4 -n 7 -t 3 \
    --segment-size 256KiB --label 'Demo model' --verify full \
    --certificate "$work/model.cert" "$model"
show cairn deposit verify "$work/model.cert"

tell '5. The lab is gone, keys and all; three stewards lose machine and disk'
if [ -n "$reads" ]; then
    rm -r "$model"
fi
rm -r "$work/lab"
for i in 2 5 7; do
    kill -9 "$(cat "$work/s$i/cairnd.pid")" "$(cat "$work/c$i/custodian.pid")"
    rm -rf "$work/s$i" "$work/c$i"
done
for i in 1 3 4 6; do
    kill -9 "$(cat "$work/s$i/cairnd.pid")" "$(cat "$work/c$i/custodian.pid")"
    start_custodian $i
    start_steward $i
done
for i in 1 3 4 6; do wait_for 30 links_up "$work/s$i" 3; done
echo '  The other four were restarted, for good measure.'
show cairn deposit list --home "$work/s3"
echo '  That is what was signed, and stays so. Who is there now, each node knows:'
echo '  $ cairn status --home s3 | grep TROUBLE'
cairn status --home "$work/s3" | grep TROUBLE

tell '6. A recipient asks for its release'
mkdir "$work/recipient"
show cairn release request "$work/model.cert" --name 'Example Museum' \
    --purpose 'Read old print again' -o "$work/recipient/request"
show cairn release submit "$work/recipient/request" --home "$work/s1"
id=$(cairn release list --home "$work/s1" --json | field id)
known() { cairn release show "$id" --home "$1"; }
for i in 3 4; do wait_for 30 known "$work/s$i"; done

tell '7. Operators of three stewards read it, and sign'
for i in 1 3 4; do
    run=quietly
    [ "$i" != 3 ] || run=show
    $run cairn release show "$id" --to-sign "$work/s$i/request.txt" --home "$work/s$i"
    $run ssh-keygen -q -Y sign -n cairn-approval@v1 -f "$work/op$i" "$work/s$i/request.txt"
    $run cairn release approve "$id" --signature "$work/s$i/request.txt.sig" --home "$work/s$i"
done
has_ticket() { cairn release ticket "$id" --home "$work/s4" -o "$work/recipient/ticket"; }
wait_for 60 has_ticket
show cairn release status "$id" --home "$work/s4"

tell '8. The recipient fetches the model with its ticket'
show cairn recover --ticket "$work/recipient/ticket" \
    --keys "$work/recipient/request.key" "$work/restored"

tell '9. Is it the same model?'
sums "$work/restored" >"$aside/after.sha256"
cmp "$aside/before.sha256" "$aside/after.sha256"
sed 's/^/  /' "$aside/after.sha256" | head -n 10
echo '  The SHA-256 of every file is what it was.'
if [ -n "$reads" ]; then
    after=$(tesseract --tessdata-dir "$work/restored" "$aside/line.tif" - --psm 7 2>/dev/null)
    printf '  and it reads: %s\n' "$after"
    [ "$after" = "$before" ]
fi

tell 'What happened'
cat <<TXT
Seven stewards kept a model that none of them could read. The lab and three of
them were lost for good. Operators of three of the rest approved one request, so
the custodians of all four decided to let their key share go, to that recipient
alone, after another steward had signed for knowing it; three of those and the
shards of all four gave the model back, byte for byte. Try next, with --keep: ask
for another release, approve it with two operators only, and see that nothing
moves. Or try the tours of README.md, with --network.
TXT
