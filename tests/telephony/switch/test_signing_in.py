"""Carriers that ask for a password, and carriers we ask for one: with a real switch."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from launch import network
from launch.parts import start_asterisk
from launch.parts.asterisk import Asterisk
from launch.parts.part import Running
from telephony.switch.login import Login
from telephony.switch.port import Arrived, CalledAnswered, Ended
from tests.phones import public
from tests.telephony.outbound.cleared import PERSON, cleared
from tests.telephony.switch.conftest import RealScene
from tests.telephony.switch.stage import ANI, DNIS, every, told
from tests.telephony.switch.stages import TRUNK_ADDRESS, RealStage, real_stage
from tests.telephony.switch.test_asterisk import STRANGER_ADDRESS

pytestmark = pytest.mark.switch

OURS = Login("seatline-42", "ours#with=odd,signs")
THEIRS = Login("far-carrier", 'theirs/"quoted"$%&')
WRONG = Login(OURS.user, "not-what-they-know")


def started(home: Path, *, ours: Login | None, theirs: Login | None) -> Running[Asterisk]:
    carrier = f"{public.ADDRESS}:{network.any_free(protocol='udp')}"
    return start_asterisk(home, carrier=carrier, carrier_login=ours, trunk_login=theirs)


@pytest.fixture(scope="module")
def asterisk(home: Path) -> Iterator[Running[Asterisk]]:
    running = started(home / "signing-in", ours=OURS, theirs=THEIRS)
    yield running
    running.stop()


def play(running: Running[Asterisk], scene: RealScene) -> None:
    async def all_of_it() -> None:
        async with contextlib.AsyncExitStack() as stack:
            stage = await stack.enter_async_context(real_stage(running))
            assert isinstance(stage, RealStage)
            await scene(stage)

    asyncio.run(all_of_it())


def test_a_carrier_that_asks_for_our_password_takes_the_call(asterisk: Running[Asterisk]) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.public(login=(OURS.user, OURS.password))
        assert stage.far_end is not None
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        await told(stage, CalledAnswered)
        assert stage.far_end.turned_away == 1  # asked once, answered once
        assert stage.far_end.calls == {PERSON: 1}
        await stage.switch.hang_up("dial-1")
        assert not (await told(stage, Ended)).is_login_refused

    play(asterisk, scene)


@pytest.mark.parametrize("ours", [None, WRONG], ids=["without", "wrong"])
def test_without_the_right_password_the_carrier_takes_no_call(home: Path, ours: Login | None) -> None:
    running = started(home / f"signing-in-{ours is None}", ours=ours, theirs=None)

    async def scene(stage: RealStage) -> None:
        await stage.public(login=(OURS.user, OURS.password))
        assert stage.far_end is not None
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        ended = await told(stage, Ended)
        assert (ended.channel, ended.is_login_refused) == ("dial-1", True)
        assert every(stage, CalledAnswered) == []
        assert stage.far_end.turned_away >= 1
        assert stage.far_end.calls == {}  # nobody's telephone rang
        assert await stage.switch.live_channels() == ()

    try:
        play(running, scene)
        assert said_in_logs(running, (OURS.password, WRONG.password, PERSON.removeprefix("+"))) == []
    finally:
        running.stop()


def test_a_call_in_is_taken_from_a_carrier_that_signs_in(asterisk: Running[Asterisk]) -> None:
    async def scene(stage: RealStage) -> None:
        carrier = await stage.phone(TRUNK_ADDRESS, ANI, signs_in_as=THEIRS.user, password=THEIRS.password)
        call = asyncio.create_task(carrier.call(DNIS))
        arrived = await told(stage, Arrived)
        assert (arrived.trunk, arrived.dnis, arrived.ani) == ("trunk-1", DNIS, ANI)
        await stage.switch.answer(arrived.channel)
        assert await call == 200
        await carrier.hang_up()  # what belongs to the call is not asked again
        await told(stage, Ended)

    play(asterisk, scene)


@pytest.mark.parametrize(
    ("address", "user", "name", "password"),
    [
        (TRUNK_ADDRESS, ANI, "", None),
        (TRUNK_ADDRESS, ANI, THEIRS.user, "not-theirs"),
        (TRUNK_ADDRESS, ANI, "trunks", THEIRS.password),
        (TRUNK_ADDRESS, ANI, OURS.user, OURS.password),
        (STRANGER_ADDRESS, ANI, THEIRS.user, THEIRS.password),
        (STRANGER_ADDRESS, "trunk-1", THEIRS.user, THEIRS.password),
    ],
    ids=["no-password", "wrong", "other-name", "ours", "elsewhere", "elsewhere-by-name"],
)
def test_a_call_in_without_the_password_or_the_address_is_nobodys(
    asterisk: Running[Asterisk], address: str, user: str, name: str, password: str | None
) -> None:
    async def scene(stage: RealStage) -> None:
        phone = await stage.phone(address, user, signs_in_as=name, password=password)
        assert await phone.call(DNIS) == 401
        assert await stage.switch.live_channels() == ()
        assert every(stage, Arrived) == []

    play(asterisk, scene)


def test_the_passwords_stand_in_one_file_of_the_switchs_alone(asterisk: Running[Asterisk]) -> None:
    secrets = (OURS.password, THEIRS.password)
    holding = [
        file
        for file in asterisk.part.home.rglob("*")
        if file.is_file() and any(one.encode() in file.read_bytes() for one in secrets)
    ]
    assert [file.name for file in holding] == ["pjsip.conf"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    family = psutil.Process(asterisk.process.pid)
    for one in (family, *family.children(recursive=True)):
        seen = " ".join([*one.cmdline(), *one.environ().values()])
        assert not [secret for secret in secrets if secret in seen]
    assert said_in_logs(asterisk, secrets) == []
    assert OURS.password not in repr(asterisk.part)


def said_in_logs(running: Running[Asterisk], words: tuple[str, ...]) -> list[str]:
    logs = [running.log, *(file for file in (running.part.home / "log").rglob("*") if file.is_file())]
    return [word for word in words for log in logs if word.encode() in log.read_bytes()]
