"""The commands as a person uses them: up, up again, doctor, a kill, down. Takes about half a minute."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch import network, process
from launch.choices import CHECKOUT, OFFSETS, passed_on
from launch.files import read_json


@dataclass(frozen=True)
class Machine:
    """A state folder and ports of its own."""

    state: Path
    base: int

    def launch(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        own = {"SEATLINE_STATE_DIR": str(self.state), "SEATLINE_PORT": str(self.base)}
        parts = {"SEATLINE_PARTS_DIR": os.environ.get("SEATLINE_PARTS_DIR", "")}
        return subprocess.run(
            [sys.executable, "-m", "launch", *words],
            cwd=CHECKOUT,
            env=passed_on() | parts | own | settings,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def processes(self) -> dict[str, process.Identity]:
        recorded = read_json(self.state / "running.json")
        found = {
            name: process.Identity(entry["pid"], entry["started"])
            for name, entry in recorded["processes"].items()
        }
        return found | {"supervisor": process.Identity(recorded["pid"], recorded["started"])}


@pytest.fixture
def machine(home: Path) -> Iterator[Machine]:
    state = home / "machine"
    base = next(
        base
        for base in range(18200, 30000, 40)
        if all(
            network.is_free(base + offset) and network.is_free(base + offset, protocol="udp")
            for offset in OFFSETS.values()
        )
    )
    one = Machine(state, base)
    yield one
    one.launch("down")
    shutil.rmtree(state, ignore_errors=True)


def status_of(port: int) -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request("GET", "/")
        return line.getresponse().status
    finally:
        line.close()


@pytest.mark.switch
@pytest.mark.timeout(300)  # two whole starts, on a machine that may be busy
def test_a_machine_comes_up_survives_kills_and_goes_down(machine: Machine) -> None:
    first = machine.launch("up", "--detach")
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"pages    http://localhost:{machine.base}" in first.stdout
    assert "sign-ins of the demo" in first.stdout
    assert status_of(machine.base) < 500
    people = read_json(machine.state / "sign-ins.json")["people"]
    log = (machine.state / "logs" / "supervisor.log").read_text()
    assert people
    assert not any(person["password"] in log for person in people)

    again = machine.launch("up", "--detach")
    assert again.returncode == 0
    assert "Seatline runs already" in again.stdout

    doctor = machine.launch("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "All is well." in doctor.stdout

    running = machine.processes()
    os.kill(running["supervisor"].pid, signal.SIGKILL)
    assert process.are_gone(list(running.values()), within_s=15), "an orphan outlived its supervisor"

    warm = machine.launch("up", "--detach")
    assert warm.returncode == 0, warm.stdout + warm.stderr
    assert "preparing the database" not in warm.stdout
    assert all(person["password"] in warm.stdout for person in people)

    running = machine.processes()
    assert machine.launch("down").returncode == 0
    assert not any(process.is_alive(one) for one in running.values())
    assert machine.launch("doctor").returncode == 1
    assert network.is_free(machine.base)

    abroad = machine.launch("up", SEATLINE_PUBLIC_URL="https://seatline.example")
    assert abroad.returncode == 1
    assert "passwords are refused at https://seatline.example" in abroad.stderr


def test_a_taken_port_is_named_with_its_holder_and_its_setting(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last test's connections
        taken.bind(("127.0.0.1", machine.base + OFFSETS["valkey"]))
        taken.listen()
        up = machine.launch("up")
    assert up.returncode == 1
    assert f"port {machine.base + OFFSETS['valkey']} (valkey, tcp)" in up.stderr
    assert f"process {os.getpid()}" in up.stderr
    assert "SEATLINE_PORT_VALKEY=" in up.stderr


def test_going_down_where_nothing_runs_says_so(machine: Machine) -> None:
    down = machine.launch("down")
    assert (down.returncode, down.stdout.strip()) == (0, "seatline: nothing runs")
