#!/usr/bin/env bash
# Makes the lab: a virtual environment with the real Milvus server and pymilvus, or with
# argument `s3` the one with moto's S3 server; their requirements do not fit together.
# Safe to call any number of times and from several processes; prints the path of its python.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
lab="${MBA_LAB:-/var/tmp/mba-lab}"
case "${1:-milvus}" in
    milvus) requirements="$here/requirements.txt" venv="$lab/venv" modules="pymilvus, milvus" ;;
    s3) requirements="$here/requirements-s3.txt" venv="$lab/venv-s3" modules="moto.server" ;;
    *) echo "setup.sh: no environment \`$1\`" >&2; exit 2 ;;
esac
stamp="$venv/.requirements.sha256"
digest="$(sha256sum <"$requirements")"

done_already() { [[ -x "$venv/bin/python" && -f "$stamp" && "$(<"$stamp")" == "$digest" ]]; }

if done_already; then
    echo "$venv/bin/python"
    exit 0
fi

mkdir -p "$lab"
exec 9>"$lab/setup.lock"
flock 9
if ! done_already; then # another process may have finished while we waited
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        echo "setup.sh: installing python3-venv" >&2
        [[ "$(id -u)" == 0 ]] || { echo "setup.sh: python3-venv is missing; install it as root" >&2; exit 1; }
        apt-get update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv >&2
    fi
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check -r "$requirements" >&2
    "$venv/bin/python" -c "import $modules" >&2
    echo "$digest" >"$stamp"
fi
echo "$venv/bin/python"
