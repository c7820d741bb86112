#!/usr/bin/env python3
"""What milvus.py and rabbitmq.py share: a server is a process that runs in a directory of its own, on ports of its own,
and is gone when the process that asked for it is."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

LAB = Path(os.environ.get("MBA_LAB", "/var/tmp/mba-lab"))
FIRST_PORT_BASE, PORT_STEP = 19530, 20


class Server:
    """The server of a directory, whether it runs or not."""

    def __init__(self, d, name, ports):
        self.d, self.name, self.ports = d, name, ports
        self.pid_file, self.base_file = d / f"{name}.pid", d / "port_base"

    # ---- ports --------------------------------------------------------------------------------------

    def port_base(self):
        """The one it had before, None if it never ran."""
        try:
            return int(self.base_file.read_text())
        except (OSError, ValueError):
            return None

    def reserve_ports(self, wanted, watched):
        """Returns a port base and the descriptor of the lock on it, which the server inherits. A stopped server's ports
        stay its own while the process that watches it lives: whoever waits for it must not meet another."""
        (LAB / "ports").mkdir(parents=True, exist_ok=True)
        owner = [str(watched), process_birth(watched), str(self.d)]
        fixed = wanted or self.port_base()
        for base in [fixed] if fixed else range(FIRST_PORT_BASE, 32000, PORT_STEP):
            lock = os.open(LAB / "ports" / str(base), os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if not self.busy_ports(base) and not self.is_owned_by_another(lock):
                os.ftruncate(lock, 0)
                os.pwrite(lock, json.dumps(owner).encode(), 0)
                return base, lock
            os.close(lock)
        if fixed:
            fail(f"ports {fixed} to {fixed + self.ports - 1} are in use: {self.busy_ports(fixed)}")
        fail("no free ports")

    def is_owned_by_another(self, lock):
        try:
            parent, born, theirs = json.loads(os.pread(lock, 10000, 0))
            return theirs != str(self.d) and Path(theirs).is_dir() and born is not None and process_birth(parent) == born
        except ValueError:  # nobody ever had it
            return False

    def busy_ports(self, base):
        busy = []
        for port in range(base, base + self.ports):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only listeners count, not TIME_WAIT
                try:
                    s.bind(("0.0.0.0", port))
                except OSError:
                    busy.append(port)
        return busy

    # ---- the process --------------------------------------------------------------------------------

    def launch(self, command, env, log, base, lock, watched):
        """Starts it; the process, and where in the log its part begins."""
        with open(log, "ab") as out:
            offset = out.tell()
            process = subprocess.Popen(
                command, cwd=self.d, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, pass_fds=[lock],  # the server holds the lock on its ports as long as it lives
            )  # fmt: skip
        os.close(lock)
        self.pid_file.write_text(str(process.pid))
        self.base_file.write_text(str(base))
        if watched:
            subprocess.Popen(
                [sys.executable, __file__, str(self.d), self.name, str(process.pid), str(watched)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return process, offset

    def running_pid(self):
        try:
            pid = int(self.pid_file.read_text())
            return pid if process_birth(pid) and os.readlink(f"/proc/{pid}/cwd") == str(self.d.resolve()) else None
        except (OSError, ValueError):
            return None

    def kill(self, pid):
        """SIGKILL; returns when the process is gone."""
        born = process_birth(pid)
        while born and process_birth(pid) == born:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)  # in case it is our own child
            except (ProcessLookupError, ChildProcessError):
                pass
            time.sleep(0.02)
        self.pid_file.unlink(missing_ok=True)

    def end(self):
        """Kills it if it runs, and waits until its ports are free."""
        pid = self.running_pid()
        self.kill(pid)
        if not pid:
            return  # its ports may be another server's by now
        base, deadline = self.port_base(), time.monotonic() + 30
        while base and self.busy_ports(base):
            if time.monotonic() > deadline:
                fail(f"ports still in use: {self.busy_ports(base)}")
            time.sleep(0.05)


def watch(d, name, pid, parent):
    """What `launch` leaves running: kills the server when the process that asked for it is gone."""
    server, born, parent_born = Server(Path(d), name, 0), process_birth(pid), process_birth(parent)
    while born and process_birth(pid) == born:
        if parent_born is None or process_birth(parent) != parent_born:
            server.kill(pid)
            return
        time.sleep(0.5)


def process_birth(pid):
    """The start time of a process in ticks, None if there is none (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def tail(log, offset, lines=60):
    with open(log, "rb") as f:
        f.seek(offset)
        return [line[:500] for line in f.read().decode(errors="replace").splitlines()[-lines:]]


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    watch(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
