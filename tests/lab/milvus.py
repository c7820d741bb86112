#!/usr/bin/env python3
"""Real Milvus servers from PyPI, 2.3.5 and 2.2.16, several side by side, each in a directory of its own.

    milvus.py start --dir D [--version 2.2.16] [--port-base N] [--set key.path=value ...] [--watch PID] [--timeout S]
    milvus.py stop --dir D

Run it with the python that setup.sh prints. `start` prints one JSON line when the server answers.
A server with TLS or authorization is asked as channel.py says.
A directory D holds everything of one server: configs/milvus.yaml, data/ (local storage, nothing
else), etcd/, rocksmq/, logs/, milvus.log, milvus.pid. `start` on an existing D brings its data back.
"""

import argparse
import fcntl
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

from channel import login, open_channel
from server import LAB, Server, fail, tail

VERSIONS = {"2.3.5": "milvus", "2.2.16": "milvus-2.2"}  # and what setup.sh calls the environment with its wheel

# The offset of each port from the port base; the names are the placeholders of the template.
PORTS = {
    "proxy_port": 0,
    "metrics": 1,
    "etcd_port": 2,
    "etcd_peer": 3,
    "root_coord_port": 4,
    "proxy_internal_port": 5,
    "query_coord_port": 6,
    "query_node_port": 7,
    "index_coord_port": 8,
    "index_node_port": 9,
    "data_coord_port": 10,
    "data_node_port": 11,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("start")
    p.add_argument("--dir", required=True, type=Path)
    p.add_argument("--version", choices=VERSIONS, default="2.3.5")
    p.add_argument("--port-base", type=int, help="gRPC port; management is the next one (default: as before, else a free one)")
    p.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="a value in milvus.yaml")
    p.add_argument("--watch", type=int, metavar="PID", help="kill the server when this process is gone")
    p.add_argument("--timeout", type=float, default=180)
    p = commands.add_parser("stop")
    p.add_argument("--dir", required=True, type=Path)
    args = parser.parse_args()
    args.dir = args.dir.absolute()
    {"start": start, "stop": stop}[args.command](args)


# ---- start ------------------------------------------------------------------------------------------


def start(args):
    d = args.dir
    milvus = Server(d, "milvus", len(PORTS))
    if milvus.running_pid():
        fail(f"a server already runs in {d} (pid {milvus.running_pid()})")
    wheel = wheel_data(args.version)
    binaries = unpack_binaries(wheel, args.version)
    for sub in ("configs", "data", "logs", "run"):
        (d / sub).mkdir(parents=True, exist_ok=True)
    base, lock = milvus.reserve_ports(args.port_base, args.watch)
    ports = {name: base + offset for name, offset in PORTS.items()}
    config = render_config(d, wheel, ports, args.set)

    env = dict(
        os.environ,
        LD_LIBRARY_PATH=str(binaries),
        DEPLOY_MODE="STANDALONE",
        METRICS_PORT=str(ports["metrics"]),
        MILVUS_RUN_DIR=str(d / "run"),
        ETCD_CONFIG_PATH=str(d / "configs" / "etcd.yaml"),
        MILVUSCONF=str(d / "configs"),
    )
    log = d / "milvus.log"
    command = [str(binaries / "milvus"), "run", "standalone"]
    process, offset = milvus.launch(command, env, log, base, lock, args.watch)

    scheme = "https" if "LAB_MILVUS_CA" in os.environ else "http"
    address = f"{scheme}://127.0.0.1:{ports['proxy_port']}"
    problem = wait_until_ready(process, address, ports["metrics"], time.monotonic() + args.timeout)
    if problem:
        milvus.kill(process.pid)
        fail("\n".join([*tail(log, offset), f"milvus in {d} did not start: {problem}"]))
    print(json.dumps({
        "address": address,
        "management": f"http://127.0.0.1:{ports['metrics']}",
        "data": str(d / "data"),
        "config": str(config),
        "pid": process.pid,
    }), flush=True)  # fmt: skip


def unpack_binaries(wheel, version):
    """Unpacks the server of the wheel once for all servers."""
    target = LAB / f"milvus-{version}" / "bin"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        temp = target.with_name("unpacking")
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir()
        sources = list((wheel / "bin").glob("*.lzma"))
        if not sources:
            fail(f"no server in {wheel}: run setup.sh and use the python it prints")
        for source in sources:
            out = temp / source.stem
            with lzma.open(source) as f, open(out, "wb") as to:
                shutil.copyfileobj(f, to)
            out.chmod(0o755)
        temp.rename(target)
    return target


