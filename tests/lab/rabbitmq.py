#!/usr/bin/env python3
"""Real RabbitMQ nodes of Debian's rabbitmq-server, several side by side, each in a directory of its own.

    rabbitmq.py start --dir D [--set key=value ...] [--advanced TERMS] [--plugin NAME ...] [--tls] [--watch PID] [--timeout S]
    rabbitmq.py stop|kill|restart --dir D
    rabbitmq.py ctl --dir D -- COMMAND...

Any python does. `start` and `restart` print one JSON line when the node answers. A directory D holds everything of one
node: rabbitmq.conf, advanced.config, data/, log/, rabbitmq.log, tls/, rabbitmq.pid. `start` on an existing D brings its
data back with the new settings, `restart` with those it had. `stop` is an orderly end, `kill` is SIGKILL, and so is
the end of the process --watch names. Nodes do without epmd, so nothing else is left running: `ctl` finds a node by its
port, and so does `erl_call -address 127.0.0.1:DIST_PORT -c COOKIE`, which takes milliseconds where rabbitmqctl takes
most of a second. With --tls there are a second port, certificates in tls/, and a user `agent`, without a password, for
the client's.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from server import Server, fail, process_birth, tail

PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # those in /usr/sbin change the user and the folder
COOKIE = "LAB"
PORTS = {"amqp": 0, "tls": 1, "dist": 2}
CLIENT = "agent"  # the name in the client's certificate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("start", "stop", "kill", "restart", "ctl"):
        p = commands.add_parser(name)
        p.add_argument("--dir", required=True, type=Path)
        if name == "start":
            p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a line of rabbitmq.conf")
            p.add_argument("--advanced", default="", metavar="TERMS", help="what stands in the list of advanced.config")
            p.add_argument("--plugin", action="append", default=[], metavar="NAME")
            p.add_argument("--tls", action="store_true")
            p.add_argument("--watch", type=int, metavar="PID", help="kill the node when this process is gone")
        if name in ("start", "restart"):
            p.add_argument("--timeout", type=float, default=120)
        if name == "ctl":
            p.add_argument("arguments", nargs="*", metavar="COMMAND", help="of rabbitmqctl, after --")
    args = parser.parse_args()
    args.dir = args.dir.absolute()
    node = Server(args.dir, "rabbitmq", len(PORTS))
    {"start": start, "stop": stop, "kill": kill, "restart": restart, "ctl": ctl}[args.command](node, args)


# ---- start ------------------------------------------------------------------------------------------


def start(node, args):
    wanted = {name: getattr(args, name) for name in ("set", "advanced", "plugin", "tls", "watch")}
    node.d.mkdir(parents=True, exist_ok=True)
    (node.d / "start.json").write_text(json.dumps(wanted))
    launch(node, wanted, args.timeout)


def restart(node, args):
    stop(node, args)
    launch(node, json.loads((node.d / "start.json").read_text()), args.timeout)


def launch(node, wanted, timeout):
    d = node.d
    if not PROGRAMS.is_dir():
        fail("rabbitmq-server is missing: run `setup.sh rabbitmq`")
    if node.running_pid():
        fail(f"a node already runs in {d} (pid {node.running_pid()})")
    base, lock = node.reserve_ports(None, wanted["watch"])
    ports = {name: base + offset for name, offset in PORTS.items()}
    certificates = make_certificates(d / "tls") if wanted["tls"] else None
    configure(d, ports, wanted, certificates)
    env = environment(d, ports)
    env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = " ".join([
        f"-sname {env['RABBITMQ_NODENAME']} -start_epmd false -erl_epmd_port {ports['dist']}",
        f"-kernel inet_dist_listen_min {ports['dist']} inet_dist_listen_max {ports['dist']}",
        "inet_dist_use_interface {127,0,0,1}",
    ])  # fmt: skip
    env["detached"] = "yes"  # the script becomes the server instead of waiting for it
    log = d / "rabbitmq.log"
    process, offset = node.launch([str(PROGRAMS / "rabbitmq-server")], env, log, base, lock, wanted["watch"])

    problem = wait_until_ready(process, ports["amqp"], time.monotonic() + timeout)
    if problem:
        node.kill(process.pid)
        fail("\n".join([*tail(log, offset), f"rabbitmq in {d} did not start: {problem}"]))
    print(json.dumps({
        "dir": str(d),
        "url": f"amqp://guest:guest@127.0.0.1:{ports['amqp']}",
        "port": ports["amqp"],
        "tls_port": ports["tls"] if certificates else None,
        "tls": certificates,
        "dist_port": ports["dist"],
        "cookie": COOKIE,
        "log": str(log),
        "pid": process.pid,
    }), flush=True)  # fmt: skip


def configure(d, ports, wanted, certificates):
    lines = [
        f"listeners.tcp.1 = 127.0.0.1:{ports['amqp']}",
        f"load_definitions = {d / 'definitions.json'}",
        "log.console = false",
        "disk_free_limit.absolute = 1MB",
    ]
    if certificates:
        lines += [
            f"listeners.ssl.1 = 127.0.0.1:{ports['tls']}",
            f"ssl_options.cacertfile = {certificates['ca']}",
            f"ssl_options.certfile = {d / 'tls' / 'server.pem'}",
            f"ssl_options.keyfile = {d / 'tls' / 'server.key'}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = false",  # who has none may have a password
            "ssl_cert_login_from = common_name",
            *(f"auth_mechanisms.{n} = {name}" for n, name in enumerate(("PLAIN", "AMQPLAIN", "EXTERNAL"), 1)),
        ]
    for item in wanted["set"]:
        key, sep, value = item.partition("=")
        if not sep:
            fail(f"--set wants KEY=VALUE, not {item}")
        lines = [line for line in lines if not line.startswith(f"{key} = ")] + [f"{key} = {value}"]
    plugins = wanted["plugin"] + (["rabbitmq_auth_mechanism_ssl"] if certificates else [])
    users = [{"name": "guest", "password": "guest", "tags": "administrator"}]
    if certificates:
        users.append({"name": CLIENT, "password_hash": "", "tags": ""})
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": users,
        "permissions": [{"user": user["name"], **everything} for user in users],
    }
    (d / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (d / "advanced.config").write_text(f"[{wanted['advanced']}].\n")
    (d / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
    (d / "definitions.json").write_text(json.dumps(definitions))
    (d / "env.conf").write_text("")
    cookie = d / ".erlang.cookie"
    if not cookie.exists():
        cookie.touch(0o600)
        cookie.write_text(COOKIE)


def environment(d, ports):
    """Nothing of the machine's own broker, if it has one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return dict(
        inherited,
        HOME=str(d),  # where the cookie is
        ERL_CRASH_DUMP=str(d / "erl_crash.dump"),
        RABBITMQ_NODENAME=f"lab{ports['amqp']}@localhost",
        RABBITMQ_DIST_PORT=str(ports["dist"]),
        RABBITMQ_CONF_ENV_FILE=str(d / "env.conf"),
        RABBITMQ_CONFIG_FILE=str(d / "rabbitmq.conf"),
        RABBITMQ_ADVANCED_CONFIG_FILE=str(d / "advanced.config"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(d / "enabled_plugins"),
        RABBITMQ_MNESIA_BASE=str(d / "data"),
        RABBITMQ_LOG_BASE=str(d / "log"),
        RABBITMQ_PID_FILE=str(d / "node.pid"),
        RABBITMQ_CTL_ERL_ARGS=f"-start_epmd false -erl_epmd_port {ports['dist']} -dist_listen false",
    )


