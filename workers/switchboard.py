"""The switchboard: one asyncio process per switch. `python -m workers.switchboard`.

Wires the conductor to its switch and keeps its pulse: orders (woken by pub/sub, looked for every second as
well), heartbeats every ten seconds, and what the live pages show of queues and agents. On SIGTERM it lets
go: calls stay on the switch, and the next start takes them over.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from core import log
from core.config import Settings
from core.realtime import Realtime
from security.egress import Egress
from telephony.admission import Bounds
from telephony.conductor import pulse
from telephony.conductor.admitting import UNBOUNDED
from telephony.conductor.books import Books, is_outage
from telephony.conductor.conductor import Conductor
from telephony.conductor.directory import speaker
from telephony.conductor.flow_runner import Ask
from telephony.conductor.spool import Spool
from telephony.flows import sounds
from telephony.flows.interpreter import PATIENCE
from telephony.switch.ari import AriSwitch
from telephony.switch.port import Switch
from telephony.switch.simulator import Simulation
from wiring import House, assemble
from workers.keeper import keep
from workers.waking import Waking

# how long a thread that writes books may keep the interpreter from the loop, which has calls waiting
SWITCH_S = 0.0005
ORDERS_S, HEARTBEAT_S, PULSE_S, RELOAD_S, WIDEN_S = 1.0, 10.0, 1.0, 30.0, 1.0
_log = log.get(__name__)


def switch_for(settings: Settings) -> Switch:
    """Return the driver of the switch the settings name."""
    if settings.is_simulated:
        return Simulation.real_time(recording_dir=settings.recording_dir).switch
    return AriSwitch.at(settings.switch_url)


def good_for(cores: int) -> Bounds:
    """Return how many calls a switch on this machine takes until the operator has set it.

    Measured on two cores: a hundred recorded calls at once; 40 calls a second with room for their media.
    """
    return Bounds(at_once=50 * cores, per_second=20 * cores)


def ask_programs(settings: Settings) -> Ask:
    """Return the way a flow asks a company's program: guarded, two seconds, four kilobytes."""
    egress = Egress(may_reach=settings.webhooks_may_reach, limit_s=PATIENCE.total_seconds() - 0.1, keep=4096)
    headers = {"Content-Type": "application/json", "User-Agent": "Seatline"}
    return lambda url, body: egress.post(url, body, headers)


async def serve(house: House, switch: Switch, *, known_as: int) -> None:
    """Conduct calls until told to stop; `known_as`: the pid that whoever started us waits for."""
    sys.setswitchinterval(SWITCH_S)
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    settings = house.settings
    books = Books(house.gate)
    spool = Spool(settings.spool_dir, house.vault)
    sounds.clear(settings.sounds_dir)
    conductor = Conductor(
        switch=switch,
        gate=house.gate,
        vault=house.vault,
        realtime=house.realtime,
        books=books,
        spool=spool,
        speak=speaker(settings.sounds_dir),
        sounds=settings.sounds_dir,
        ask=ask_programs(settings),
        usual=UNBOUNDED if settings.is_simulated else good_for(os.cpu_count() or 1),
    )
    await _until_it_works(conductor.recover)
    await asyncio.to_thread(house.gate.warm)
    woken = asyncio.Event()
    waking = Waking(Realtime(settings.redis_url), asyncio.get_running_loop(), woken)
    loops = [
        asyncio.create_task(one)
        for one in (
            switch.run(conductor.on_event),
            _orders(conductor, woken),
            _every(HEARTBEAT_S, conductor.heartbeat),
            _every(WIDEN_S, conductor.widen),
            _every(PULSE_S, pulse.Pulse(conductor, house.realtime).beat),
        )
    ]
    # what is loaded now stays: a collection that walks it all would stop every call for tens of milliseconds
    gc.collect()
    gc.freeze()
    ready = settings.state_dir / "ready" / "switchboard"
    _mark(ready, known_as)
    stopping = asyncio.create_task(stop.wait())
    finished, _ = await asyncio.wait([stopping, *loops], return_when=asyncio.FIRST_COMPLETED)
    ready.unlink(missing_ok=True)
    waking.end()
    await switch.close()
    for task in (stopping, *loops):
        task.cancel()
    await asyncio.gather(*loops, stopping, return_exceptions=True)
    await asyncio.to_thread(books.close, timeout_s=3)
    spool.close()
    await asyncio.to_thread(waking.join)
    for task in finished:
        if task is not stopping and (error := task.exception()):
            raise error


async def _orders(conductor: Conductor, woken: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(woken.wait(), ORDERS_S)
        woken.clear()
        try:
            while await conductor.carry_out_orders():
                pass
        except Exception as error:
            if not is_outage(error):
                raise
            _log.info("orders-wait", error=type(error).__name__)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)


async def _until_it_works(work: Callable[[], Awaitable[None]]) -> None:
    """Try until the database answers: the switchboard may start before it."""
    while True:
        try:
            await work()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.info("waiting-for-the-database", error=type(error).__name__)
            await asyncio.sleep(0.5)
        else:
            return


def _mark(ready: Path, known_as: int) -> None:
    ready.parent.mkdir(parents=True, exist_ok=True)
    ready.write_text(f"{known_as}\n", encoding="ascii")


def main() -> None:
    """Run until SIGTERM; see `workers.keeper`."""
    log.configure("switchboard")
    sys.exit(keep(conduct))


def conduct() -> None:
    """Be the process that conducts, with everything it opens."""
    house = assemble(process="switchboard").hear()
    try:
        asyncio.run(serve(house, switch_for(house.settings), known_as=os.getppid()))
    finally:
        house.close()


if __name__ == "__main__":
    main()
