"""What the port promises of calls out, promised by both drivers; the public network is made up."""

import datetime as dt
import time
from collections.abc import Callable

import pytest

from core import clock
from core.phone import E164
from telephony.switch.clearance import ClearanceExpiredError
from telephony.switch.port import (
    AgentAnswered,
    CalledAnswered,
    CalledRinging,
    Cause,
    ChannelState,
    Connected,
    Detected,
    Ended,
    PlaybackFinished,
    Signal,
    Tone,
)
from tests.telephony.outbound.cleared import (
    BUSY,
    HANGS_UP,
    MACHINE,
    PERSON,
    REJECTS,
    RINGS_OUT,
    UNALLOCATED,
    cleared,
)
from tests.telephony.switch.conftest import RealScene, Scene
from tests.telephony.switch.stage import DESK, Stage, every, told
from tests.telephony.switch.stages import RealStage, hears

Perform = Callable[[Scene], None]


def test_a_person_who_picks_up_rings_first_and_is_up(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        ringing = await told(stage, CalledRinging)
        answered = await told(stage, CalledAnswered)
        assert (ringing.channel, answered.channel) == ("dial-1", "dial-1")
        assert ringing.at <= answered.at
        (channel,) = await stage.switch.live_channels()
        assert (channel.channel, channel.state, channel.is_inbound) == ("dial-1", ChannelState.UP, False)
        assert PERSON not in repr(channel)
        await stage.switch.hang_up("dial-1")
        assert (await told(stage, Ended)).cause == Cause.NORMAL
        await stage.pause(300)
        assert len(every(stage, Ended)) == 1

    perform(scene)


@pytest.mark.parametrize(
    ("to", "cause"),
    [(BUSY, Cause.BUSY), (UNALLOCATED, Cause.UNALLOCATED), (REJECTS, Cause.REJECTED)],
)
def test_a_number_that_refuses_says_why(perform: Perform, to: E164, cause: Cause) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(to))
        ended = await told(stage, Ended)
        assert (ended.channel, ended.cause, ended.is_login_refused) == ("dial-1", cause, False)
        assert every(stage, CalledAnswered) == []

    perform(scene)


@pytest.mark.slow
def test_a_number_that_rings_out_ends_with_no_answer(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(RINGS_OUT))
        await told(stage, CalledRinging)
        assert (await told(stage, Ended, within_s=25)).cause == Cause.NO_ANSWER

    perform(scene)


def test_who_hangs_up_at_once_was_up_and_is_gone(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(HANGS_UP))
        await told(stage, CalledAnswered)
        assert (await told(stage, Ended)).cause == Cause.NORMAL

    perform(scene)


@pytest.mark.parametrize(("to", "is_machine"), [(PERSON, False), (MACHINE, True)])
def test_a_machine_is_told_from_a_person_and_the_channel_comes_back(
    perform: Perform,
    to: E164,
    is_machine: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(to))
        await told(stage, CalledAnswered)
        await stage.switch.detect("dial-1")
        heard = await told(stage, Detected)
        assert (heard.channel, heard.is_machine) == ("dial-1", is_machine)
        assert every(stage, Ended) == []
        await stage.switch.play("dial-1", [Tone(Signal.BUSY)], playback="pb-1")
        await stage.pause(100)
        await stage.switch.stop_playback("pb-1")
        assert (await told(stage, PlaybackFinished)).channel == "dial-1"
        await stage.switch.hang_up("dial-1")
        assert (await told(stage, Ended)).channel == "dial-1"
        assert len(every(stage, CalledAnswered)) == 1

    perform(scene)


def test_who_hangs_up_while_listened_to_ends_once(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(HANGS_UP))
        await told(stage, CalledAnswered)
        await stage.switch.detect("dial-1")
        await told(stage, Ended)
        await stage.pause(300)
        assert len(every(stage, Ended)) == 1
        assert every(stage, Detected) == []

    perform(scene)


def test_a_call_given_up_while_it_rings_ends_once(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(RINGS_OUT))
        await told(stage, CalledRinging)
        await stage.switch.hang_up("dial-1")
        await told(stage, Ended)
        await stage.pause(300)
        assert len(every(stage, Ended)) == 1

    perform(scene)


def test_an_expired_clearance_calls_nobody(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        old = cleared(PERSON, at=clock.now() - dt.timedelta(seconds=11))
        with pytest.raises(ClearanceExpiredError):
            await stage.switch.originate("dial-1", clearance=old)
        await stage.pause(200)
        assert await stage.switch.live_channels() == ()

    perform(scene)


def test_a_call_out_is_still_there_when_the_line_comes_back(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        await told(stage, CalledAnswered)
        before = len(stage.heard)
        await stage.drop_connection()
        again = await told(stage, Connected, since=before)
        assert [(one.channel, one.is_inbound) for one in again.channels] == [("dial-1", False)]
        await stage.switch.hang_up("dial-1")
        assert (await told(stage, Ended, since=before)).channel == "dial-1"

    perform(scene)


@pytest.mark.switch
def test_the_far_end_and_the_desk_hear_each_other(perform_real: Callable[[RealScene], None]) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.public()
        await stage.desk()
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        await told(stage, CalledAnswered)
        await stage.switch.ring("ag-out", DESK, caller="+448081570142")
        await stage.desk_answers()
        await told(stage, AgentAnswered)
        await stage.switch.bridge("br-out")
        await stage.switch.join("br-out", ("dial-1", "ag-out"))
        assert stage.desk_phone is not None
        assert stage.far_end is not None
        await hears(stage.desk_phone, 440)  # after some seconds in which that person waits for an answer
        far_end = stage.far_end.heard[PERSON]
        deadline = time.monotonic() + 15
        while len(far_end.heard) <= 50:
            assert time.monotonic() < deadline, "nothing reaches the far end"
            await stage.pause(50)
        assert stage.far_end.calls == {PERSON: 1}
        await stage.switch.close_bridge("br-out")  # one Asterisk serves all these tests

    perform_real(scene)


def test_a_call_that_is_bound_ends_by_itself(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(PERSON))
        await told(stage, CalledAnswered)
        await stage.switch.bound("dial-1", longest=dt.timedelta(seconds=1))
        await told(stage, Ended)
        assert await stage.switch.live_channels() == ()

    perform(scene)


@pytest.mark.switch
def test_the_switch_knows_from_the_start_when_a_call_out_is_too_long(
    perform_real: Callable[[RealScene], None],
) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.public()
        longest = dt.timedelta(minutes=30)
        await stage.switch.originate("dial-1", clearance=cleared(PERSON, longest=longest))
        await told(stage, CalledAnswered)
        asked = await stage.ari._ask(
            stage.ari._now(),
            "GET",
            "channels/dial-1/variable",
            query={"variable": "TIMEOUT(absolute)"},
        )
        # half an hour, fifteen seconds to ring, and a minute to spare
        assert 1870 < float(asked["value"]) <= 1875
        await stage.switch.hang_up("dial-1")

    perform_real(scene)