def wheel_data(version):
    if VERSIONS[version] == "milvus":  # the environment that runs this
        packages = sysconfig.get_paths()["purelib"]
    else:
        setup = [Path(__file__).with_name("setup.sh"), VERSIONS[version]]
        python = subprocess.run(setup, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        ask = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
        packages = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return Path(packages) / "milvus" / "data"  # not by import: this file has the same name


def render_config(d, wheel, ports, overrides):
    values = dict(
        ports,
        etcd_data_dir=d / "etcd",
        etcd_log_path=d / "logs" / "etcd.log",
        local_storage_dir=d / "data",
        rocksmq_data_dir=d / "rocksmq",
        rocketmq_data_dir=d / "rocksmq",  # as 2.2 calls it
        system_log_path='""',  # one log, milvus.log, is enough
    )

    def value(match):
        name, default = match.group(1), match.group(2)
        found = values.get(name, default)
        if found is None:
            fail(f"the template has a placeholder that is unknown here: {name}")
        return str(found)

    text = (wheel / "config.yaml.template").read_text()
    text = re.sub(r"\{\{\s*(\w+)(?:\(\w+\))?\s*(?::\s*(.*?))?\s*\}\}", value, text)
    for role in ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode"):
        text = set_key(text, f"{role}.ip", "127.0.0.1")
    text = set_key(text, "etcd.endpoints", f"127.0.0.1:{ports['etcd_port']}")
    text = set_key(text, "indexCoord.bindIndexNodeMode.address", f"127.0.0.1:{ports['index_coord_port']}")
    text = set_key(text, "common.session.ttl", "5")  # a killed server's sessions hold up the next start
    for item in overrides:
        key, sep, new = item.partition("=")
        if not sep:
            fail(f"--set wants KEY.PATH=VALUE, not {item}")
        text = set_key(text, key, new)
    config = d / "configs" / "milvus.yaml"
    config.write_text(text)
    if (wheel / "glog.conf").exists():  # 2.2 has none
        shutil.copy(wheel / "glog.conf", d / "configs" / "glog.conf")
    client, peer = f"http://127.0.0.1:{ports['etcd_port']}", f"http://127.0.0.1:{ports['etcd_peer']}"
    (d / "configs" / "etcd.yaml").write_text(
        f"name: default\ndata-dir: {d / 'etcd'}\n"
        f"listen-client-urls: {client}\nadvertise-client-urls: {client}\n"
        f"listen-peer-urls: {peer}\ninitial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n"
        f"log-level: warn\nlog-outputs: [{d / 'logs' / 'etcd.log'}]\n"
        "unsafe-no-fsync: true\n"
    )
    return config


def set_key(text, dotted, value):
    """Sets one key of a block-style YAML text, adding it (and its parents) if missing; comments stay."""
    lines, path = text.splitlines(), dotted.split(".")
    low, high, depth = 0, len(lines), 0  # lines[low:high] is the block in which path[depth] is looked for
    for depth, key in enumerate(path):
        pattern = re.compile(rf"^{' ' * (2 * depth)}{re.escape(key)}:(?=\s|$)")
        at = next((i for i in range(low, high) if pattern.match(lines[i])), None)
        if at is None:
            new = [f"{' ' * (2 * (depth + i))}{k}:" for i, k in enumerate(path[depth:])]
            new[-1] += f" {value}"
            lines[low:low] = new
            return "\n".join(lines) + "\n"
        if depth == len(path) - 1:
            lines[at] = f"{' ' * (2 * depth)}{key}: {value}"
            return "\n".join(lines) + "\n"
        deeper = re.compile(rf"^(\s*$|\s*#|{' ' * (2 * depth + 2)})")
        low, high = at + 1, next((i for i in range(at + 1, high) if not deeper.match(lines[i])), high)


def wait_until_ready(server, address, management, deadline):
    """None once the server is healthy and answers a gRPC call, else what was wrong last."""
    import grpc

    problem = "no answer"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return f"the server ended with {server.returncode}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{management}/healthz", timeout=5) as r:
                problem = r.read().decode(errors="replace")
            if problem.strip() == "OK":
                with open_channel(address) as channel:
                    ask = channel.unary_unary("/milvus.proto.milvus.MilvusService/ShowCollections")
                    answer = ask(b"", timeout=5, metadata=login())
                if answer[:2] == b"\x0a\x00":  # field 1, an empty Status: success
                    return None
                problem = f"ShowCollections: {answer[:300]!r}"
        except (OSError, grpc.RpcError) as e:
            problem = str(e)
        time.sleep(0.1)
    return problem


def stop(args):
    Server(args.dir, "milvus", len(PORTS)).end()  # SIGKILL, because Milvus takes minutes over a SIGTERM


if __name__ == "__main__":
    main()
