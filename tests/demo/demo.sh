#!/bin/sh
# The tour that ./dev demo gives: a real model is deposited, the lab and three
# of seven shards are lost, and the model is restored from what is left and put
# to work. Nothing is faked: every step is a command that it shows.
#
#   demo.sh [--keep] [DIR]     DIR: any folder instead of the default model
set -eu

keep=0
model=
for arg in "$@"; do
    case $arg in
        --keep) keep=1 ;;
        -*) echo "demo: unknown option $arg" >&2; exit 2 ;;
        *) model=$arg ;;
    esac
done
cairn=$PWD/build/node/cairn
[ -x "$cairn" ] || { echo 'demo: run ./dev demo, which builds first' >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo.XXXXXX")
cleanup()
{
    if [ "$keep" = 1 ]; then
        printf '\nkept: %s\n' "$work"
    else
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
    for word in "$@"; do printf ' %s' "$word" | sed "s|$work/||g; s|$cairn|cairn|g"; done
    printf '\n'
    "$@"
}
sums() { (cd "$1" && find -L . -type f -exec sha256sum {} + | sort -k 2); }

line='No stone is the cairn; lose some, and it still marks the way.'
reads= # Whether the model can be put to work.

tell '1. The model'
if [ -z "$model" ]; then
    reads=1
    model=$work/lab/tesseract-english
    mkdir -p "$model"
    data=$(dpkg -L tesseract-ocr-eng | grep '/eng\.traineddata$')
    cp "$data" "$model/eng.traineddata"
    cp /usr/share/doc/tesseract-ocr-eng/copyright "$model/LICENSE"
    echo 'A neural network that reads printed English: Tesseract'"'"'s, as Debian'
    echo 'ships it. Before anything else, let it read a line that we print:'
    printf '%s\n' "$line" >"$work/line.txt"
    text2image --text="$work/line.txt" --outputbase="$work/line" \
        --font='DejaVu Sans' --fonts_dir=/usr/share/fonts/truetype/dejavu \
        --fontconfig_tmpdir="$work" --ptsize=12 --xsize=2400 --ysize=160 \
        --margin=40 >/dev/null 2>&1
    before=$(tesseract --tessdata-dir "$model" "$work/line.tif" - --psm 7 2>/dev/null)
    printf '  it reads: %s\n' "$before"
    [ "$(echo "$before" | tr -d '\n\f')" = "$line" ] || { echo 'demo: it does not read'; exit 1; }
else
    [ -d "$model" ] || { echo "demo: '$model' is no folder" >&2; exit 1; }
    printf 'The folder %s.\n' "$model"
fi
sums "$model" >"$work/before.sha256"

tell '2. The lab looks at what it would deposit'
show "$cairn" deposit plan -k 4 -n 7 -t 3 --segment-size 256KiB "$model"

tell '3. The lab seals it into seven shards; any four restore it, any three key shares open it'
show "$cairn" deposit create --offline "$work/shards" -k 4 -n 7 -t 3 \
    --segment-size 256KiB --label 'Demo model' --verify full "$model"

tell '4. Seven stewards take a shard and a key share each'
for i in 0 1 2 3 4 5 6; do
    mkdir -p "$work/steward-$i"
    mv "$work/shards/shard-0$i" "$work/steward-$i/shard"
    mv "$work/shards/shares/share-0$((i + 1))" "$work/steward-$i/share"
done
rmdir "$work/shards/shares" "$work/shards"
head -c 360 "$work/steward-0/shard/shard" | head -n 7 | sed 's/^/  | /'
echo '  (so a shard begins, for whoever finds it)'

tell '5. The lab is gone, and so are stewards 0, 2 and 5'
if [ -n "$reads" ]; then
    rm -rf "$work/lab"
fi
rm -rf "$work/steward-0" "$work/steward-2" "$work/steward-5"
(cd "$work" && ls -d steward-*) | sed 's/^/  left: /'

tell '6. Stewards 1, 3, 4 and 6 bring their shards, three of them their key shares'
show "$cairn" recover \
    --from "$work/steward-1/shard" "$work/steward-3/shard" \
    "$work/steward-4/shard" "$work/steward-6/shard" \
    --shares "$work/steward-1/share" "$work/steward-3/share" \
    "$work/steward-6/share" "$work/restored"

tell '7. Is it the same model?'
sums "$work/restored" >"$work/after.sha256"
cmp "$work/before.sha256" "$work/after.sha256"
sed 's/^/  /' "$work/after.sha256" | head -n 10
echo '  The SHA-256 of every file is what it was.'
if [ -n "$reads" ]; then
    after=$(tesseract --tessdata-dir "$work/restored" "$work/line.tif" - --psm 7 2>/dev/null)
    printf '  and it reads: %s\n' "$after"
    [ "$after" = "$before" ]
fi

tell 'What happened'
cat <<TXT
The lab and three of seven stewards were lost for good. What four stewards still
had on disk, and the key shares of three of them, gave the model back, byte for
byte. With one shard or one key share fewer it would have been refused: try it
with --keep and 'cairn recover --help'.
TXT
