"""Throttles: how often something may be tried, counted in Redis over fixed windows.

Counters are keyed by an HMAC of their subject, so neither an address nor a sign-in name stands in Redis.
When Redis is away nothing can be counted and the caller gets the error: what is throttled fails closed.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import redis

from core.errors import SeatlineError
from core.realtime import key


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in so many seconds."""

    name: str
    most: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subject stands under a limit."""

    limit: int
    used: int
    reset_s: int

    @property
    def is_over(self) -> bool:
        """Whether the last hit was one too many."""
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        """How many more the window allows."""
        return max(0, self.limit - self.used)


class TooManyError(SeatlineError):
    """A limit is used up; `details["retry_after_s"]` says when it opens again."""

    code = "too-many-requests"
    kind = "too-many"


class Throttle:
    """Counts hits per limit and subject."""

    def __init__(self, connection: redis.Redis, *, secret: str) -> None:
        self._redis = connection
        self._secret = secret.encode()

    def hit(self, limit: Limit, *, tenant_id: UUID, subject: str) -> Standing:
        """Count one more, and return where that leaves the subject.

        Raises:
            redis.RedisError: nothing can be counted.
        """
        name, reset_s = self._name(limit, tenant_id, subject)
        pipe = self._redis.pipeline()
        pipe.incr(name)
        pipe.expire(name, limit.window_s + 1)
        used = cast("int", pipe.execute()[0])
        return Standing(limit.most, used, reset_s)

    def insist(self, limit: Limit, *, tenant_id: UUID, subject: str) -> Standing:
        """Count one more.

        Raises:
            TooManyError: that was one too many.
            redis.RedisError: nothing can be counted.
        """
        standing = self.hit(limit, tenant_id=tenant_id, subject=subject)
        if standing.is_over:
            raise TooManyError(retry_after_s=standing.reset_s)
        return standing

    def forgive(self, limit: Limit, *, tenant_id: UUID, subject: str) -> None:
        """Take one hit back: it turned out well."""
        name, _ = self._name(limit, tenant_id, subject)
        self._redis.decr(name)

    def _name(self, limit: Limit, tenant_id: UUID, subject: str) -> tuple[str, int]:
        now = int(time.time())
        window = now // limit.window_s
        digest = hmac.new(self._secret, f"{limit.name}/{subject}".encode(), hashlib.sha256).hexdigest()[:32]
        return key(tenant_id, "throttle", f"{limit.name}:{digest}:{window}"), (
            window + 1
        ) * limit.window_s - now
