"""The two stages: a real Asterisk with SIP phones, and the simulator on virtual time."""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator
from pathlib import Path

from core import clock
from launch.parts.asterisk import Asterisk
from launch.parts.part import Running, start_and_wait
from telephony.switch.ari import AriSwitch
from telephony.switch.port import Connected, Event, Switch
from telephony.switch.simulator import Simulation
from telephony.switch.simulator.public import Pace
from tests.phones import tones
from tests.phones.public import Public, open_public
from tests.phones.sip import Phone, open_phone
from tests.telephony.switch.stage import ANI, DESK, DNIS, Caller, Ear, Stage, told

TRUNK_ADDRESS = "127.0.0.2"
DESK_ADDRESS = "127.0.0.5"
BROWSER_ADDRESS = "127.0.0.6"
DESK_PASSWORD = "desk-password"
CALLER_HZ, AGENT_HZ = 440, 660

# A plain SIP phone for tests: what an agent's browser is in the product, without DTLS.
DESK_CONF = f"""
[{DESK}]
type = endpoint
transport = udp
context = from-agent
disallow = all
allow = ulaw
auth = {DESK}
aors = {DESK}
direct_media = no
rtp_timeout = 30
[{DESK}]
type = auth
auth_type = userpass
username = {DESK}
password = {DESK_PASSWORD}
[{DESK}]
type = aor
max_contacts = 1
remove_existing = yes
"""

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


# --- Asterisk ------------------------------------------------------------------------------------


class SipCaller:
    """See `Caller`."""

    def __init__(self, phone: Phone, number: str) -> None:
        self.phone = phone
        self._call = asyncio.create_task(phone.call(number))

    async def result(self) -> int:
        return await self._call

    async def press(self, keys: str) -> None:
        self.phone.press(keys)

    async def hang_up(self) -> None:
        if self._call.done():
            await self.phone.hang_up()
        else:
            await self.phone.cancel()
            await self._call


