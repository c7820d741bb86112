#!/usr/bin/env python3
"""Real Milvus 2.3.5 servers from PyPI, several side by side, each in a directory of its own.

    milvus.py start --dir D [--port-base N] [--set key.path=value ...] [--watch PID] [--timeout S]
    milvus.py stop --dir D

Run it with the python that setup.sh prints. `start` prints one JSON line when the server answers.
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
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

VERSION = "2.3.5"
LAB = Path(os.environ.get("MBA_LAB", "/var/tmp/mba-lab"))
FIRST_PORT_BASE, PORT_STEP = 19530, 20

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
    p.add_argument("--port-base", type=int, help="gRPC port; management is the next one (default: as before, else a free one)")
    p.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="a value in milvus.yaml")
    p.add_argument("--watch", type=int, metavar="PID", help="kill the server when this process is gone")
    p.add_argument("--timeout", type=float, default=180)
    p = commands.add_parser("stop")
    p.add_argument("--dir", required=True, type=Path)
    p = commands.add_parser("watch")  # internal: what start --watch leaves running
    p.add_argument("--dir", required=True, type=Path)
    p.add_argument("--server", required=True, type=int)
    p.add_argument("--parent", required=True, type=int)
    args = parser.parse_args()
    args.dir = args.dir.absolute()
    {"start": start, "stop": stop, "watch": watch}[args.command](args)


# ---- start ------------------------------------------------------------------------------------------


def start(args):
    d = args.dir
    if running_pid(d):
        fail(f"a server already runs in {d} (pid {running_pid(d)})")
    binaries = unpack_binaries()
    for sub in ("configs", "data", "logs", "run"):
        (d / sub).mkdir(parents=True, exist_ok=True)
    base, lock = reserve_ports(args.port_base, saved_port_base(d), owner=[str(args.watch), process_birth(args.watch), str(d)])
    ports = {name: base + offset for name, offset in PORTS.items()}
    config = render_config(d, ports, args.set)

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
    with open(log, "ab") as out:
        offset = out.tell()
        server = subprocess.Popen(
            [str(binaries / "milvus"), "run", "standalone"],
            cwd=d, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True, pass_fds=[lock],  # the server holds the lock on its ports as long as it lives
        )  # fmt: skip
    os.close(lock)
    (d / "milvus.pid").write_text(str(server.pid))
    (d / "port_base").write_text(str(base))
    if args.watch:
        subprocess.Popen(
            [sys.executable, __file__, "watch", "--dir", str(d), "--server", str(server.pid), "--parent", str(args.watch)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    problem = wait_until_ready(server, ports, time.monotonic() + args.timeout)
    if problem:
        kill(d, server.pid)
        with open(log, "rb") as f:
            f.seek(offset)
            tail = f.read().decode(errors="replace").splitlines()[-60:]
        fail("\n".join([*(line[:500] for line in tail), f"milvus in {d} did not start: {problem}"]))
    print(json.dumps({
        "address": f"http://127.0.0.1:{ports['proxy_port']}",
        "management": f"http://127.0.0.1:{ports['metrics']}",
        "data": str(d / "data"),
        "config": str(config),
        "pid": server.pid,
    }), flush=True)  # fmt: skip


def unpack_binaries():
    """Unpacks the server of the wheel once for all servers."""
    target = LAB / f"milvus-{VERSION}" / "bin"
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
        sources = list((wheel_data() / "bin").glob("*.lzma"))
        if not sources:
            fail(f"no server in {wheel_data()}: run setup.sh and use the python it prints")
        for source in sources:
            out = temp / source.stem
            with lzma.open(source) as f, open(out, "wb") as to:
                shutil.copyfileobj(f, to)
            out.chmod(0o755)
        temp.rename(target)
    return target


def wheel_data():
    return Path(sysconfig.get_paths()["purelib"]) / "milvus" / "data"  # not by import: this file has the same name


def saved_port_base(d):
    try:
        return int((d / "port_base").read_text())
    except (OSError, ValueError):
        return None


def reserve_ports(wanted, before, owner):
    """Returns a port base and the descriptor of the lock on it, which the server inherits. A stopped server's ports
    stay its own while the process that watches it lives: whoever waits for it must not meet another."""
    (LAB / "ports").mkdir(parents=True, exist_ok=True)
    if wanted or before:
        candidates = [wanted or before]
    else:
        candidates = range(FIRST_PORT_BASE, 32000, PORT_STEP)
    for base in candidates:
        lock = os.open(LAB / "ports" / str(base), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if not busy_ports(base) and not is_owned_by_another(lock, owner[2]):
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps(owner).encode(), 0)
            return base, lock
        os.close(lock)
    if wanted or before:
        fail(f"ports {wanted or before} to {(wanted or before) + len(PORTS) - 1} are in use: {busy_ports(wanted or before)}")
    fail("no free ports")


def is_owned_by_another(lock, d):
    try:
        parent, born, theirs = json.loads(os.pread(lock, 10000, 0))
        return theirs != d and Path(theirs).is_dir() and born is not None and process_birth(parent) == born
    except ValueError:  # nobody ever had it
        return False


def busy_ports(base):
    busy = []
    for port in range(base, base + len(PORTS)):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go does: only listeners count, not TIME_WAIT
            try:
                s.bind(("0.0.0.0", port))
            except OSError:
                busy.append(port)
    return busy


def render_config(d, ports, overrides):
    values = dict(
        ports,
        etcd_data_dir=d / "etcd",
        etcd_log_path=d / "logs" / "etcd.log",
        local_storage_dir=d / "data",
        rocksmq_data_dir=d / "rocksmq",
        system_log_path='""',  # one log, milvus.log, is enough
    )

    def value(match):
        name, default = match.group(1), match.group(2)
        found = values.get(name, default)
        if found is None:
            fail(f"the template has a placeholder that is unknown here: {name}")
        return str(found)

    text = (wheel_data() / "config.yaml.template").read_text()
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
    shutil.copy(wheel_data() / "glog.conf", d / "configs" / "glog.conf")
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


def wait_until_ready(server, ports, deadline):
    """None once the server is healthy and answers a gRPC call, else what was wrong last."""
    import grpc

    problem = "no answer"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return f"the server ended with {server.returncode}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['metrics']}/healthz", timeout=5) as r:
                problem = r.read().decode(errors="replace")
            if problem.strip() == "OK":
                with grpc.insecure_channel(f"127.0.0.1:{ports['proxy_port']}") as channel:
                    answer = channel.unary_unary("/milvus.proto.milvus.MilvusService/ShowCollections")(b"", timeout=5)
                if answer[:2] == b"\x0a\x00":  # field 1, an empty Status: success
                    return None
                problem = f"ShowCollections: {answer[:300]!r}"
        except (OSError, grpc.RpcError) as e:
            problem = str(e)
        time.sleep(0.1)
    return problem


# ---- stop -------------------------------------------------------------------------------------------


def stop(args):
    pid = running_pid(args.dir)
    kill(args.dir, pid)
    if not pid:
        return  # its ports may be another server's by now
    base, deadline = saved_port_base(args.dir), time.monotonic() + 30
    while base and busy_ports(base):
        if time.monotonic() > deadline:
            fail(f"ports still in use: {busy_ports(base)}")
        time.sleep(0.05)


def kill(d, pid):
    """SIGKILL, because Milvus takes minutes over a SIGTERM; returns when the process is gone."""
    while pid and is_server(pid):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)  # in case it is our own child
        except (ProcessLookupError, ChildProcessError):
            pass
        time.sleep(0.02)
    (d / "milvus.pid").unlink(missing_ok=True)


def running_pid(d):
    try:
        pid = int((d / "milvus.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if is_server(pid) and os.readlink(f"/proc/{pid}/cwd") == str(d.resolve()) else None


def is_server(pid):
    """Whether this process is a Milvus and not a zombie or another one that got the number."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name == "milvus"
    except OSError:
        return False


# ---- watch ------------------------------------------------------------------------------------------


def watch(args):
    born = process_birth(args.parent)
    while is_server(args.server):
        if born is None or process_birth(args.parent) != born:
            kill(args.dir, args.server)
            return
        time.sleep(0.5)


def process_birth(pid):
    """The start time of a process in ticks, None if there is none (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
