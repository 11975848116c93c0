"""Callers of a shared short code: nobody's until they choose, and then one company's alone."""

import asyncio
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Never
from unittest.mock import ANY

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core import clock
from core.ids import OPERATOR, NumberId, TenantId, new_id
from security.gate import Gate, Scope
from telephony import calls, numbers, queues, shared_codes
from telephony.admission import Bounds
from telephony.events import NumberRentalChanged
from telephony.shared_codes import Choice
from tenants import companies
from tests.telephony.conductor.theatre import START, Theatre

_DESK = Scope.system(OPERATOR)


def put_on(stage: Theatre, code_id: NumberId, tenant_id: TenantId, keys: str, name: str) -> Choice:
    """Put a company on the code, as the operator does, and let its own row follow."""
    with stage.gate.open(_DESK) as session:
        choice = shared_codes.add(
            session, code_id=code_id, renter_tenant_id=tenant_id, keys=keys, name=name, is_spoken=True
        )
    with stage.gate.open(Scope.system(tenant_id)) as session:
        numbers.follow(session, tenant_id=tenant_id, event=event_of(choice))
    return choice


def event_of(choice: Choice, *, revision: int = 1) -> NumberRentalChanged:
    return NumberRentalChanged(
        tenant_id=OPERATOR,
        renter_tenant_id=choice.renter_tenant_id,
        rental_id=choice.choice_id,
        number_id=choice.choice_id,
        digits="1252",
        kind="short",
        queue_id=None,
        greeting="",
        language="en",
        starts_at=choice.starts_at,
        ends_at=choice.ends_at,
        revision=revision,
        keys=choice.keys,
    )


@pytest.fixture
def theatre(theatre: Theatre, gate: Gate, tenant_a: TenantId, tenant_b: TenantId, tmp_path: Path) -> Theatre:
    """1252: alice's company by 1, charlie's by 27; bob takes alice's calls."""
    with gate.open(_DESK) as session:
        stock = numbers.stock(session, digits="1252", region="GB")
        shared_codes.share(session, number_id=stock.number_id, greeting="Welcome.", language="en")
    with gate.open(Scope.system(tenant_b)) as session:
        queues.open_queue(session, tenant_id=tenant_b, name="Theirs", ring_timeout_s=15)
    put_on(theatre, stock.number_id, tenant_a, "1", "Pelican")
    put_on(theatre, stock.number_id, tenant_b, "27", "Heron")
    sound = tmp_path / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))  # two seconds
    theatre.speak = lambda words, _language: sound if words else None
    return theatre


def perform(stage: Theatre, script: str, then: str = "") -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=True)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def counted(stage: Theatre) -> dict[str, tuple[int, float]]:
    """Return how many callers came to which outcome, and how many seconds they were nobody's."""
    with stage.gate.open(_DESK) as session:
        (code,) = shared_codes.every(session)
        found = shared_codes.counts(session, code_id=code.code_id, since=START.date())
        return {one.outcome.value: (one.calls, one.duration_ms / 1000) for one in found if one.calls}


def rows_of(stage: Theatre, tenant_id: TenantId) -> list[tuple[str, str]]:
    """Return a company's calls: the number dialled, and how each ended."""
    with stage.gate.open(Scope.system(tenant_id)) as session:
        found = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        return [(one.dialled, one.cause or "") for one in found]