class RealStage:
    """See `Stage`."""

    is_real = True

    def __init__(
        self, running: Running[Asterisk], ear: Ear, switch: AriSwitch, stack: contextlib.AsyncExitStack
    ) -> None:
        self.running = running
        self.ari = switch
        self.switch: Switch = switch
        self.heard: list[Event] = ear.events
        self.recording_dir = running.part.recording_dir
        self.server = ("127.0.0.1", running.part.ports.sip)
        self.desk_phone: Phone | None = None
        self.far_end: Public | None = None
        self.pace = Pace(rings_ms=300, talks_ms=60_000, hangs_up_ms=1_000)
        self._stack = stack

    async def phone(self, address: str, user: str, **options: object) -> Phone:
        opened = open_phone(address, user, server=self.server, **options)  # type: ignore[arg-type] # passed on
        return await self._stack.enter_async_context(opened)

    async def arrive(self, dnis: str = DNIS, ani: str = ANI) -> SipCaller:
        return SipCaller(await self.phone(TRUNK_ADDRESS, ani, tone_hz=CALLER_HZ), dnis)

    async def desk(self, *, refuses_with: int | None = None) -> None:
        self.desk_phone = await self.phone(
            DESK_ADDRESS,
            DESK,
            password=DESK_PASSWORD,
            tone_hz=AGENT_HZ,
            answers_after_s=None,
            refuses_with=refuses_with,
        )
        assert await self.desk_phone.register() == 200

    async def desk_answers(self) -> None:
        assert self.desk_phone is not None
        async with asyncio.timeout(15):
            await self.desk_phone.invited.wait()
        self.desk_phone.pick_up()

    async def desk_hangs_up(self) -> None:
        assert self.desk_phone is not None
        await self.desk_phone.hang_up()

    async def desk_falls_silent(self) -> None:
        assert self.desk_phone is not None
        self.desk_phone.media.stop()

    async def desk_dials(self, digits: str) -> SipCaller:
        assert self.desk_phone is not None
        return SipCaller(self.desk_phone, digits)

    async def phone_registers(self, endpoint: str, *, password: str) -> int:
        phone = await self.phone(BROWSER_ADDRESS, endpoint, password=password)
        return await phone.register()

    async def public(self, *, login: tuple[str, str] | None = None) -> None:
        port = int((self.running.part.carrier or "").partition(":")[2])
        opened = open_public(port=port, pace=self.pace, login=login)
        self.far_end = await self._stack.enter_async_context(opened)

    async def drop_connection(self) -> None:
        assert self.ari._line is not None
        await self.ari._line.close()

    async def restart(self) -> None:
        self.running.stop()
        self.running.process = start_and_wait(self.running.part, log=self.running.log)

    async def pause(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


@contextlib.asynccontextmanager
async def real_stage(running: Running[Asterisk]) -> AsyncIterator[Stage]:
    ear, switch = Ear(), AriSwitch.at(running.url)
    task = asyncio.create_task(switch.run(ear))
    async with contextlib.AsyncExitStack() as stack:
        stage = RealStage(running, ear, switch, stack)
        first = await told(stage, Connected)
        for channel in first.channels:  # of a test that failed half-way
            await switch.hang_up(channel.channel)
        try:
            yield stage
        finally:
            with contextlib.suppress(Exception):  # what ends here ends unheard by the next test
                while channels := await switch.live_channels():
                    for channel in channels:
                        await switch.hang_up(channel.channel)
                    await stage.pause(20)
            await switch.close()
            await asyncio.wait_for(task, 5)


async def hears(phone: Phone, *tones_hz: float, within_s: float = 20.0) -> None:
    """Wait until each of these tones has been heard for 0.8 of one second, from now on."""
    began = time.monotonic()
    while True:
        heard = phone.heard(since=max(began, time.monotonic() - 1.05))
        if all(tones.seconds(heard, hz) >= 0.8 for hz in tones_hz):
            return
        assert time.monotonic() < began + within_s, f"not heard: {tones_hz} Hz"
        await asyncio.sleep(0.05)


# --- simulator -----------------------------------------------------------------------------------


class SimulatedCaller:
    """See `Caller`."""

    def __init__(self, stage: "SimulatedStage", channel: str) -> None:
        self._stage, self._sim, self.channel = stage, stage.sim, channel

    async def result(self) -> int:
        for _ in range(1000):
            if (code := self._sim.answered_with(self.channel)) is not None:
                return code
            await self._stage.pause(10)
        message = "the call got no answer"
        raise AssertionError(message)

    async def press(self, keys: str) -> None:
        self._sim.presses(self.channel, keys)

    async def hang_up(self) -> None:
        self._sim.far_end_hangs_up(self.channel)


class SimulatedStage:
    """See `Stage`."""

    is_real = False

    def __init__(self, sim: Simulation, ear: Ear, recording_dir: Path) -> None:
        self.sim = sim
        self.switch: Switch = sim.switch
        self.heard: list[Event] = ear.events
        self.recording_dir = recording_dir
        self._refuses = False
        self._passwords: dict[str, str] = {}

    async def arrive(self, dnis: str = DNIS, ani: str = ANI) -> Caller:
        return SimulatedCaller(self, self.sim.arrive(dnis, ani))

    async def desk(self, *, refuses_with: int | None = None) -> None:
        self._refuses = refuses_with is not None
        self.sim.registers(DESK)

    async def desk_answers(self) -> None:
        while self.sim.ringing(DESK) is None:
            await self.pause(10)
        self.sim.agent_answers(DESK)

    async def desk_hangs_up(self) -> None:
        for channel in await self.switch.live_channels():
            if channel.endpoint == DESK:
                self.sim.far_end_hangs_up(channel.channel)

    async def desk_falls_silent(self) -> None:
        self.sim.line_lapses(DESK, is_silent=True)

    async def desk_dials(self, digits: str) -> Caller:
        return SimulatedCaller(self, self.sim.agent_dials(DESK, digits))

    async def phone_registers(self, endpoint: str, *, password: str) -> int:
        del password
        if endpoint not in self.sim.switch.endpoints:
            return 401
        self.sim.registers(endpoint)
        return 200

    async def public(self) -> None:
        """It is there already."""

    async def drop_connection(self) -> None:
        self.sim.drop_connection(for_ms=200)

    async def restart(self) -> None:
        self.sim.restart()

    async def pause(self, ms: int) -> None:
        if self._refuses and self.sim.ringing(DESK):
            self.sim.agent_refuses(DESK)
        await self.sim.advance(ms)


@contextlib.asynccontextmanager
async def simulated_stage(recording_dir: Path) -> AsyncIterator[Stage]:
    with clock.hold(START):
        ear = Ear()
        sim = Simulation.virtual(recording_dir=recording_dir, phones_register=False)
        task = asyncio.create_task(sim.switch.run(ear))
        await sim.advance(0)
        yield SimulatedStage(sim, ear, recording_dir)
        await sim.switch.close()
        await task
