"""Counting refusals: kinds and companies alone, none lost while Redis is away, and never an error."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis

from core import clock
from core.ids import OPERATOR
from core.realtime import Realtime
from security.refusals import HOUR, KINDS, NOBODY, Refusals, counted, hour_of

NOW = dt.datetime(2026, 11, 23, 10, 59, 30, tzinfo=dt.UTC)
THEIRS = UUID("01940000-0000-7000-8000-000000000abc")


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def said(realtime: Realtime, hour: dt.datetime = NOW) -> dict[tuple[str, UUID], int]:
    return {(one.kind, one.company_id): one.times for one in counted(realtime.redis, hour=hour_of(hour))}


def test_kind_company_and_hour_are_all_that_is_kept(realtime: Realtime) -> None:
    counter = Refusals(realtime.redis)
    for _ in range(3):
        counter.count("sign-in", company_id=THEIRS)
    counter.count("sign-in")
    assert said(realtime) == {("sign-in", THEIRS): 3, ("sign-in", NOBODY): 1}
    (key,) = realtime.redis.keys("*refusals*")
    assert key == f"seatline:t:{OPERATOR}:refusals:2026-11-23T10".encode()
    assert set(realtime.redis.hgetall(key)) == {
        f"sign-in/{THEIRS.hex}".encode(),
        f"sign-in/{NOBODY.hex}".encode(),
    }
    assert 0 < realtime.redis.ttl(key) <= 3 * 3600


def test_an_hour_begins_anew(realtime: Realtime) -> None:
    counter = Refusals(realtime.redis)
    counter.count("looks", company_id=THEIRS)
    clock.advance(dt.timedelta(minutes=1))
    counter.count("looks", company_id=THEIRS)
    assert said(realtime) == said(realtime, NOW + HOUR) == {("looks", THEIRS): 1}


def test_however_many_try_there_are_no_more_counters_than_kinds(realtime: Realtime) -> None:
    counter = Refusals(realtime.redis)
    for number in range(500):
        counter.count(f"made-up-{number}", company_id=THEIRS)
        counter.count(sorted(KINDS)[number % len(KINDS)])
    (key,) = realtime.redis.keys("*refusals*")
    assert len(realtime.redis.hgetall(key)) == len(KINDS)


def test_what_somebody_else_wrote_into_redis_is_left_out(realtime: Realtime) -> None:
    Refusals(realtime.redis).count("rate")
    (key,) = realtime.redis.keys("*refusals*")
    theirs = THEIRS.hex
    odd = {b"sign-in": b"4", b"sign-in/xyz": b"4", f"planted/{theirs}".encode(): b"4", b"\xff\xfe": b"9"}
    odd |= {f"rate/{theirs}".encode(): b"-4", f"looks/{theirs}".encode(): b"many"}
    realtime.redis.hset(key, mapping=odd)  # type: ignore[arg-type] # a dictionary's type is exact
    assert said(realtime) == {("rate", NOBODY): 1}


def test_threads_lose_none(realtime: Realtime) -> None:
    counter = Refusals(realtime.redis)

    def count() -> None:
        for _ in range(100):
            counter.count("not-there")

    each = [threading.Thread(target=count) for _ in range(8)]
    for one in each:
        one.start()
    for one in each:
        one.join()
    assert said(realtime) == {("not-there", NOBODY): 800}


class Away(redis.Redis):
    """A Redis that can be taken away; `asked` says how often somebody tried."""

    is_away = True
    asked = 0

    def pipeline(self, transaction: bool = True, shard_hint: object = None) -> redis.client.Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        self.asked += 1
        if self.is_away:
            raise redis.ConnectionError
        return super().pipeline(transaction, shard_hint)


@pytest.fixture
def away(realtime: Realtime) -> Away:
    return Away(connection_pool=realtime.redis.connection_pool)


def test_while_redis_is_away_nothing_fails_waits_or_is_lost(
    realtime: Realtime, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    counter = Refusals(away)
    for _ in range(1000):
        counter.count("sign-in", company_id=THEIRS)
    assert away.asked == 1  # and not again for a while: no refusal waits for it
    assert said(realtime) == {}
    away.is_away = False
    at[0] += 60
    counter.count("sign-in", company_id=THEIRS)
    assert said(realtime) == {("sign-in", THEIRS): 1001}


def test_a_redis_that_stays_away_fills_no_memory(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    counter = Refusals(away)
    for _ in range(48):
        counter.count("sign-in")
        clock.advance(HOUR)
        at[0] += 3600
    assert len(counter._owed) <= 3
