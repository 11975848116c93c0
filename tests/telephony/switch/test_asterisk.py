"""What only a real switch can show: audio, what outsiders get, what its logs and sockets say."""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from telephony.switch.instance import ECHO
from telephony.switch.port import (
    AgentAnswered,
    Arrived,
    Cause,
    DialRequested,
    Ended,
    EndpointChanged,
    RecordingDone,
    Signal,
    SwitchError,
    Tone,
)
from tests.phones import tones
from tests.phones.sip import Phone, PhoneError, header
from tests.telephony.switch.conftest import RealScene
from tests.telephony.switch.stage import ANI, DESK, DNIS, every, told
from tests.telephony.switch.stages import (
    AGENT_HZ,
    BROWSER_ADDRESS,
    CALLER_HZ,
    DESK_PASSWORD,
    TRUNK_ADDRESS,
    RealStage,
    SipCaller,
    hears,
)

pytestmark = pytest.mark.switch

Perform = Callable[[RealScene], None]
STRANGER_ADDRESS = "127.0.0.77"
LEADER_HZ = 880


async def _talking(
    stage: RealStage, *, ring_id: str, bridge: str, ani: str = ANI
) -> tuple[SipCaller, Phone, str]:
    caller = await stage.arrive(DNIS, ani)
    channel = (await told(stage, Arrived)).channel
    await stage.switch.answer(channel)
    await caller.result()
    await stage.desk()
    await stage.switch.ring(ring_id, DESK, caller=ani, headers={"X-Seatline-Call": "call-7"})
    await stage.desk_answers()
    await told(stage, AgentAnswered)
    await stage.switch.bridge(bridge)
    await stage.switch.join(bridge, (channel, ring_id))
    assert stage.desk_phone is not None
    return caller, stage.desk_phone, channel


