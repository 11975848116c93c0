"""A real Asterisk for this worker, and `perform`: run a scene on one of the two stages."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from launch import network
from launch.parts import start_asterisk
from launch.parts.asterisk import Asterisk
from launch.parts.part import Running
from tests.phones import public
from tests.telephony.switch.stage import Stage
from tests.telephony.switch.stages import DESK_CONF, RealStage, real_stage, simulated_stage

Scene = Callable[[Stage], Awaitable[None]]
RealScene = Callable[[RealStage], Awaitable[None]]


@pytest.fixture(scope="session")
def asterisk(home: Path) -> Iterator[Running[Asterisk]]:
    carrier = f"{public.ADDRESS}:{network.any_free(protocol='udp')}"
    running = start_asterisk(home / "switch-tests", carrier=carrier, extra={"pjsip.conf": DESK_CONF})
    yield running
    running.stop()


@pytest.fixture(params=["simulator", pytest.param("asterisk", marks=pytest.mark.switch)])
def perform(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    """Run a scene on the stage this test is parametrised with."""
    running = request.getfixturevalue("asterisk") if request.param == "asterisk" else None

    def run(scene: Scene) -> None:
        async def all_of_it() -> None:
            opened = real_stage(running) if running else simulated_stage(tmp_path)
            async with opened as stage:
                await scene(stage)

        asyncio.run(all_of_it())

    return run


@pytest.fixture
def perform_real(asterisk: Running[Asterisk]) -> Callable[[RealScene], None]:
    """Run a scene that only a real switch can play."""

    def run(scene: RealScene) -> None:
        async def all_of_it() -> None:
            async with contextlib.AsyncExitStack() as stack:
                stage = await stack.enter_async_context(real_stage(asterisk))
                assert isinstance(stage, RealStage)
                await scene(stage)

        asyncio.run(all_of_it())

    return run
