#!/usr/bin/env bash
# The whole job on a real Milvus, in about a minute: back up, change, back up, lose, restore, compare.
# Everything happens in a temporary folder; the server is stopped and the folder removed in any case.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."

rows=20000 added=150 deleted=50 # together 1 % of the rows
collection=default.products

work=""
finish() {
    code=$?
    trap - EXIT INT TERM
    if [[ -n "$work" ]]; then
        "$python" "$here/milvus.py" stop --dir "$work/milvus" || true
        rm -rf "$work"
    fi
    case $code in
        0) ;;
        130 | 143) echo "demo stopped in step $number; everything is cleaned up" >&2 && exit "$code" ;;
        *) echo "DEMO FAILED (exit 1) in step $number: $title" >&2 && exit 1 ;;
    esac
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

number=0 title=preparing
step() {
    number=$((number + 1)) title="$*"
    printf '\n%s. %s\n' "$number" "$title"
}

# Says a command as a reader would type it, even where its output goes to a file, then runs it.
exec 3>&1
agent() {
    echo "   \$ milvus-backup-agent $*" >&3
    "$binary" --config "$work/config.yaml" "$@"
}
data() { "$python" "$here/data.py" "$1" --address "$address" "${@:2}"; }
field() { "$python" -c 'import json, sys; print(eval(sys.argv[2], {}, json.load(open(sys.argv[1]))))' "$@"; }
now() { date +%s%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", (b - a) / 1e9 }'; }

echo "preparing: Python, the Milvus server from PyPI (the first time a few minutes), and the agent"
python="$("$here/setup.sh")"
cargo build --locked
target="$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
binary="$target/debug/milvus-backup-agent"
work="$(mktemp -d "${TMPDIR:-/tmp}/mba-demo.XXXXXX")"
begun=$(now)

step "A real Milvus 2.3.5 starts in $work (compaction is off, so that the numbers below count only what we change)"
"$python" "$here/milvus.py" start --dir "$work/milvus" --watch $$ --set dataCoord.enableCompaction=false >"$work/server.json"
address="$(field "$work/server.json" address)"
cat >"$work/config.yaml" <<YAML
milvus:
  address: $address
  cluster: demo
  config_file: $work/milvus/configs/milvus.yaml   # says where Milvus keeps its files
repository:
  local:
    path: $work/repository
    min_free: 64MiB
state: $work/state
log:
  level: warn
YAML
echo "   config.yaml, passed to each command below as --config:"
sed 's/^/   | /' "$work/config.yaml"

step "It gets $rows rows of 32 dimensions, an HNSW index and the alias \`shop\`, and is loaded"
data fill --scenario demo --rows "$rows"
data dump --collections "$collection" --out "$work/first.json"

step "Would a backup work? And would Milvus be able to read what a restore stages?"
agent check --restore

step "The first backup copies everything"
t=$(now)
agent backup --name demo_1
first_time="$(since "$t")"

step "1 % changes: $added rows are added, $deleted deleted"
data add --collection "$collection" --start "$rows" --rows "$added"
data delete --collection "$collection" --where "id in [$(seq -s, 0 $((deleted - 1)))]" >/dev/null
data dump --collections "$collection" --out "$work/second.json"

step "The second backup copies only what is new (as JSON this time, for scripts)"
t=$(now)
agent --output json backup --name demo_2 >"$work/backup.json"
second_time="$(since "$t")"
"$python" -m json.tool "$work/backup.json" | sed 's/^/   /'
copied="$(field "$work/backup.json" bytes_copied)"
total="$(field "$work/backup.json" 'bytes_copied + bytes_reused')"
percent="$(awk -v a="$copied" -v b="$total" 'BEGIN { printf "%.2f", 100 * a / b }')"
awk -v p="$percent" 'BEGIN { exit !(p < 5) }' || { echo "$percent % were copied, which is too much" >&2; exit 1; }

step "Both are listed, and each byte of the second is read again"
agent list --sizes
agent verify demo_2 --depth content

step "Disaster: the collection is dropped"
data drop --collection "$collection"

step "Restore it"
t=$(now)
agent restore demo_2
restore_time="$(since "$t")"

step "Compare with the state before the drop: schema, index, alias, load state and every value of every row"
data dump --collections "$collection" --out "$work/restored.json"
"$python" "$here/data.py" compare "$work/second.json" "$work/restored.json" | sed 's/^/   /'

step "Back in time: the first backup, beside the live collection"
agent restore demo_1 --suffix _first
data dump --collections "${collection}_first" --out "$work/earlier.json"
"$python" "$here/data.py" compare "$work/first.json" "$work/earlier.json" \
    --rename "$collection=${collection}_first" --ignore aliases | sed 's/^/   /'

after="$((rows + added - deleted))"
line() { printf '   %-15s %-52s %8s\n' "$@" | sed 's/ *$//'; }
rule="$(printf '=%.0s' {1..80})"
printf '\n%s\n What was shown, on a real Milvus 2.3.5\n\n' "$rule"
line "first backup" "all of $rows rows" "$first_time"
line "1 % changed" "$added rows added, $deleted deleted" ""
line "second backup" "copied $copied of $total bytes: $percent %" "$second_time"
line "verify" "every byte of the second backup read: good" ""
line "restore" "after the collection was dropped: $after rows" "$restore_time"
line "comparison" "every value of all $after rows is equal" ""
line "" "schema, index, alias and load state, too" ""
line "back in time" "the first backup beside it: all $rows rows equal" ""
line "all of it" "without the build" "$(since "$begun")"
echo "$rule"