def test_caller_and_agent_hear_each_other_and_the_recording_holds_both(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        caller, desk, channel = await _talking(stage, ring_id="r-1", bridge="rb-1")
        await stage.switch.record("rb-1", name="real/audio")
        await asyncio.gather(hears(caller.phone, AGENT_HZ), hears(desk, CALLER_HZ))
        to_caller = await caller.phone.listen(2)
        assert tones.share(to_caller, CALLER_HZ) < 0.1
        await stage.switch.stop_recording("real/audio")
        await told(stage, RecordingDone)
        await stage.switch.hang_up(channel)
        recorded = (stage.recording_dir / "real/audio.wav").read_bytes()
        assert tones.seconds(recorded, AGENT_HZ) > 1.7
        assert tones.seconds(recorded, CALLER_HZ) > 1.7

    perform_real(scene)


def test_who_is_muted_hears_and_is_not_heard(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        caller, desk, channel = await _talking(stage, ring_id="r-mute", bridge="rb-mute")
        await asyncio.gather(hears(caller.phone, AGENT_HZ), hears(desk, CALLER_HZ))
        await stage.switch.mute(channel, on=True)
        deadline = time.monotonic() + 10
        while tones.share(await desk.listen(1), CALLER_HZ) > 0:
            assert time.monotonic() < deadline, "the muted caller is heard"
        await hears(caller.phone, AGENT_HZ)
        await stage.switch.mute(channel, on=False)
        await hears(desk, CALLER_HZ)

    perform_real(scene)


def test_who_overhears_hears_both_and_is_heard_by_the_agent_alone_when_they_whisper(
    perform_real: Perform,
) -> None:
    async def scene(stage: RealStage) -> None:
        caller, desk, _ = await _talking(stage, ring_id="r-ear", bridge="rb-ear")
        # who listens: one more phone, with a tone of its own
        leader = SipCaller(await stage.phone(TRUNK_ADDRESS, "+447700900777", tone_hz=LEADER_HZ), DNIS)
        arrived = await told(stage, Arrived, where=lambda one: one.ani == "+447700900777")
        await stage.switch.answer(arrived.channel)
        await leader.result()
        await stage.switch.bridge("rb-leader")
        await stage.switch.record("rb-ear", name="real/overheard")
        await stage.switch.overhear("ear-1", "r-ear", whispers=False)
        await stage.switch.join("rb-leader", (arrived.channel, "ear-1"))
        await hears(leader.phone, CALLER_HZ, AGENT_HZ)
        to_caller, to_desk = await asyncio.gather(caller.phone.listen(2), desk.listen(2))
        assert tones.share(to_caller, LEADER_HZ) < 0.1
        assert tones.share(to_desk, LEADER_HZ) < 0.1

        await stage.switch.overhear("ear-2", "r-ear", whispers=True)
        await stage.switch.join("rb-leader", ("ear-2",))
        await stage.switch.hang_up("ear-1")
        await told(stage, Ended, where=lambda one: one.channel == "ear-1")
        await hears(desk, LEADER_HZ, CALLER_HZ)
        to_caller = await caller.phone.listen(2)
        assert tones.share(to_caller, LEADER_HZ) < 0.1

        await stage.switch.stop_recording("real/overheard")
        await told(stage, RecordingDone)
        await stage.switch.hang_up("r-ear")
        await told(stage, Ended, where=lambda one: one.channel == "ear-2")
        recorded = (stage.recording_dir / "real/overheard.wav").read_bytes()
        assert tones.seconds(recorded, CALLER_HZ) > 4
        assert tones.seconds(recorded, LEADER_HZ) < 0.3

    perform_real(scene)


def test_paused_recording_holds_silence_and_keeps_its_length(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        _, _, channel = await _talking(stage, ring_id="r-1p", bridge="rb-1p")
        began = time.monotonic()
        await stage.switch.record("rb-1p", name="real/paused")
        await asyncio.sleep(1)
        await stage.switch.pause_recording("real/paused", on=True)
        paused = time.monotonic()
        await asyncio.sleep(3)
        silent_s = time.monotonic() - paused
        await stage.switch.pause_recording("real/paused", on=False)
        await asyncio.sleep(1)
        await stage.switch.stop_recording("real/paused")
        whole_s = time.monotonic() - began
        await told(stage, RecordingDone)
        await stage.switch.hang_up(channel)
        recorded = (stage.recording_dir / "real/paused.wav").read_bytes()
        assert 4.5 < len(recorded) / 16_000 < whole_s + 0.5
        for heard in (tones.seconds(recorded, AGENT_HZ), tones.seconds(recorded, CALLER_HZ)):
            assert 1 < heard < whole_s - silent_s + 0.5
        with pytest.raises(SwitchError):
            await stage.switch.pause_recording("real/paused", on=True)  # it is closed

    perform_real(scene)


def test_agents_phone_is_shown_the_caller_and_our_headers(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        _, desk, _ = await _talking(stage, ring_id="r-2", bridge="rb-2")
        invite = desk.invitations[0].text
        assert header(invite, "X-Seatline-Call") == "call-7"
        assert f"sip:{ANI}@" in header(invite, "From")

    perform_real(scene)


def test_browser_is_offered_loopback_addresses_only_and_encrypted_media(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.switch.put_endpoint("web-9", password="pw")
        browser = await stage.phone(BROWSER_ADDRESS, "web-9", password="pw", refuses_with=488)
        assert await browser.register() == 200
        await stage.switch.ring("r-9", "web-9", caller=ANI)
        await told(stage, Ended)
        offer = browser.invitations[0].text
        candidates = re.findall(r"a=candidate:\S+ \d+ \w+ \d+ (\S+)", offer)
        assert candidates
        assert set(candidates) == {"127.0.0.1"}
        assert set(re.findall(r"IN IP4 (\S+)", offer)) == {"127.0.0.1"}
        assert re.search(r"m=audio \d+ UDP/TLS/RTP/SAVPF 0 ", offer)
        assert "a=fingerprint:SHA-256" in offer
        await asyncio.sleep(0.2)
        assert len(every(stage, EndpointChanged)) == 1  # the switch repeats it at each call
        await stage.switch.drop_endpoint("web-9")

    perform_real(scene)


def test_caller_on_hold_hears_music_and_a_tone_is_heard_as_itself(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        caller = await stage.arrive()
        channel = (await told(stage, Arrived)).channel
        await stage.switch.answer(channel)
        await caller.result()
        await stage.switch.play(channel, [Tone(Signal.RINGING)], playback="rp-1")
        await hears(caller.phone, 440, 480)
        await stage.switch.stop_playback("rp-1")
        await stage.switch.hold_music(channel, on=True)
        deadline = time.monotonic() + 15
        while tones.loudness_dbfs(await caller.phone.listen(1)) <= -50:
            assert time.monotonic() < deadline, "no music"

    perform_real(scene)


def test_call_while_the_application_is_away_is_told_so_and_gets_503(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.switch.close()
        await asyncio.sleep(0.3)
        caller = await stage.arrive()
        assert await caller.result() == 503
        heard = caller.phone.heard()
        assert len(heard) > 8000
        assert tones.loudness_dbfs(heard) > -50

    perform_real(scene)


def test_agent_who_dials_while_the_application_is_away_reaches_nothing(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.desk()
        await stage.switch.close()
        await asyncio.sleep(0.3)
        assert await (await stage.desk_dials(DNIS)).result() == 503

    perform_real(scene)


def test_a_phone_hears_itself_once_at_a_time_and_the_application_nothing_of_it(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.desk()
        assert stage.desk_phone is not None
        assert await stage.desk_phone.call(ECHO) == 200
        deadline = time.monotonic() + 10
        while tones.seconds(await stage.desk_phone.listen(1.0), AGENT_HZ) < 0.8:
            assert time.monotonic() < deadline, "the phone does not hear itself"
        again = await stage.phone(BROWSER_ADDRESS, DESK, password=DESK_PASSWORD)
        assert await again.call(ECHO) == 486
        await stage.desk_phone.hang_up()
        assert await stage.switch.live_channels() == ()
        assert [event for event in stage.heard if isinstance(event, DialRequested)] == []

    perform_real(scene)


def test_stranger_gets_the_same_answer_whatever_he_tries(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        number = "+447700900199"
        stranger = await stage.phone(STRANGER_ADDRESS, number)
        wrong = await stage.phone(STRANGER_ADDRESS, DESK, password="wrong")
        as_trunk = await stage.phone(STRANGER_ADDRESS, "trunk-1")
        as_carrier = await stage.phone(STRANGER_ADDRESS, "carrier")
        answers = [
            await stranger.call(DNIS),
            await stranger.register(),
            await wrong.register(),
            await wrong.call(DNIS),
            await as_trunk.call(DNIS),
            await as_carrier.call(DNIS),
        ]
        assert answers == [401] * 6
        await asyncio.sleep(0.2)
        assert not [e for e in stage.heard if isinstance(e, Arrived | DialRequested)]
        logs = [file for file in (stage.running.part.home / "log").iterdir() if file.is_file()]
        assert "messages" in {file.name for file in logs}
        assert not [file.name for file in logs if number.removeprefix("+").encode() in file.read_bytes()]

    perform_real(scene)


def test_agents_phone_cannot_transfer_a_call_by_itself(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        _, desk, channel = await _talking(stage, ring_id="r-3", bridge="rb-3")
        dialog = desk._dialog
        assert dialog is not None
        target, call_id, local, far = dialog.target, dialog.call_id, dialog.local, dialog.far
        where = "Refer-To: <sip:0019005551234@127.0.0.1>\r\n"
        with pytest.raises(PhoneError):  # the module that would understand it is not loaded
            await desk._ask("REFER", target, call_id, local, far, where, timeout_s=1)
        await asyncio.sleep(0.2)
        assert {c.channel for c in await stage.switch.live_channels()} == {channel, "r-3"}

    perform_real(scene)


def test_caller_who_gives_up_stops_the_phone_that_rings(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.desk()
        assert stage.desk_phone is not None
        await stage.switch.ring("r-4", DESK, caller=ANI)
        await asyncio.wait_for(stage.desk_phone.invited.wait(), 15)
        await stage.switch.hang_up("r-4", cause=Cause.NORMAL)
        await asyncio.wait_for(stage.desk_phone.down.wait(), 15)
        await told(stage, Ended)

    perform_real(scene)


def test_no_callers_number_reaches_the_switchs_files(perform_real: Perform) -> None:
    number = "+447700900188"  # of this test alone

    async def scene(stage: RealStage) -> None:
        caller, desk, _ = await _talking(stage, ring_id="r-5", bridge="rb-5", ani=number)
        caller.phone.press("4111")
        await asyncio.sleep(1)
        await desk.hang_up()
        await caller.hang_up()
        await asyncio.sleep(0.5)
        homes.append(stage.running.part.home)

    homes: list[Path] = []
    perform_real(scene)
    files = [f for f in homes[0].rglob("*") if f.is_file() and f.suffix != ".wav"]
    assert any(f.name == "messages" for f in files)
    holding = [f.name for f in files if number.removeprefix("+").encode() in f.read_bytes()]
    assert holding == []


def test_what_lives_is_told_however_long_that_is(perform_real: Perform) -> None:
    """An answer of half a megabyte on the websocket ends Asterisk: its threads' stacks are no larger."""

    async def scene(stage: RealStage) -> None:
        caller, _, channel = await _talking(stage, ring_id="r-8", bridge="rb-8")
        made = [f"{number:04d}-{'x' * 200}" for number in range(1500)]
        await asyncio.gather(*(stage.switch.bridge(one) for one in made))
        assert {one.channel for one in await stage.switch.live_channels()} == {channel, "r-8"}
        await asyncio.gather(*(stage.switch.close_bridge(one) for one in made))
        await caller.hang_up()
        assert (await told(stage, Ended)).channel == channel

    perform_real(scene)


def test_switch_listens_on_loopback_only(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        ports = stage.running.part.ports
        process = psutil.Process(stage.running.process.pid)
        mine = [process, *process.children(recursive=True)]
        bound = [c for p in mine for c in p.net_connections() if c.status in ("LISTEN", "NONE")]
        assert {c.laddr.port for c in bound} >= {ports.http, ports.sip}
        open_ones = [c for c in bound if not c.laddr.ip.startswith("127.")]
        # PJSIP's own resolver of names keeps one socket per address family for its questions.
        assert {c.type for c in open_ones} <= {socket.SOCK_DGRAM}
        assert len(open_ones) <= 2

    perform_real(scene)


def test_configuration_with_the_password_is_the_owners_alone(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        etc = stage.running.part.home / "etc"
        password = re.search(r"(?m)^password = (.+)$", (etc / "ari.conf").read_text())
        assert password is not None
        holders = [f for f in etc.iterdir() if password[1] in f.read_text()]
        assert [f.name for f in holders] == ["ari.conf"]
        assert holders[0].stat().st_mode & 0o077 == 0

    perform_real(scene)
