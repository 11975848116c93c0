"""The processes that are ours: pages, live, switchboard, relay, jobs of three kinds; Stripe's stand-in."""

import http.client
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from launch import network, process
from launch.choices import CHECKOUT, Ports, passed_on
from launch.install import PYTHON
from launch.layout import Layout

WORKERS = ("switchboard", "relay", "jobs", "heavy", "outside")
MODULES = {"heavy": "drawing"}  # it draws pages, too, so it is put together above both doorways


@dataclass(frozen=True, slots=True)
class Own:
    """One process of ours, as `launch.parts.part.Part` wants it."""

    name: str
    argv: tuple[str, ...]
    config: Path
    ready: Callable[[int], bool]
    ready_file: Path
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 120.0  # two busy cores take half a minute to import the pages

    def command(self) -> process.Command:
        """See `launch.parts.part.Part`."""
        self.ready_file.unlink(missing_ok=True)
        return process.Command(
            argv=(str(PYTHON), *self.argv),
            env=passed_on()
            | {
                "SEATLINE_CONFIG": str(self.config),
                "SEATLINE_PROCESS": self.name,
                "PYTHONPATH": str(CHECKOUT),
                "PYTHONUNBUFFERED": "1",
                "TZ": "UTC",
            },
            cwd=CHECKOUT,
            umask=0o027,  # the switch reads the announcements we write, through its group
        )

    def is_ready(self, pid: int) -> bool:
        """See `launch.parts.part.Part`."""
        return self.ready(pid)


def web(layout: Layout, *, ports: Ports) -> list[Own]:
    """Return the two processes that speak HTTP: threads for pages, greenlets for thousands of listeners."""
    gunicorn = ("-m", "gunicorn", "--no-control-socket", "--graceful-timeout", "3")
    pages = ("--worker-class", "gthread", "--threads", "16", "--workers", "2")
    live = ("--worker-class", "gevent", "--worker-connections", "4000")
    return [
        Own(
            name=name,
            argv=(*gunicorn, *kind, "--bind", f"{network.LOOPBACK}:{port}", "wsgi:app"),
            config=layout.config,
            ready=partial(_speaks_http, port),
            ready_file=layout.ready / name,
        )
        for name, kind, port in (("pages", pages, ports.pages), ("live", live, ports.live))
    ]


def standin(layout: Layout, *, ports: Ports) -> Own:
    """Return the stand-in for Stripe: a development tool, started where no key was given."""
    return Own(
        name="standin",
        argv=("-m", "standin"),
        config=layout.config,
        ready=partial(_speaks_http, ports.standin),
        ready_file=layout.ready / "standin",
    )


def workers(layout: Layout) -> list[Own]:
    """Return the workers; each writes its pid into a file of its name in the folder `ready`."""
    return [
        Own(
            name=name,
            argv=("-m", MODULES.get(name, f"workers.{name}")),
            config=layout.config,
            ready=partial(_says_so, layout.ready / name),
            ready_file=layout.ready / name,
        )
        for name in WORKERS
    ]


def _says_so(file: Path, pid: int) -> bool:
    try:
        return file.read_text(encoding="ascii").strip() == str(pid)
    except OSError:
        return False


def _speaks_http(port: int, _pid: int) -> bool:
    # the port takes connections before the application is loaded: only an answer counts, any answer
    line = http.client.HTTPConnection(network.LOOPBACK, port, timeout=2)
    try:
        line.request("HEAD", "/")
        line.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()
    return True
