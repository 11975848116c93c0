"""T15: a look-up that is cut off in the middle of its reply; who borrows the connection next reads their own.

The reply of the first was left in the pool, and the next one got it: ChatGPT, 20 March 2023.
"""

import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import pytest
import redis
from sqlalchemy import text

from core.ids import TenantId
from core.realtime import Realtime, key
from launch.parts.part import Running
from launch.parts.valkey import Valkey
from security.gate import Gate, Scope
from wiring.prepare import DatabaseUrls

CUT_AFTER_S = 0.15


class CutOffError(BaseException):
    """Somebody's time is up: no library of ours knows this one, so none can clean up after it by name."""


@pytest.fixture
def cut_off() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Let something begin, and raise right into it while it waits for its reply."""

    def out(_number: int, _frame: FrameType | None) -> NoReturn:
        raise CutOffError

    def cut(act: Callable[[], object]) -> None:
        signal.setitimer(signal.ITIMER_REAL, CUT_AFTER_S)
        with pytest.raises(CutOffError):
            act()

    before = signal.signal(signal.SIGALRM, out)
    yield cut
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_reply_of_valkey_that_nobody_waits_for_reaches_nobody(
    realtime: Realtime,
    valkey: Running[Valkey],
    tenant_a: TenantId,
    tenant_b: TenantId,
    cut_off: Callable[[Callable[[], object]], None],
) -> None:
    theirs, mine = key(tenant_a, "late", "reply"), key(tenant_b, "own", "value")
    realtime.redis.set(mine, "mine")
    before = realtime.redis.client_id()
    cut_off(lambda: realtime.redis.blpop([theirs], timeout=4))
    with redis.Redis.from_url(valkey.url) as other:
        other.rpush(theirs, "not yours")  # what the first one waited for
    assert realtime.redis.client_id() != before, "the connection was given up"
    assert [realtime.redis.get(mine) for _ in range(3)] == [b"mine"] * 3


def test_rows_of_a_look_up_that_was_cut_off_reach_no_other_company(
    database: DatabaseUrls,
    gate: Gate,
    tenant_a: TenantId,
    tenant_b: TenantId,
    cut_off: Callable[[Callable[[], object]], None],
) -> None:
    narrow = Gate(database.app, context_key=gate._key, pool_size=1)
    who = text("SELECT sec.tenant()")

    def slow() -> None:
        with narrow.open(Scope.system(tenant_a)) as session:
            session.execute(text("SELECT sec.tenant(), pg_sleep(20)"))

    try:
        for _ in range(3):
            cut_off(slow)
            for tenant_id in (tenant_b, tenant_a, tenant_b):
                with narrow.open(Scope.system(tenant_id)) as session:
                    assert session.execute(who).scalar_one() == tenant_id
    finally:
        narrow.close()