# The menu takes the simulator two seconds. `theirs`: what charlie's company has of it.
SCENARIOS = {
    "1 after the menu: alice's, who pays from there on": (
        "0 caller calls 1252\n3 caller presses 1\n4 bob answers\n66 caller hangs up",
        ["cdr wait=3s talk=60s caller-hung-up agent=1001", ANY],
        [],
        {"chosen": (1, 3.0)},
    ),
    "1 while the menu is still being said": (
        "0 caller calls 1252\n1 caller presses 1\n9 caller hangs up",
        ["cdr wait=8s talk=0s caller-left-queue agent=nobody"],
        [],
        {"chosen": (1, 1.0)},
    ),
    "27, digit by digit: charlie's, and alice sees nothing of it": (
        "0 caller calls 1252\n3 caller presses 2\n4 caller presses 7\n20 caller hangs up",
        [],
        [("1252", "caller-left-queue")],
        {"chosen": (1, 4.0)},
    ),
    "27 dialled after the code: no menu": (
        "0 caller calls 125227\n9 caller hangs up",
        [],
        [("1252", "caller-left-queue")],
        {"dialled": (1, 0.0)},
    ),
    "gone before the choice: nobody's call": (
        "0 caller calls 1252\n5 caller hangs up",
        [],
        [],
        {"left": (1, 5.0)},
    ),
    # three times: two seconds of menu and seven of silence; then goodbye, two seconds
    "nothing keyed: the menu three times, then goodbye": (
        """
        0 caller calls 1252
        9.1 routing looks again
        18.2 routing looks again
        27.3 routing looks again
        40 routing looks again
        """,
        [],
        [],
        {"nothing": (1, ANY)},
    ),
    "wrong keys three times, then goodbye": (
        "0 caller calls 1252\n3 caller presses 9\n6 caller presses #\n9 caller presses 21\n15 pulse beats",
        [],
        [],
        {"wrong": (1, ANY)},
    ),
    "wrong once, then right": (
        "0 caller calls 1252\n3 caller presses 9\n6 caller presses 1\n9 caller hangs up",
        ["cdr wait=3s talk=0s caller-left-queue agent=nobody"],
        [],
        {"chosen": (1, 6.0)},
    ),
    "digits that are nobody's after the code: an unknown number": (
        "0 caller calls 12529\n1 routing looks again",
        [],
        [],
        {},
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(theatre: Theatre, tenant_b: TenantId, name: str) -> None:
    script, mine, theirs, outcomes = SCENARIOS[name]
    perform(theatre, script)
    assert theatre.books_say() == mine
    assert rows_of(theatre, tenant_b) == theirs
    assert counted(theatre) == outcomes


def test_nobody_pays_for_the_seconds_before_the_choice(theatre: Theatre) -> None:
    perform(theatre, "0 caller calls 1252\n8 caller presses 1\n9 bob answers\n71 caller hangs up")
    cdr, usage = theatre.books_say()
    assert "talk=60s" in cdr
    assert usage.startswith("usage voice.inbound 60s"), "eight seconds of menu are in nobody's usage"
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.arrived_at == START.replace(second=9), "the call begins with the choice"
    assert theatre.timeline()[0] == "arrived"


def test_before_the_choice_nothing_of_the_caller_is_written_anywhere(
    theatre: Theatre, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    opened: list[TenantId] = []
    real = theatre.gate.open

    def watched(scope: Scope):  # type: ignore[no-untyped-def]
        opened.append(scope.tenant_id)
        return real(scope)

    seen: dict[str, object] = {}

    def look() -> None:
        seen["walls"] = {one for one in opened if one != OPERATOR}
        seen["calls"] = theatre.conductor.live
        seen["spool"] = [
            path.name for path in (theatre.folder / "spool").rglob("*") if b"1252" in path.read_bytes()
        ]

    async def whole() -> None:
        await theatre.up()
        theatre.gate.open = watched  # type: ignore[method-assign] # to see whose walls are opened
        try:
            await theatre.play("0 caller calls 1252\n3 caller presses 2")
            await asyncio.to_thread(look)
        finally:
            del theatre.gate.open
        await theatre.play("1 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert seen == {"walls": set(), "calls": [], "spool": []}
    for tenant_id in (tenant_a, tenant_b):
        assert rows_of(theatre, tenant_id) == []
    with theatre.gate.open(_DESK) as session:
        row = session.execute(text("SELECT * FROM app.shared_code_counts")).mappings().one()
    assert set(row) == {"tenant_id", "code_id", "day", "outcome", "calls", "duration_ms"}


def test_who_stands_before_the_menu_is_asked_anew_by_the_next_switchboard(theatre: Theatre) -> None:
    perform(
        theatre,
        "0 caller calls 1252\n3 caller presses 2",
        "1 caller presses 1\n2 bob answers\n20 caller hangs up",
    )
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]


def test_a_chosen_call_survives_the_death_of_the_switchboard(theatre: Theatre, tenant_b: TenantId) -> None:
    perform(
        theatre,
        "0 caller calls 1252\n3 caller presses 1\n4 bob answers\n10 pulse beats",
        "2 caller hangs up",
    )
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert rows_of(theatre, tenant_b) == []


def test_a_chosen_call_stays_its_companys_when_the_code_is_anothers_by_then(
    theatre: Theatre, tenant_b: TenantId
) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls 1252\n3 caller presses 1\n4 routing looks again")
        await theatre.down(killed=True)
        with theatre.gate.open(_DESK) as session:
            (code,) = shared_codes.every(session)
        rented = replace(event_of(code.choices[1]), rental_id=new_id(), number_id=NumberId(new_id()), keys="")
        with theatre.gate.open(Scope.system(tenant_b)) as session:
            numbers.follow(session, tenant_id=tenant_b, event=rented)
        await theatre.up(sim=theatre.sim)
        assert theatre.conductor.directory.find("1252"), "it is charlie's by now"
        (held,) = theatre.conductor._live.calls.values()
        assert held.line.number.number_id == code.choices[0].choice_id
        await theatre.play("2 bob answers\n5 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert rows_of(theatre, tenant_b) == []


def test_a_line_to_the_switch_that_breaks_asks_the_caller_anew(theatre: Theatre) -> None:
    perform(
        theatre,
        "0 caller calls 1252\n3 switch drops the line\n4 switch is back\n8 caller presses 1\n"
        "12 caller hangs up",
    )
    assert [line.split()[3] for line in theatre.books_say()] == ["caller-left-queue"]
    assert set(counted(theatre)) == {"lost", "chosen"}


def test_a_suspended_company_is_said_to_be_out_of_reach(theatre: Theatre) -> None:
    with clock.hold(START), theatre.gate.open(_DESK) as session:
        companies.open_company(
            session,
            tenant_id=theatre.company.tenant_id,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
        companies.suspend(session, tenant_id=theatre.company.tenant_id)
    perform(theatre, "0 caller calls 1252\n3 caller presses 1\n9 routing looks again")
    assert theatre.books_say() == []
    assert counted(theatre) == {"closed": (1, ANY)}


def test_who_comes_when_the_switch_is_full_is_counted(theatre: Theatre) -> None:
    theatre.usual = Bounds(1, 100)
    perform(theatre, "0 caller calls 1252\n1 caller calls 1252\n4 caller hangs up")
    assert counted(theatre)["full"] == (1, 0.0), "a caller before the menu takes a line like any"


def test_a_company_that_went_out_of_it_is_reached_by_nobody_and_its_keys_rest(
    theatre: Theatre, tenant_b: TenantId
) -> None:
    with clock.hold(START):
        with theatre.gate.open(_DESK) as session:
            (code,) = shared_codes.every(session)
            gone = shared_codes.leave(session, choice_id=code.choices[0].choice_id)
        with theatre.gate.open(theatre.scope) as session:
            numbers.follow(session, tenant_id=theatre.company.tenant_id, event=gone)
    perform(theatre, "0 caller calls 1252\n3 caller presses 1\n6 caller hangs up")
    assert theatre.books_say() == []
    assert rows_of(theatre, tenant_b) == []
    assert set(counted(theatre)) == {"left"}


def test_without_a_voice_who_knows_the_keys_is_put_through(theatre: Theatre) -> None:
    theatre.speak = lambda _text, _language: None
    perform(theatre, "0 caller calls 1252\n3 caller presses 1\n6 caller hangs up")
    assert theatre.books_say() == ["cdr wait=3s talk=0s caller-left-queue agent=nobody"]


def test_without_a_database_the_codes_read_last_still_count_and_a_choice_is_said_to_be_out_of_reach(
    theatre: Theatre,
) -> None:
    def away(*_args: object, **_more: object) -> Never:
        raise OperationalError("SELECT 1", {}, Exception("away"))

    async def whole() -> None:
        await theatre.up()
        lobby = theatre.conductor._lobby
        assert await asyncio.to_thread(lobby.find, "1252")
        await theatre.play("0 caller calls 1252")
        lobby.forget()
        theatre.conductor.directory.find = away  # type: ignore[method-assign] # as a database that is away
        real, lobby._gate = lobby._gate, Away(away)  # type: ignore[assignment] # the same
        assert await asyncio.to_thread(lobby.find, "1252"), "what was read last is known"
        lobby._gate = real
        await theatre.play("3 caller presses 1\n9 routing looks again")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert counted(theatre) == {"closed": (1, ANY)}
    assert theatre.books_say() == []


@dataclass
class Away:
    """A gate to a database that is away."""

    open: Callable[..., Never]
