"""A phone's password is good for hours, not for as long as somebody stays signed in."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from core.ids import OPERATOR
from security.gate import Scope
from telephony import endpoints
from telephony.endpoints import LIFETIME, Endpoint
from tests.telephony.conductor.theatre import START, Theatre

pytestmark = pytest.mark.slow


def phone(stage: Theatre) -> Endpoint:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = endpoints.of_agent(session, agent_id=stage.people["bob"].agent_id, vault=stage.vault)
    assert found is not None
    return found


async def later(stage: Theatre, by: dt.timedelta) -> None:
    await stage.sim.advance(by // dt.timedelta(milliseconds=1))
    await stage.conductor.heartbeat()
    await stage.settle()
    await stage.sim.advance(1_000)  # the console has heard of it, and registers
    await stage.settle()


def test_an_old_password_is_refused_and_another_one_given_without_anybody_asking(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        first = phone(theatre)
        await later(theatre, LIFETIME - dt.timedelta(minutes=2))
        assert phone(theatre) == first
        await later(theatre, dt.timedelta(minutes=3))
        second = phone(theatre)
        assert second.name != first.name
        assert second.password != first.password
        assert set(theatre.sim.switch.endpoints) == {second.name}  # the switch knows the first no more
        (agent,) = theatre.conductor.floor.agents.values()
        assert (agent.endpoint, agent.is_online, agent.state) == (second.name, True, "available")
        bob = theatre.people["bob"]
        theatre.people["bob"] = dataclasses.replace(bob, endpoint=second.name)
        await theatre.play("0 caller calls\n5 bob answers")
        await theatre.down()

    asyncio.run(whole())
    assert theatre.states("bob")[-1] == "talking"


def test_whoever_talks_keeps_the_phone_until_they_have_done(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        first = phone(theatre)
        await later(theatre, LIFETIME - dt.timedelta(minutes=5))
        await theatre.play("0 caller calls\n5 bob answers")
        await later(theatre, dt.timedelta(minutes=10))
        assert phone(theatre) == first
        await theatre.play("0 bob hangs up")
        await later(theatre, dt.timedelta(minutes=2))
        assert phone(theatre) == first  # there is the wrap-up yet
        await theatre.play("0 bob wraps up")
        await later(theatre, dt.timedelta(minutes=2))
        assert phone(theatre) != first
        await theatre.down()

    asyncio.run(whole())


def away_first(times: int, then: Callable[[], list[Endpoint]]) -> Callable[[], list[Endpoint]]:
    """Return a question that the database does not answer so many times."""
    left = iter(range(times))

    def ask() -> list[Endpoint]:
        if next(left, None) is not None:
            raise OperationalError("SELECT 1", {}, Exception("the database system is starting up"))
        return then()

    return ask


def test_a_database_that_is_away_ends_no_heartbeat_and_phones_are_renewed_when_it_is_back(
    theatre: Theatre,
) -> None:
    async def whole() -> None:
        await theatre.up()
        first, phones = phone(theatre), theatre.conductor.desk.phones
        phones._read_old = away_first(1, phones._read_old)  # type: ignore[method-assign] # an outage
        await theatre.play("0 caller calls\n5 bob answers")
        await later(theatre, LIFETIME - dt.timedelta(seconds=10))
        (call,) = theatre.conductor.live
        # it was proven all the same
        assert call.proven_at > START + LIFETIME - dt.timedelta(minutes=1)
        await theatre.play("0 bob hangs up\n2 bob wraps up")
        await later(theatre, dt.timedelta(seconds=15))
        assert phone(theatre) != first
        await theatre.down()

    asyncio.run(whole())


def test_a_switch_that_comes_while_the_database_is_away_has_its_phones_when_it_is_back(
    theatre: Theatre,
) -> None:
    async def whole() -> None:
        await theatre.up()
        phones = theatre.conductor.desk.phones
        phones._read_issued = away_first(2, phones._read_issued)  # type: ignore[method-assign] # an outage
        await theatre.play("0 switch drops the line\n1 switch is back\n2 caller calls\n7 bob answers")
        assert theatre.conductor._live.is_connected, "without it nothing is proven, and nobody called"
        await theatre.down()

    asyncio.run(whole())
    assert theatre.states("bob")[-1] == "talking"
