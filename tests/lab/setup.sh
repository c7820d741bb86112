#!/usr/bin/env bash
# Makes the lab: a virtual environment with the real Milvus server and pymilvus, with argument
# `milvus-2.2` one with an older server alone, for `milvus.py start --version 2.2.16`, or with
# argument `s3` the one with moto's S3 server, with `grafana` and `grafana-11` those with
# Grafana's foundation SDK; their requirements do not fit together. With
# argument `rabbitmq` one with a client, and Debian's rabbitmq-server. With argument `promtool`, `prometheus`,
# `systemd-analyze`, `chromium` or `g++` it sees to that program. Safe to call any
# number of times and from several processes; prints the path of its python, or the program's.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
lab="${MBA_LAB:-/var/tmp/mba-lab}"

apt_get() { # as root, after the lists have been read
    [[ "$(id -u)" == 0 ]] || { echo "setup.sh: $1 is missing; install it as root" >&2; exit 1; }
    echo "setup.sh: installing $1" >&2
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get "${@:2}" >&2
}

lock() {
    mkdir -p "$lab"
    exec 9>"$lab/setup.lock"
    flock 9
}

unpack_prometheus() { # a program out of its package, which when installed would start a Prometheus
    local found="$lab/promtool/usr/bin/$1" new="$lab/promtool.new"
    if [[ ! -x "$found" ]]; then
        rm -rf "$new" "$lab/promtool" && mkdir -p "$new" && cd "$new"
        apt_get prometheus download -q -o APT::Sandbox::User=root prometheus
        dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb
        mv "$new" "$lab/promtool"
    fi
    echo "$found"
}

# A service that nobody asked for is neither started nor enabled. Should its veto stay behind, it has no say any more.
install_idle() { (
    local veto=/usr/sbin/policy-rc.d
    if [[ ! -e "$veto" ]]; then
        trap 'rm -f "$veto"' EXIT
        printf '#!/bin/sh\n[ ! -d /proc/%s ] || exit 101\n' "$$" >"$veto" && chmod 755 "$veto"
    fi
    apt_get "$1" install -y -q --no-install-recommends "$1"
    update-rc.d "$1" disable >&2
) }

case "${1:-milvus}" in
    promtool | prometheus) command -v "$1" || { lock; unpack_prometheus "$1"; }; exit ;;
    systemd-analyze)
        command -v systemd-analyze && exit
        lock
        command -v systemd-analyze >/dev/null || apt_get systemd install -y -q --no-install-recommends systemd
        command -v systemd-analyze; exit ;;
    chromium)
        command -v chromium-headless-shell && exit
        lock
        command -v chromium-headless-shell >/dev/null ||
            apt_get chromium-headless-shell install -y -q --no-install-recommends chromium-headless-shell fonts-dejavu-core
        command -v chromium-headless-shell; exit ;;
    g++)
        command -v g++ && exit
        lock
        command -v g++ >/dev/null || apt_get g++ install -y -q --no-install-recommends g++
        command -v g++; exit ;;
    milvus) requirements="$here/requirements.txt" venv="$lab/venv" modules="pymilvus, milvus" ;;
    milvus-2.2) requirements="$here/requirements-milvus-2.2.txt" venv="$lab/venv-milvus-2.2" modules="milvus" ;;
    s3) requirements="$here/requirements-s3.txt" venv="$lab/venv-s3" modules="moto.server" ;;
    grafana | grafana-11) requirements="$here/requirements-$1.txt" venv="$lab/venv-$1" modules="grafana_foundation_sdk" ;;
    rabbitmq)
        requirements="$here/requirements-rabbitmq.txt" venv="$lab/venv-rabbitmq" modules="pika"
        server=/usr/lib/rabbitmq/bin/rabbitmq-server
        if [[ ! -x "$server" ]]; then
            lock
            [[ -x "$server" ]] || install_idle rabbitmq-server
            flock -u 9
        fi ;;
    *) echo "setup.sh: no environment \`$1\`" >&2; exit 2 ;;
esac
stamp="$venv/.requirements.sha256"
digest="$(sha256sum <"$requirements")"

done_already() { [[ -x "$venv/bin/python" && -f "$stamp" && "$(<"$stamp")" == "$digest" ]]; }

if done_already; then
    echo "$venv/bin/python"
    exit 0
fi

lock
if ! done_already; then # another process may have finished while we waited
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        apt_get python3-venv install -y -q --no-install-recommends python3-venv
    fi
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check -r "$requirements" >&2
    "$venv/bin/python" -c "import $modules" >&2
    echo "$digest" >"$stamp"
fi
echo "$venv/bin/python"
