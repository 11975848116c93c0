"""The thread that wakes the switchboard: it hears orders, and ends without a word."""

import asyncio
import threading

import pytest

from core.ids import OPERATOR
from core.realtime import Realtime
from launch.parts.part import Running
from launch.parts.valkey import Valkey
from telephony.orders import WAKE_UP
from workers.waking import Waking


@pytest.fixture
def cries(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    """What threads have died of."""
    heard: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    return heard


def test_an_order_wakes_and_the_end_is_quiet(
    realtime: Realtime, valkey: Running[Valkey], cries: list[threading.ExceptHookArgs]
) -> None:
    async def play() -> bool:
        woken = asyncio.Event()
        waking = Waking(Realtime(valkey.url), asyncio.get_running_loop(), woken)
        async with asyncio.timeout(20):
            while not woken.is_set():  # it may not have begun to listen yet
                realtime.publish(OPERATOR, WAKE_UP, {})
                await asyncio.sleep(0.05)
        waking.end()
        realtime.redis.close()  # as the house does at the end
        return await asyncio.to_thread(waking.join, within_s=20)

    assert asyncio.run(play())
    assert cries == []


def test_without_redis_it_ends_as_quickly(cries: list[threading.ExceptHookArgs]) -> None:
    async def play() -> bool:
        waking = Waking(Realtime("redis://127.0.0.1:1"), asyncio.get_running_loop(), asyncio.Event())
        waking.end()
        return await asyncio.to_thread(waking.join, within_s=20)

    assert asyncio.run(play())
    assert cries == []
