"""Ports of 127.0.0.1: which are free, and who holds the others (proc(5), /proc/net)."""

import contextlib
import socket
from pathlib import Path
from typing import Literal

LOOPBACK = "127.0.0.1"
Protocol = Literal["tcp", "udp"]


def is_free(port: int, *, protocol: Protocol = "tcp") -> bool:
    """Tell whether a server could take the port now."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as trial:
        if protocol == "tcp":
            # the last minutes of closed connections do not make a port taken
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def any_free(*, protocol: Protocol = "tcp") -> int:
    """Return a port that is free now; somebody may take it before you do."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
        return port


def answers(port: int, *, within_s: float = 0.5) -> bool:
    """Tell whether something accepts a TCP connection on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), within_s):
            return True
    except OSError:
        return False


def holder(port: int, *, protocol: Protocol = "tcp") -> str:
    """Describe who holds a port, as "process 123 (nginx)", or "another program" if we may not see."""
    inodes = _inodes(port, protocol=protocol)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (entry / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    return f"process {entry.name} ({words[:60]})"
    return "another program"


def _inodes(port: int, *, protocol: Protocol) -> set[str]:
    ending = f":{port:04X}"
    listening = {"tcp": "0A", "udp": "07"}[protocol]
    found = set()
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            if words[1].endswith(ending) and words[3] == listening:
                found.add(f"socket:[{words[9]}]")
    return found
