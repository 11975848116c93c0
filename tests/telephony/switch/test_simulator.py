"""What only the simulator can show: time that is moved, and a table of what happened."""

import asyncio
import datetime as dt
import textwrap
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from core import clock
from telephony.switch.port import (
    AgentAnswered,
    AgentRinging,
    Arrived,
    Connected,
    Digits,
    Disconnected,
    Ended,
    EndpointChanged,
    Event,
    PlaybackFinished,
    RecordingDone,
    Switch,
)
from telephony.switch.simulator import Simulation

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
ANI = "+447700900123"


class Desk:
    """The smallest switchboard: announces, rings, joins, records, tidies up."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.events: list[Event] = []
        self._caller = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        task = asyncio.get_running_loop().create_task(self._react(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _react(self, event: Event) -> None:
        match event:
            case Arrived():
                self._caller = event.channel
                await self.switch.answer(event.channel)
                await self.switch.play(event.channel, [Digits("12")], playback="hello")
            case PlaybackFinished(playback="hello"):
                await self.switch.hold_music(event.channel, on=True)
                await self.switch.ring("agent", "desk", caller=ANI)
            case AgentAnswered():
                await self.switch.hold_music(self._caller, on=False)
                await self.switch.bridge("talk")
                await self.switch.join("talk", (self._caller, "agent"))
                await self.switch.record("talk", name="a/b")
            case Ended(channel=channel) if channel == self._caller:
                await self.switch.hang_up("agent")
                await self.switch.close_bridge("talk")


async def _one_call(recording_dir: Path) -> Simulation:
    with clock.hold(START):
        sim = Simulation.virtual(recording_dir=recording_dir)
        desk = Desk(sim.switch)
        running = asyncio.create_task(sim.switch.run(desk))
        await sim.advance(0)
        await sim.switch.put_endpoint("desk", password="x")
        await sim.advance(10)
        caller = sim.arrive("+15551000", ANI)
        await sim.advance(1_500)
        sim.agent_answers("desk")
        await sim.advance(2_000)
        sim.far_end_hangs_up(caller)
        await sim.advance(100)
        await sim.switch.close()
        await running
        return sim


def test_a_call_reads_as_a_table(tmp_path: Path) -> None:
    sim = asyncio.run(_one_call(tmp_path))
    expected = """
           0 > Connected boot_id=boot-1 channels=0
           0 < put_endpoint desk
           1 > EndpointChanged endpoint=desk online=True
          10 > Arrived in-1 dnis=+15551000 ani=+447700900123 trunk=trunk-1
          10 < answer in-1
          10 < play in-1 playback-1 digits:12
        1210 > PlaybackFinished in-1 playback-1 ok=True
        1210 < hold_music in-1 on
        1210 < ring out-1 desk caller=+447700900123 timeout_s=25
        1230 > AgentRinging out-1
        1510 > AgentAnswered out-1
        1510 < hold_music in-1 off
        1510 < bridge bridge-1
        1510 < join bridge-1 in-1 out-1
        1510 < record bridge-1 recording-1
        3510 > Ended in-1 cause=16
        3510 < hang_up out-1 cause=16
        3510 < close_bridge bridge-1
        3510 > RecordingDone recording-1 seconds=2.0 ok=True
        3511 > Ended out-1 cause=16
        3610 > Disconnected reason=closed
    """
    assert textwrap.dedent(str(sim.transcript)) == textwrap.dedent(expected).strip("\n").rstrip()


def test_same_story_always_gives_the_same_table(tmp_path: Path) -> None:
    first = asyncio.run(_one_call(tmp_path / "one"))
    second = asyncio.run(_one_call(tmp_path / "two"))
    assert str(first.transcript) == str(second.transcript)


def test_nothing_happens_while_time_stands_still(tmp_path: Path) -> None:
    async def story() -> None:
        with clock.hold(START):
            sim = Simulation.virtual(recording_dir=tmp_path)
            heard: list[Event] = []
            running = asyncio.create_task(sim.switch.run(heard.append))
            await sim.advance(0)
            sim.registers("desk")
            await sim.switch.ring("agent", "desk", caller=ANI, timeout_s=5)
            await asyncio.sleep(0.05)
            assert not [e for e in heard if isinstance(e, AgentRinging | Ended)]
            await sim.advance(4_999)
            assert [type(e) for e in heard[2:]] == [AgentRinging]
            await sim.advance(1)
            ended = heard[-1]
            assert isinstance(ended, Ended)
            assert (ended.cause, ended.at) == (19, START + dt.timedelta(seconds=5))
            await sim.switch.close()
            await running

    asyncio.run(story())


def test_alarms_of_one_instant_go_off_in_their_order_with_reactions_between(tmp_path: Path) -> None:
    async def story() -> None:
        with clock.hold(START):
            sim = Simulation.virtual(recording_dir=tmp_path)
            running = asyncio.create_task(sim.switch.run(lambda _: None))
            await sim.advance(0)
            for name in ("desk-1", "desk-2", "desk-3"):
                sim.registers(name)
                await sim.switch.ring(f"to-{name}", name, caller=ANI)
            await sim.advance(20)
            rings = [e.text for e in sim.transcript.entries if e.text.startswith("AgentRinging")]
            assert rings == ["AgentRinging out-1", "AgentRinging out-2", "AgentRinging out-3"]
            await sim.switch.close()
            await running

    asyncio.run(story())


def test_call_while_the_application_is_away_is_refused_and_untold(tmp_path: Path) -> None:
    async def story() -> None:
        with clock.hold(START):
            sim = Simulation.virtual(recording_dir=tmp_path)
            heard: list[Event] = []
            running = asyncio.create_task(sim.switch.run(heard.append))
            await sim.advance(0)
            sim.drop_connection(for_ms=500)
            caller = sim.arrive("+15551000", ANI)
            assert sim.answered_with(caller) == 503
            await sim.advance(500)
            assert [type(e) for e in heard] == [Connected, Disconnected, Connected]
            await sim.switch.close()
            await running

    asyncio.run(story())


def test_phone_that_goes_away_while_it_rings_ends_its_call(tmp_path: Path) -> None:
    async def story() -> None:
        with clock.hold(START):
            sim = Simulation.virtual(recording_dir=tmp_path)
            heard: list[Event] = []
            running = asyncio.create_task(sim.switch.run(heard.append))
            await sim.advance(0)
            sim.registers("desk")
            await sim.switch.ring("agent", "desk", caller=ANI)
            await sim.advance(100)
            sim.goes_away("desk")
            await sim.advance(0)
            assert isinstance(heard[-2], Ended)
            assert isinstance(heard[-1], EndpointChanged)
            assert await sim.switch.online("desk") is False
            with pytest.raises(LookupError):
                sim.agent_answers("desk")
            await sim.switch.close()
            await running

    asyncio.run(story())


async def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    message = "it did not become true"
    raise AssertionError(message)


def test_in_real_time_a_call_runs_by_itself_and_leaves_a_recording(tmp_path: Path) -> None:
    async def story() -> list[Event]:
        sim = Simulation.real_time(recording_dir=tmp_path)
        desk = Desk(sim.switch)
        running = asyncio.create_task(sim.switch.run(desk))
        await asyncio.sleep(0)
        await sim.switch.put_endpoint("desk", password="x")
        caller = sim.arrive("+15551000", ANI)
        await _until(lambda: sim.ringing("desk") is not None)
        sim.agent_answers("desk")
        await asyncio.sleep(0.5)
        sim.far_end_hangs_up(caller)
        await _until(lambda: any(isinstance(e, RecordingDone) for e in desk.events))
        await sim.switch.close()
        await running
        return desk.events

    events = asyncio.run(story())
    assert any(isinstance(e, AgentRinging) for e in events)
    with wave.open(str(tmp_path / "a/b.wav")) as file:
        assert 0.3 < file.getnframes() / file.getframerate() < 2
        assert any(file.readframes(100))