def make_certificates(folder):
    """An authority of its own, and what it has signed: the server's and the client's. Kept once they are there."""
    files = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.key"}
    certificates = {name: str(folder / file) for name, file in files.items()}
    if folder.is_dir():
        return certificates
    new = folder.with_name("tls.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    (new / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")

    def sign(file, name, *extensions, by=("-CA", "ca.pem", "-CAkey", "ca.key")):
        made = subprocess.run([
            *("openssl", "req", "-x509", "-config", "openssl.cnf", "-days", "2", "-subj", f"/CN={name}", "-noenc"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", f"{file}.key", "-out", f"{file}.pem"),
            *by, *(part for extension in extensions for part in ("-addext", extension)),
        ], cwd=new, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # fmt: skip
        if made.returncode:
            fail(f"openssl made no certificate for {name}: {made.stderr}")

    sign("ca", "lab", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign", by=())
    leaf = "basicConstraints=critical,CA:FALSE"
    sign("server", "localhost", leaf, "subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth")
    sign("client", CLIENT, leaf, f"subjectAltName=DNS:{CLIENT}", "extendedKeyUsage=clientAuth")
    new.rename(folder)
    return certificates


def wait_until_ready(process, port, deadline):
    """None once the node begins to speak AMQP, else what was wrong last."""
    problem = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"the node ended with {process.returncode}"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.sendall(b"AMQP\x00\x00\x09\x01")
                if s.recv(1) == b"\x01":  # a method: connection.start
                    return None
                problem = "no AMQP"
        except OSError as e:
            problem = str(e)
        time.sleep(0.02)
    return problem


# ---- stop -------------------------------------------------------------------------------------------


def stop(node, args):
    pid = node.running_pid()
    born, deadline = process_birth(pid), time.monotonic() + 30
    if born:
        os.kill(pid, signal.SIGTERM)
    while born and process_birth(pid) == born and time.monotonic() < deadline:
        time.sleep(0.02)
    node.end()


def kill(node, args):
    node.end()


def ctl(node, args):
    base = node.port_base()
    if base is None:
        fail(f"no node was ever started in {node.d}")
    env = environment(node.d, {name: base + offset for name, offset in PORTS.items()})
    os.execve(PROGRAMS / "rabbitmqctl", ["rabbitmqctl", *args.arguments], env)


if __name__ == "__main__":
    main()
