"""The world around a simulated switch: callers, agents' phones, and lines that break.

    with clock.hold(start):
        sim = Simulation.virtual(recording_dir=tmp_path)
        running = asyncio.create_task(switchboard.run(sim.switch))
        caller = sim.arrive("+15551000", "+447700900123")
        await sim.advance(2_000)
        sim.agent_answers("desk")
        await sim.advance(60_000)
        sim.far_end_hangs_up(caller)
        assert sim.transcript.commands() == [...]

The same seedless rules always give the same transcript: nothing is random.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from telephony.switch.port import Cause
from telephony.switch.simulator.switch import SimulatedSwitch
from telephony.switch.simulator.timeline import RealTime, VirtualTime
from telephony.switch.simulator.transcript import Transcript


class Simulation:
    """Callers and phones; make it with `virtual` or `real_time`.

    Attributes:
        switch: the port, for whoever is to be driven.
        transcript: events and commands so far.
    """

    def __init__(self, switch: SimulatedSwitch, *, time: VirtualTime | None) -> None:
        self.switch = switch
        self._time = time

    @classmethod
    def virtual(
        cls,
        *,
        recording_dir: Path,
        settle: Callable[[], Awaitable[None]] | None = None,
        phones_register: bool = True,
    ) -> "Simulation":
        """Return a world on virtual time; `core.clock` must be held.

        Args:
            recording_dir: where recordings appear.
            settle: see `VirtualTime`.
            phones_register: a phone that was put registers at once, as a browser would.
        """
        time = VirtualTime(settle)
        switch = SimulatedSwitch(time, recording_dir=recording_dir, phones_register=phones_register)
        return cls(switch, time=time)

    @classmethod
    def real_time(cls, *, recording_dir: Path) -> "Simulation":
        """Return a world in real time: the stand-in where no Asterisk can be had.

        Nobody hears anything: phones register by themselves, agents answer by `agent_answers`, and
        a recording is two tones of the right length.
        """
        switch = SimulatedSwitch(RealTime(), recording_dir=recording_dir, phones_register=True)
        return cls(switch, time=None)

    @property
    def transcript(self) -> Transcript:
        """Events out of the switch and commands into it, as a table."""
        return self.switch.transcript

    async def advance(self, ms: int) -> None:
        """Let virtual time pass."""
        if self._time is None:
            message = "real time cannot be moved"
            raise RuntimeError(message)
        await self._time.advance(ms)

    # --- callers

    def arrive(self, dnis: str, ani: str, *, trunk: str = "trunk-1") -> str:
        """Let somebody call; return the channel. Unheard while the application is away (503)."""
        return self.switch.let_arrive(dnis, ani, trunk=trunk)

    def presses(self, channel: str, keys: str) -> None:
        """Let somebody press keys."""
        self.switch.let_press(channel, keys)

    def far_end_hangs_up(self, channel: str) -> None:
        """Let a caller or an agent hang up, or a caller give up."""
        self.switch.let_end(channel, cause=Cause.NORMAL)

    def answered_with(self, channel: str) -> int | None:
        """Return the final SIP code a caller got (200 when answered), None while it is open."""
        return self.switch.outcomes.get(channel)

    # --- agents' phones

    def registers(self, endpoint: str) -> None:
        """Let a phone register that was not put by `put_endpoint` or went away."""
        self.switch.let_register(endpoint, online=True)

    def goes_away(self, endpoint: str) -> None:
        """Let a phone vanish: browser closed, network lost. What it was in ends with it."""
        self.switch.let_register(endpoint, online=False)

    def line_lapses(self, endpoint: str, *, is_silent: bool = False) -> None:
        """Let a phone's registration end and its call stay, with its voice or silent as a dead browser."""
        self.switch.let_line_lapse(endpoint, is_silent=is_silent)

    def ringing(self, endpoint: str) -> str | None:
        """Return the channel that rings this phone."""
        return self.switch.ringing_at(endpoint)

    def agent_answers(self, endpoint: str) -> str:
        """Let the agent pick up; return the channel.

        Raises:
            LookupError: nothing rings there.
        """
        return self.switch.let_answer(endpoint)

    def agent_refuses(self, endpoint: str, *, cause: int = Cause.BUSY) -> None:
        """Let the agent refuse the call that rings."""
        channel = self.switch.ringing_at(endpoint)
        if channel is None:
            raise LookupError(endpoint)
        self.switch.let_end(channel, cause=cause)

    def agent_dials(self, endpoint: str, digits: str) -> str:
        """Let an agent's phone ask to dial; return the channel."""
        return self.switch.let_dial(endpoint, digits)

    # --- faults

    def drop_connection(self, *, for_ms: int | None = None) -> None:
        """Break the line to the application; calls go on. Without `for_ms` until `reconnect`."""
        self.switch.let_line_break(for_ms=for_ms)

    def reconnect(self) -> None:
        """Mend the line."""
        self.switch.let_line_mend()

    def restart(self, *, takes_ms: int = 1_000) -> None:
        """Kill the switch and start it anew: calls, bridges and phones are gone."""
        self.switch.let_restart(takes_ms=takes_ms)
