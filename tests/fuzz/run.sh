#!/usr/bin/env bash
# Searches for inputs that a target does not hold for, so many seconds for each, side by side:
#   tests/fuzz/run.sh 600 [TARGET...]
# libFuzzer is C++, so this needs g++, and installs it. What it leaves is below tests/fuzz/target:
# the corpus as it grew, from which the next run goes on, logs, and inputs that were found.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
seconds="${1:?how many seconds}"
targets=("${@:2}")
((${#targets[@]})) || targets=(trigger policy)

../lab/setup.sh g++ >/dev/null

# What `cargo fuzz` passes, without its sanitizers: these need a nightly compiler, coverage does not.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
coverage+=" -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
host="$(rustc -vV | sed -n 's/^host: //p')" # named, so that what runs at build time is not covered
RUSTFLAGS="$coverage" cargo build --locked --release --target-dir target --target "$host"

fuzz() { # TARGET
    local grown="target/grown/$1" found="target/found/$1" log="target/$1.log"
    rm -rf "$found" && mkdir -p "$grown" "$found"
    if RUST_BACKTRACE=0 "target/$host/release/$1" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
        -dict="$1.dict" -artifact_prefix="$found/" "$grown" "corpus/$1" >"$log" 2>&1; then
        echo "$1 held: $(grep -a DONE "$log" | tr '\t' ' ')"
    else
        echo "$1 does not hold, see tests/fuzz/$log:"
        grep -a -A1 -E 'panicked at|ERROR: libFuzzer' "$log" || tail -n 5 "$log"
        echo "mend it, and keep the input in tests/fuzz/corpus/$1/ under a name that says what it is:"
        find "$found" -type f -printf 'tests/fuzz/%p\n'
        return 1
    fi
}

failed=0
pids=()
for target in "${targets[@]}"; do
    fuzz "$target" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit "$failed"
