"""import-linter passes, and would not if a contract were broken: each is broken once in a copy."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.rooms import CHECKOUT, ROOMS

LINT = Path(sys.executable).with_name("lint-imports")

# contract -> a file and what is added to it
BREACHES: Mapping[str, tuple[str, str]] = {
    "Rooms call down, never up": ("seats/rules.py", "import telephony.calls"),
    "Inside telephony: conductor on top, switch at the bottom": (
        "telephony/calls.py",
        "def later():\n    import telephony.routing.floor",
    ),
    "Switch drivers do not know each other": (
        "telephony/switch/ari/__init__.py",
        "import telephony.switch.simulator",
    ),
    "No cycles between the modules of a room": ("core/clock.py", "import core.events"),
    "Flask stays in web": ("customers/__init__.py", "import flask"),
    "RQ stays in workers": ("telephony/events.py", "import rq"),
    "Asterisk is spoken to by its driver alone": ("web/scope.py", "import telephony.switch.ari"),
    "Only the gate clears a call": ("telephony/outbound/dialling.py", "import telephony.switch.mint"),
    "Stripe is spoken to by its driver alone": ("web/webhooks/stripe.py", "import stripe"),
    "The product knows nothing of the stand-in": ("launch/doctor.py", "import standin.cards"),
    "The stand-in knows nothing of the product but its settings": (
        "standin/cards.py",
        "import billing.price",
    ),
    "Arithmetic has no plumbing": (
        "billing/rating/rules.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlalchemy",
    ),
    "Tables of tenants belong to tenants": ("web/scope.py", "import tenants.models"),
    "Tables of billing belong to billing": ("seats/rules.py", "import billing.models"),
    "Tables of seats belong to seats": ("telephony/errors.py", "import seats.models"),
    "Tables of customers belong to customers": ("workers/queues.py", "import customers.models"),
    "Tables of telephony belong to telephony": ("wiring/subscriptions.py", "import telephony.models"),
    "Tables of campaigns belong to campaigns": ("wiring/demo.py", "import campaigns.models"),
}


def lint(folder: Path) -> dict[str, bool]:
    """Return each contract and whether it is kept."""
    ended = subprocess.run(
        [LINT, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)", ended.stdout, flags=re.MULTILINE)
    assert verdicts, ended.stdout + ended.stderr
    return {name: verdict == "KEPT" for name, verdict in verdicts}


def test_every_contract_is_kept() -> None:
    assert {name for name, is_kept in lint(CHECKOUT).items() if not is_kept} == set()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("floors")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    for room in ROOMS:
        shutil.copytree(
            CHECKOUT / room,
            folder / room,
            ignore=shutil.ignore_patterns("node_modules", "static", "__pycache__", "templates", "front"),
        )
    return folder


def test_every_contract_breaks_when_it_should(copy: Path) -> None:
    for file, added in BREACHES.values():
        with (copy / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{added}\n")
    verdicts = lint(copy)
    assert set(BREACHES) == set(verdicts), "every contract needs a breach here"
    assert {name for name, is_kept in verdicts.items() if is_kept} == set()
