#!/usr/bin/env bash
# The whole job on a real Milvus: back up, change, back up, lose, restore, compare; then the agent does it by
# itself, through a failure, and where RabbitMQ is installed, on a message. Everything happens in a temporary
# folder; agent and servers are stopped and the folder removed in any case.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."

rows=20000 added=150 deleted=50 # together 1 % of the rows
more=100                        # while the agent works
collection=default.products

install_rabbitmq="apt-get install -y rabbitmq-server"

work="" pid="" log="" starting=""
finish() {
    code=$?
    trap - EXIT INT TERM
    if [[ -n "$pid" ]]; then
        kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
        [[ $code == 0 ]] || tail -n 20 "$log" >&2
    fi
    if [[ -n "$starting" ]] && kill "$starting" 2>/dev/null; then wait "$starting" 2>/dev/null || true; fi
    if [[ -n "$work" ]]; then
        "$python" "$here/milvus.py" stop --dir "$work/milvus" || true
        [[ -z "$pika" ]] || "$pika" "$here/rabbitmq.py" kill --dir "$work/rabbitmq" || true
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
field() { "$python" -c 'import json, sys; it = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"it": it}, it if type(it) is dict else {}))' "$@"; }
now() { date +%s%N; }
await() { # LIMIT WHAT COMMAND: until the command succeeds
    local end=$((SECONDS + $1))
    until "${@:3}"; do
        kill -0 "$pid" 2>/dev/null || { echo "the agent ended before this: $2" >&2; return 1; }
        ((SECONDS < end)) || { echo "not within $1 s: $2" >&2; return 1; }
        sleep 0.3
    done
}
scrape() {
    "$python" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())' \
        "http://$api/metrics" >"$work/metrics"
}
# The value of a metric of the policy's backups, 0 without one; labels as Prometheus writes them.
metric() { awk -v name="milvus_backup_$1" '$1 == name { v = $2 } END { print v + 0 }' "$work/metrics"; }
reached() { scrape && (($(metric "$1") >= $2)); }
shown() {
    echo "   of http://$api/metrics:"
    scrape
    for name in "$@"; do grep -F "milvus_backup_$name " "$work/metrics" | sed 's/^/   | /'; done
}
run_agent() { # into this log, until it is ready
    log="$work/$1"
    echo "   \$ milvus-backup-agent run &"
    MBA__LOG__LEVEL=info "$binary" --config "$work/config.yaml" run 2>"$log" &
    pid=$!
    await 30 "the agent is ready" grep -q ' ready ' "$log"
}
stop_agent() {
    kill -TERM "$pid"
    for ((i = 0; i < 300; i++)); do ended && break || sleep 0.1; done
    ended || { echo "the agent did not end within 30 s" >&2; return 1; }
    wait "$pid" || { echo "the agent ended with exit $?" >&2; return 1; }
    pid=""
}
ended() { ! kill -0 "$pid" 2>/dev/null; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", (b - a) / 1e9 }'; }

echo "preparing: Python, the Milvus server from PyPI (the first time a few minutes), and the agent"
python="$("$here/setup.sh")" pika=""
if [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; then pika="$("$here/setup.sh" rabbitmq)"; fi
cargo build --locked
target="$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
binary="$target/debug/milvus-backup-agent"
work="$(mktemp -d "${TMPDIR:-/tmp}/mba-demo.XXXXXX")"
begun=$(now)
if [[ -n "$pika" ]]; then
    mkdir "$work/rabbitmq"
    "$pika" "$here/rabbitmq.py" start --dir "$work/rabbitmq" --watch $$ >"$work/rabbitmq.json" 2>"$work/rabbitmq.err" &
    starting=$!
fi

step "A real Milvus 2.3.5 starts in $work (compaction is off, so that the numbers below count only what we change)"
"$python" "$here/milvus.py" start --dir "$work/milvus" --watch $$ --set dataCoord.enableCompaction=false >"$work/server.json"
address="$(field "$work/server.json" address)"
cat >"$work/config.yaml" <<YAML
milvus:
  address: $address
  cluster: demo
  management_address: $(field "$work/server.json" management)   # needed where it is not port 9091
  config_file: $work/milvus/configs/milvus.yaml   # says where Milvus keeps its files
repository:
  local:
    path: $work/repository
    min_free: 64MiB
state: $work/state
policies: $work/policies
api:
  listen: 127.0.0.1:0                             # any free port
log:
  level: warn
YAML
mkdir "$work/policies"
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

step "The agent, and a policy that is due every 20 seconds"
cat >"$work/policies/often.yaml" <<YAML
collections: [$collection]
schedule: {every: 20s}
retention: {keep_last: 2}
YAML
sed 's/^/   | /' "$work/policies/often.yaml"
agent policy check
run_agent agent.log
api="$(sed -n 's/.* listening address=//p' "$work/agent.log")"

step "Back in time, while the agent waits for its first slot: the first backup, beside the live collection"
agent restore demo_1 --suffix _first
data dump --collections "${collection}_first" --out "$work/earlier.json"
"$python" "$here/data.py" compare "$work/first.json" "$work/earlier.json" \
    --rename "$collection=${collection}_first" --ignore aliases | sed 's/^/   /'

step "Two slots make two backups by themselves; nothing changed between them, so the second copies nothing"
of='kind="backup",policy="often"'
ends() { echo "runs_total{kind=\"backup\",outcome=\"$1\",policy=\"often\"}"; }
last() { echo "last_run_outcome{kind=\"backup\",outcome=\"$1\",policy=\"often\"}"; }
await 75 "two scheduled backups" reached "$(ends complete)" 2
figures=(last_backup_{logical,uploaded,reused}_bytes'{policy="often"}')
shown "$(ends complete)" "$(last complete)" "${figures[@]}"
(($(metric "${figures[1]}") * 20 < $(metric "${figures[2]}"))) || { echo "too much was copied again" >&2; exit 1; }
stored="$(metric 'last_backup_rows{policy="often"}')"

step "Milvus is killed: the next slot fails, and the metrics say so"
"$python" "$here/milvus.py" stop --dir "$work/milvus"
await 60 "a run failed" reached "$(ends failed)" 1
shown "$(ends failed)" "$(last failed)" "$(last complete)" "last_success_timestamp_seconds{$of}"
grep -m1 ' backup failed ' "$work/agent.log" | sed 's/^/   | /'

step "Milvus comes back with its data and gets $more rows more: the agent goes on without a word"
"$python" "$here/milvus.py" start --dir "$work/milvus" --watch $$ --set dataCoord.enableCompaction=false >"$work/server.json"
data add --collection "$collection" --start "$((rows + added))" --rows "$more"
await 75 "a backup with the new rows" reached 'last_backup_rows{policy="often"}' "$((stored + more))"
shown "$(ends complete)" "$(last complete)" 'last_backup_rows{policy="often"}' "${figures[@]}"

step "SIGTERM ends the agent"
stop_agent
grep -E ' backup (complete|failed) | stopped$' "$work/agent.log" | cut -c1-110 | sed 's/^/   | /'

step "Its rule keeps the last 2: the agent hid the older ones after each good backup, for 48 hours. What stays, and why"
agent prune >"$work/verdicts"
sed 's/^/   | /' "$work/verdicts" | cut -c1-200
grep -q '^ *often_.* keep .*last 1 of 2' "$work/verdicts" && grep -q '^ *often_.* leave .*no rule of policy' "$work/verdicts" ||
    { echo "that is not what the rule says" >&2; exit 1; }

step "The newest scheduled backup is restored beside the live collection; every row is compared"
agent --output json list >"$work/list.json"
newest="$(field "$work/list.json" 'max(b["name"] for b in it if b["policy"] == "often" and b["state"] == "complete")')"
agent restore "$newest" --suffix _often
data dump --collections "$collection" --out "$work/live.json"
data dump --collections "${collection}_often" --out "$work/often.json"
"$python" "$here/data.py" compare "$work/live.json" "$work/often.json" \
    --rename "$collection=${collection}_often" --ignore aliases | sed 's/^/   /'

if [[ -n "$pika" ]]; then
    step "A real RabbitMQ, and the agent again: a message asks for a backup, and its events come back"
    wait "$starting" || { cat "$work/rabbitmq.err" >&2; exit 1; }
    starting=""
    url="$(field "$work/rabbitmq.json" url)"
    printf 'amqp:\n  url: %s\n  declare: true                                 # queues and exchanges\n' "$url" >"$work/amqp.yaml"
    cat "$work/amqp.yaml" >>"$work/config.yaml"
    rm "$work/policies/often.yaml"
    printf 'collections: [%s]\ntriggers: [amqp]\nretention: {keep_last: 2}\n' "$collection" >"$work/policies/asked.yaml"
    sed 's/^/   | /' "$work/amqp.yaml" "$work/policies/asked.yaml"
    run_agent asked.log
    t=$(now)
    "$pika" "$here/message.py" --url "$url" --cluster demo --policy asked | sed 's/^/   /'
    message_time="$(since "$t")"
    stop_agent
else
    printf '\nWithout RabbitMQ there is no message that asks for a backup, as the last step would show: %s\n' "$install_rabbitmq"
fi

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
line "agent" "backups by schedule, one failed while Milvus was down" ""
line "" "the newest of them restored: all $((after + more)) rows equal" ""
[[ -z "$pika" ]] || line "message" "a backup was asked for, and told of, over RabbitMQ" "$message_time"
line "all of it" "without the build" "$(since "$begun")"
echo "$rule"
