"""What the port promises, promised by both drivers."""

import array
import asyncio
import math
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from telephony.switch.port import (
    AgentAnswered,
    AgentRinging,
    Arrived,
    Cause,
    ChannelGoneError,
    ChannelState,
    Connected,
    DialRequested,
    Digit,
    Digits,
    Disconnected,
    Ended,
    EndpointChanged,
    PlaybackFinished,
    RecordingDone,
    Signal,
    Speech,
    SwitchError,
    Tone,
)
from tests.telephony.switch.conftest import Scene
from tests.telephony.switch.stage import ANI, DESK, DNIS, Caller, Stage, comes_true, every, stand, told

Perform = Callable[[Scene], None]


@pytest.fixture(scope="session")
def greeting(home: Path) -> Path:
    """Half a second of 400 Hz that the switch's account may read."""
    path = home / "greeting.wav"
    samples = array.array("h", (round(8000 * math.sin(math.pi * i / 10)) for i in range(4000)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    path.chmod(0o644)
    return path


async def _up(stage: Stage) -> tuple[Caller, str]:
    """Let somebody call and answer; return the caller and its channel."""
    caller = await stage.arrive()
    channel = (await told(stage, Arrived, since=len(stage.heard) - 1)).channel
    await stage.switch.answer(channel)
    assert await caller.result() == 200
    return caller, channel


async def _talking(stage: Stage, *, ring_id: str, bridge: str) -> tuple[Caller, str]:
    """Let a caller and the desk talk; return the caller and its channel."""
    caller, channel = await _up(stage)
    await stage.desk()
    await stage.switch.ring(ring_id, DESK, caller=ANI)
    await stage.desk_answers()
    await told(stage, AgentAnswered)
    await stage.switch.bridge(bridge)
    await stage.switch.join(bridge, (channel, ring_id))
    return caller, channel


def test_first_event_is_the_connection_and_names_the_boot(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        first = stage.heard[0]
        assert isinstance(first, Connected)
        assert first.boot_id == (await stage.switch.facts()).boot_id
        assert first.channels == ()

    perform(scene)


@pytest.mark.parametrize("dnis", ["+15551000", "15551000", "1252"])
def test_call_arrives_with_both_numbers_and_its_trunk(perform: Perform, dnis: str) -> None:
    async def scene(stage: Stage) -> None:
        caller = await stage.arrive(dnis, ANI)
        arrived = await told(stage, Arrived)
        assert (arrived.dnis, arrived.ani, arrived.trunk) == (dnis, ANI, "trunk-1")
        assert arrived.at.utcoffset() is not None
        assert ANI not in repr(arrived)
        await stage.switch.answer(arrived.channel)
        assert await caller.result() == 200

    perform(scene)


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (Cause.UNALLOCATED, 404),
        (Cause.REJECTED, 403),
        (Cause.BUSY, 486),
        (Cause.CONGESTION, 503),
        (Cause.SWITCH_CONGESTION, 503),
    ],
)
def test_unanswered_call_is_refused_with_the_answer_of_its_cause(
    perform: Perform, cause: Cause, code: int
) -> None:
    async def scene(stage: Stage) -> None:
        caller = await stage.arrive()
        channel = (await told(stage, Arrived)).channel
        await stage.switch.hang_up(channel, cause=cause)
        assert await caller.result() == code
        assert (await told(stage, Ended)).cause == cause
        await stage.pause(300)
        assert len(every(stage, Ended, channel=channel)) == 1

    perform(scene)


def test_call_given_up_before_the_answer_ends_once(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller = await stage.arrive()
        channel = (await told(stage, Arrived)).channel
        await caller.hang_up()
        assert await caller.result() == 487
        assert (await told(stage, Ended)).cause == Cause.NORMAL
        await stage.pause(300)
        assert len(every(stage, Ended, channel=channel)) == 1

    perform(scene)


def test_speech_and_digits_finish_once_under_our_id(perform: Perform, greeting: Path) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _up(stage)
        await stage.switch.play(channel, [Speech(greeting), Digits("12")], playback="pb-1")
        finished = await told(stage, PlaybackFinished)
        assert (finished.channel, finished.playback, finished.ok) == (channel, "pb-1", True)
        await stage.pause(200)
        assert len(every(stage, PlaybackFinished)) == 1

    perform(scene)


def test_second_playback_waits_for_the_first(perform: Perform, greeting: Path) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _up(stage)
        await stage.switch.play(channel, [Speech(greeting)], playback="pb-a")
        await stage.switch.play(channel, [Speech(greeting)], playback="pb-b")
        second = await told(stage, PlaybackFinished, where=lambda e: e.playback == "pb-b")
        first = every(stage, PlaybackFinished)[0]
        assert first.playback == "pb-a"
        assert (second.at - first.at).total_seconds() > 0.4

    perform(scene)


def test_tone_plays_until_it_is_stopped(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _up(stage)
        await stage.switch.play(channel, [Tone(Signal.RINGING)], playback="pb-2")
        await stage.pause(700)
        assert every(stage, PlaybackFinished) == []
        await stage.switch.stop_playback("pb-2")
        assert (await told(stage, PlaybackFinished)).playback == "pb-2"
        await stage.switch.stop_playback("pb-2")  # its aim is reached already

    perform(scene)


def test_missing_sound_is_told_as_not_played(perform: Perform, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _up(stage)
        await stage.switch.play(channel, [Speech(tmp_path / "nothing.wav")], playback="pb-3")
        assert (await told(stage, PlaybackFinished)).ok is False

    perform(scene)


def test_keys_pressed_are_told_one_by_one(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller, channel = await _up(stage)
        await stage.switch.hold_music(channel, on=True)
        await stage.pause(100)
        await caller.press("5#")
        await told(stage, Digit, where=lambda e: e.digit == "#")
        assert [e.digit for e in every(stage, Digit, channel=channel)] == ["5", "#"]
        await stage.switch.hold_music(channel, on=False)

    perform(scene)


def test_a_channel_is_muted_and_heard_again_as_often_as_is_asked_and_its_keys_still_come(
    perform: Perform,
) -> None:
    async def scene(stage: Stage) -> None:
        caller, channel = await _up(stage)
        for on in (False, True, True, False, False):
            await stage.switch.mute(channel, on=on)
        await stage.switch.mute(channel, on=True)
        await caller.press("*6")
        await told(stage, Digit, where=lambda e: e.digit == "6")
        assert [e.digit for e in every(stage, Digit, channel=channel)] == ["*", "6"]
        with pytest.raises(ChannelGoneError):
            await stage.switch.mute("nobody", on=True)

    perform(scene)


def test_agent_rings_answers_talks_and_hangs_up(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="ag-1", bridge="br-1")
        rings, answers = every(stage, AgentRinging), every(stage, AgentAnswered)
        assert [e.channel for e in rings] == [e.channel for e in answers] == ["ag-1"]
        assert rings[0].at <= answers[0].at
        live = {c.channel: c for c in await stage.switch.live_channels()}
        assert {c.bridge for c in live.values()} == {"br-1"}
        assert live[channel].is_inbound
        assert live["ag-1"].endpoint == DESK
        await stage.desk_hangs_up()
        assert (await told(stage, Ended)).channel == "ag-1"
        await stage.pause(300)
        assert len(every(stage, Ended, channel="ag-1")) == 1
        assert [c.channel for c in await stage.switch.live_channels()] == [channel]
        await stage.switch.close_bridge("br-1")

    perform(scene)


def test_what_is_heard_of_a_leg_grows_while_somebody_is_at_it(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await _talking(stage, ring_id="ag-9", bridge="br-9")
        before = await stage.switch.heard("ag-9")

        async def more() -> bool:
            return await stage.switch.heard("ag-9") - before >= 25

        await comes_true(stage, more, what="half a second of sound")
        await stage.desk_falls_silent()
        await stage.pause(500)  # what was sent before has come
        silent = await stage.switch.heard("ag-9")
        await stage.pause(1000)
        assert await stage.switch.heard("ag-9") == silent
        await stage.switch.hang_up("ag-9")
        await told(stage, Ended)
        with pytest.raises(ChannelGoneError):
            await stage.switch.heard("ag-9")

    perform(scene)


def test_ringing_phone_is_live_before_it_answers(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.desk()
        await stage.switch.ring("ag-2", DESK, caller=ANI)
        await told(stage, AgentRinging)
        live = await stage.switch.live_channels()
        assert [(c.channel, c.state) for c in live] == [("ag-2", ChannelState.RINGING)]
        await stage.switch.hang_up("ag-2")
        assert (await told(stage, Ended)).channel == "ag-2"
        await stage.pause(200)
        assert every(stage, AgentAnswered) == []
        assert len(every(stage, Ended)) == 1

    perform(scene)


def test_agent_who_refuses_ends_as_busy(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.desk(refuses_with=486)
        await stage.switch.ring("ag-3", DESK, caller=ANI)
        assert (await told(stage, Ended)).cause == Cause.BUSY

    perform(scene)


def test_agent_who_does_not_answer_ends_as_no_answer(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.desk()
        await stage.switch.ring("ag-4", DESK, caller=ANI, timeout_s=1)
        assert (await told(stage, Ended)).cause == Cause.NO_ANSWER

    perform(scene)


def test_ringing_a_phone_that_is_not_there_fails_for_good(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(SwitchError) as caught:
            await stage.switch.ring("ag-5", "nobody", caller=ANI)
        assert caught.value.is_temporary is False
        assert ANI not in str(caught.value)
        assert ANI not in str(caught.value.details)
        await stage.pause(200)
        assert every(stage, Ended) == []

    perform(scene)


def test_command_for_a_gone_channel_says_so_and_hanging_up_does_not(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller, channel = await _up(stage)
        await caller.hang_up()
        await told(stage, Ended)
        with pytest.raises(ChannelGoneError):
            await stage.switch.answer(channel)
        with pytest.raises(ChannelGoneError):
            await stage.switch.play(channel, [Digits("1")], playback="pb-4")
        await stage.switch.bridge("br-2")
        await stage.switch.bridge("br-2")  # a call taken over, or given to another agent, has its own still
        with pytest.raises(ChannelGoneError):
            await stage.switch.join("br-2", (channel,))
        await stage.switch.leave("br-2", channel)
        await stage.switch.hang_up(channel)
        await stage.switch.close_bridge("br-2")
        await stage.switch.close_bridge("br-2")
        await stage.switch.stop_recording("never-begun")

    perform(scene)


def test_ear_ends_once_with_the_leg_it_hears(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await _talking(stage, ring_id="r-heard", bridge="b-heard")
        await stage.switch.overhear("ear-c", "r-heard", whispers=False)
        await stage.switch.bridge("b-ear")
        await stage.switch.join("b-ear", ("ear-c",))
        assert "ear-c" in {one.channel for one in await stage.switch.live_channels()}
        await stage.desk_hangs_up()
        await told(stage, Ended, where=lambda one: one.channel == "ear-c")
        await stage.pause(300)
        assert len(every(stage, Ended, channel="ear-c")) == 1
        assert every(stage, AgentAnswered, channel="ear-c") == []

    perform(scene)


def test_ear_can_be_taken_away_and_the_leg_lives_on(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="r-kept", bridge="b-kept")
        await stage.switch.overhear("ear-k", "r-kept", whispers=True)
        await stage.switch.hang_up("ear-k")
        await told(stage, Ended, where=lambda one: one.channel == "ear-k")
        assert {"r-kept", channel} <= {one.channel for one in await stage.switch.live_channels()}

    perform(scene)


def test_leg_that_is_gone_cannot_be_overheard(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="r-gone", bridge="b-gone")
        await stage.switch.hang_up("r-gone")
        await told(stage, Ended, where=lambda one: one.channel == "r-gone")
        with pytest.raises(ChannelGoneError):
            await stage.switch.overhear("ear-g", "r-gone", whispers=False)
        assert channel in {one.channel for one in await stage.switch.live_channels()}

    perform(scene)


def test_recording_is_a_wav_file_under_its_name(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="ag-6", bridge="br-3")
        name = f"contract/{'real' if stage.is_real else 'sim'}-1"
        await stage.switch.record("br-3", name=name)
        began = time.monotonic()
        await stage.pause(500)
        await stage.switch.pause_recording(name, on=True)
        await stage.pause(500)
        await stage.switch.pause_recording(name, on=False)
        await stage.pause(500)
        await stage.switch.stop_recording(name)
        done = await told(stage, RecordingDone)
        assert (done.name, done.ok) == (name, True)
        with wave.open(str(stage.recording_dir / f"{name}.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
            assert 1.0 < file.getnframes() / 8000 < 2.5 + time.monotonic() - began
        with pytest.raises(SwitchError):
            await stage.switch.pause_recording(name, on=True)  # nothing is recorded any more
        with pytest.raises(SwitchError):
            await stage.switch.record("br-3", name=name)  # never over an older one
        await stage.switch.hang_up(channel)

    perform(scene)


def test_recording_closes_when_the_last_one_leaves(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller, _ = await _talking(stage, ring_id="ag-7", bridge="br-4")
        name = f"contract/{'real' if stage.is_real else 'sim'}-2"
        await stage.switch.record("br-4", name=name)
        await stage.pause(300)
        await caller.hang_up()
        await stage.pause(200)
        await stage.switch.hang_up("ag-7")
        assert (await told(stage, RecordingDone)).ok

    perform(scene)


def test_channel_that_leaves_its_bridge_lives_on(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="ag-8", bridge="br-5")
        await stage.switch.leave("br-5", channel)
        await stand(stage, {channel: None, "ag-8": "br-5"})
        await stage.switch.join("br-5", (channel,))
        await stage.switch.close_bridge("br-5")
        await stand(stage, {channel: None, "ag-8": None})

    perform(scene)


def test_who_is_left_in_a_bridge_hears_a_sound_and_keeps_its_recording(
    perform: Perform, greeting: Path
) -> None:
    """As a caller whose call is given on: music, a sound, and somebody else in the bridge, recorded on."""

    async def scene(stage: Stage) -> None:
        _, channel = await _talking(stage, ring_id="ag-9", bridge="br-6")
        name = f"contract/{'real' if stage.is_real else 'sim'}-3"
        await stage.switch.record("br-6", name=name)
        await stage.pause(200)
        await stage.switch.bridge("br-7")
        await stage.switch.leave("br-6", "ag-9")
        await stage.switch.join("br-7", ["ag-9"])
        await stage.switch.hold_music(channel, on=True)
        await stand(stage, {channel: "br-6", "ag-9": "br-7"})
        await stage.switch.hold_music(channel, on=False)
        await stage.switch.play(channel, [Speech(greeting)], playback="pb-left")
        played = await told(stage, PlaybackFinished)
        assert (played.playback, played.ok) == ("pb-left", True)
        assert every(stage, RecordingDone) == []
        await stage.switch.close_bridge("br-7")
        await stage.switch.join("br-6", ["ag-9"])
        await stand(stage, {channel: "br-6", "ag-9": "br-6"})
        await stage.switch.stop_recording(name)
        assert (await told(stage, RecordingDone)).ok
        await stage.switch.hang_up(channel)

    perform(scene)


def test_call_goes_on_when_the_line_is_lost(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller, channel = await _talking(stage, ring_id="ag-9", bridge="br-6")
        first, before = stage.heard[0], len(stage.heard)
        assert isinstance(first, Connected)
        await stage.drop_connection()
        await told(stage, Disconnected, since=before)
        with pytest.raises(SwitchError) as caught:
            await stage.switch.answer(channel)
        assert caught.value.is_temporary
        again = await told(stage, Connected, since=before)
        assert again.boot_id == first.boot_id
        assert "br-6" in again.bridges
        live = {c.channel: (c.state, c.bridge, c.is_inbound) for c in again.channels}
        assert live == {
            channel: (ChannelState.UP, "br-6", True),
            "ag-9": (ChannelState.UP, "br-6", False),
        }
        inbound = next(c for c in again.channels if c.is_inbound)
        assert (inbound.dnis, inbound.ani, inbound.endpoint) == (DNIS, ANI, "trunk-1")
        assert ANI not in repr(again)
        await caller.hang_up()
        assert (await told(stage, Ended, since=before)).channel == channel
        await stage.switch.hang_up("ag-9")
        await told(stage, Ended, since=before, where=lambda e: e.channel == "ag-9")
        await stage.pause(200)
        assert len(every(stage, Ended)) == 2

    perform(scene)


def test_call_that_ended_unheard_is_missing_from_the_next_connection(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        caller, channel = await _up(stage)
        before = len(stage.heard)
        await stage.drop_connection()
        await caller.hang_up()
        again = await told(stage, Connected, since=before)
        told_of = [c.channel for c in again.channels]
        await stage.pause(300)
        # Told by its absence, or, when it ended in the very moment of the return, by its end.
        ends = [e for e in stage.heard[before:] if isinstance(e, Ended)]
        assert (channel in told_of) == (len(ends) == 1)

    perform(scene)


def test_restarted_switch_has_another_boot_and_no_calls(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await _up(stage)
        first, before = stage.heard[0], len(stage.heard)
        assert isinstance(first, Connected)
        await stage.restart()
        again = await told(stage, Connected, since=before, within_s=15)
        assert again.boot_id != first.boot_id
        assert again.channels == ()
        caller = await stage.arrive()
        arrived = await told(stage, Arrived, since=before)
        await stage.switch.answer(arrived.channel)
        assert await caller.result() == 200

    perform(scene)


def test_agents_phone_lives_from_put_to_drop(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.phone_registers("web-1", password="pw") == 401
        await stage.switch.put_endpoint("web-1", password="pw")
        assert await stage.switch.online("web-1") is False
        assert await stage.phone_registers("web-1", password="pw") == 200
        changed = await told(stage, EndpointChanged)
        assert (changed.endpoint, changed.online) == ("web-1", True)
        assert await stage.switch.online("web-1") is True
        await stage.switch.drop_endpoint("web-1")
        assert await stage.phone_registers("web-1", password="pw") == 401
        assert await stage.switch.online("web-1") is False
        await stage.switch.drop_endpoint("web-1")

    perform(scene)


def test_agent_who_dials_only_asks(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        await stage.desk()
        dialled = await stage.desk_dials("0019005551234")
        asked = await told(stage, DialRequested)
        assert (asked.endpoint, asked.digits) == (DESK, "0019005551234")
        assert "0019005551234" not in repr(asked)
        await stage.switch.hang_up(asked.channel, cause=Cause.REJECTED)
        assert await dialled.result() == 403
        assert (await told(stage, Ended)).channel == asked.channel

    perform(scene)


def test_all_modules_we_use_are_loaded(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        facts = await stage.switch.facts()
        assert facts.missing_modules == ()
        assert facts.is_simulated is not stage.is_real
        if stage.is_real:
            assert int(facts.version.partition(".")[0]) >= 22

    perform(scene)


def test_many_commands_at_once_each_get_their_own_answer(perform: Perform) -> None:
    async def scene(stage: Stage) -> None:
        _, channel = await _up(stage)
        names = [f"br-many-{i}" for i in range(30)]
        await asyncio.gather(*(stage.switch.bridge(name) for name in names))
        await stage.switch.join(names[7], (channel,))
        live = await stage.switch.live_channels()
        assert [c.bridge for c in live] == [names[7]]
        await asyncio.gather(*(stage.switch.close_bridge(name) for name in names))

    perform(scene)
