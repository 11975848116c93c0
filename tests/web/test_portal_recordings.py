"""Recordings are found by what is known about them; nobody hears anything by looking for them."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from werkzeug.test import TestResponse

from core import clock, ids
from core.ids import CallId
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls
from tenants import holds
from tenants.holds import HoldKind
from tests.factories import telephony as factory
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from tests.web.scene import NOW, Scene


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@dataclass(frozen=True)
class Shelf:
    """Two recordings: one of two seconds by 1001, this morning; one of four by 1002, paused and held."""

    short: CallId
    long: CallId


@pytest.fixture
def shelf(
    services: TestServices, storage: DiskStorage, gate: Gate, vault: Vault, cast: Cast, day: Scene
) -> Shelf:
    who = cast.a.tenant_id
    factory.recorded(
        gate, vault, storage, services.settings.recording_dir, who, day.unknown, seconds=4.0,
        started_at=NOW - dt.timedelta(hours=2),
    )  # fmt: skip
    with gate.open(Scope.system(who)) as session:
        calls.note(
            session,
            tenant_id=who,
            call_id=day.unknown,
            position=90,
            at=NOW - dt.timedelta(hours=2),
            kind="recording-paused",
            details={"on": True},
        )
        holds.put(
            session,
            tenant_id=who,
            kind=HoldKind.CALL,
            subject_id=day.unknown,
            reason="claim",
            by=cast.alice.id,
        )
    return Shelf(short=day.known, long=day.unknown)


def found(page: TestResponse) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'href="/portal/calls/(call_[0-9a-z]+)#rec"', page.text)


def named(*calls_found: CallId) -> list[str]:
    return [ids.public("call", one) for one in calls_found]


def enter(browser: Browsers, email: str) -> Browser:
    made = browser()
    assert made.sign_in(email).status_code == 303
    return made


FILTERS: dict[str, Callable[[Shelf], list[CallId]]] = {
    "": lambda all_: [all_.short, all_.long],
    "agent=1002": lambda all_: [all_.long],
    "agent=1003": lambda _all: [],
    "least=3": lambda all_: [all_.long],
    "most=3": lambda all_: [all_.short],
    "least=2&most=2": lambda all_: [all_.short],
    "paused=yes": lambda all_: [all_.long],
    "paused=no": lambda all_: [all_.short],
    "held=yes": lambda all_: [all_.long],
    "held=no": lambda all_: [all_.short],
    "outcome=answered": lambda all_: [all_.short, all_.long],
    "outcome=redelivery": lambda _all: [],
    "to=2026-11-18": lambda _all: [],
    "from=2026-11-19": lambda all_: [all_.short, all_.long],
}


def test_each_filter_leaves_the_recordings_that_fit(browser: Browsers, cast: Cast, shelf: Shelf) -> None:
    sue = enter(browser, cast.sue.email)
    got = {asked: found(sue.get(f"/portal/recordings?{asked}")) for asked in FILTERS}
    assert got == {asked: named(*wanted(shelf)) for asked, wanted in FILTERS.items()}
    page = sue.get("/portal/recordings")
    assert "<audio" not in page.text
    assert "900999" not in page.text


def test_last_four_digits_find_a_number_and_stand_in_no_address(
    browser: Browsers, cast: Cast, shelf: Shelf
) -> None:
    sue = enter(browser, cast.sue.email)
    for digits, wanted in (("0999", [shelf.long]), ("0471", [shelf.short]), ("1234", [])):
        answer = sue.post("/portal/recordings/find", {"ending": digits})
        where = answer.headers["Location"]
        assert digits not in where
        assert found(sue.get(where)) == named(*wanted)
    for wrong in ("", "47", "04711", "o471"):
        sue.post("/portal/recordings/find", {"ending": wrong})
        assert "Write the last four digits of the number." in sue.get("/portal/recordings").text


def test_who_may_not_hear_them_does_not_find_them_and_nobody_finds_anothers(
    browser: Browsers, cast: Cast, shelf: Shelf
) -> None:
    assert enter(browser, cast.ann.email).get("/portal/recordings").status_code == 403
    charlies = found(enter(browser, cast.charlie.email).get("/portal/recordings"))
    assert set(charlies).isdisjoint(named(shelf.short, shelf.long))
    assert len(charlies) == 1


def test_programs_find_them_too(program: Programs, cast: Cast, shelf: Shelf) -> None:
    ours = program(cast.a)
    first = ours.get("/recordings?limit=1").get_json()
    rest = ours.get(f"/recordings?limit=1&starting_after={first['next']}").get_json()
    assert [one["call"] for one in first["data"] + rest["data"]] == named(shelf.short, shelf.long)
    (held,) = ours.get("/recordings?held=true&paused=true&at_least_s=4").get_json()["data"]
    assert (held["duration_ms"], held["agent"], held["paused"], held["held"]) == (4000, 1002, True, True)
    assert held["caller"].endswith("•••")
    (one,) = ours.post("/recordings/search", {"ending": "0471"}).get_json()["data"]
    assert one["call"] == named(shelf.short)[0]
    assert ours.post("/recordings/search", {"ending": "47"}).status_code == 422
