"""A job class that believes nothing Redis says.

Whoever can write to Redis must not be able to run code here: no function, callback, webhook, dependent
or exception text comes from Redis, and nothing large is read. Written against RQ 2.12.0; the attacks
stand in tests/workers/test_guard.py and must be repeated before another version is pinned.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from core import log
from core.errors import SeatlineError
from workers import queues
from workers.envelope import Envelopes, Order, OrderExpiredError, OrderRefusedError
from workers.queues import JobQueue

FUNCTION = "workers.entry.run"
FAILED_KEPT_S = 7 * 24 * 3600
_LARGEST_DATA = 4096
_PARTS = 4  # of a call as RQ writes it: function, instance, arguments, named arguments
_READ = (
    *("data", "origin", "status", "worker_name"),
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"),
)

logger = log.get(__name__)


class NotOursError(NoSuchJobError):
    """A job too large or too odd to be read; RQ passes over it as if it were not there."""


class SafeJob(Job):
    """A job of ours; `sealed_job_class` binds it to keys and to the function that runs orders."""

    envelopes: ClassVar[Envelopes]
    carry_out: ClassVar[Callable[[Order], None]]
    notice: ClassVar[Callable[[], None]]
    late: ClassVar[Callable[[], None]]

    # RQ would import and call whatever Redis names here, even for a job that is refused
    success_callback = property(lambda _self: None)
    failure_callback = property(lambda _self: None)
    stopped_callback = property(lambda _self: None)

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> "SafeJob":  # noqa: A002, ANN401 - RQ's signature
        """Return a job as Redis holds it; whatever cannot be one of ours is as if it were not there."""
        try:
            job = super().fetch(id, connection=connection, serializer=serializer)
        except (ValueError, TypeError, redis.ResponseError) as error:
            raise NotOursError from error
        assert isinstance(job, SafeJob)  # noqa: S101 - RQ names its own class
        return job

    @property
    def func(self) -> NoReturn:
        """Refuse: functions are never looked up by name."""
        raise OrderRefusedError

    def send_webhooks(self, *_args: object, **_kwargs: object) -> None:
        """Do nothing: an address from Redis is not called."""

    def refresh(self) -> None:
        """Read the job, unless it is larger than ours ever are."""
        if int(self.connection.hstrlen(self.key, "data")) > _LARGEST_DATA:
            type(self).notice()
            raise NotOursError
        values = self.connection.hmget(self.key, _READ)
        found = {name.encode(): value for name, value in zip(_READ, values, strict=True)}
        self.restore({name: value for name, value in found.items() if isinstance(value, bytes)})

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take the few fields we read from what Redis holds; limits come from the queue's own table."""
        raw = {name: value for name, value in raw_data.items() if name.decode("ascii", "replace") in _READ}
        data = raw.get(b"data", b"")
        queue = queues.consumed(raw.get(b"origin", b"").decode("ascii", "replace"))
        if queue is None or len(data) > _LARGEST_DATA:
            raise NotOursError
        try:
            raw[b"data"] = _inflated(data)
            super().restore(raw)
        except (ValueError, RecursionError, zlib.error) as error:
            type(self).notice()
            raise NotOursError from error
        self.timeout, self.result_ttl, self.failure_ttl = queue.limit_s, 0, FAILED_KEPT_S

    def order(self) -> Order:
        """Return what we once ordered.

        Raises:
            OrderRefusedError: it is not an order of ours for this job in this queue.
        """
        if self.func_name != FUNCTION or self.instance is not None or self.kwargs or len(self.args) != 1:
            raise OrderRefusedError
        return self.envelopes.open(self.args[0], queue=self.origin, job_id=self.id)

    def _execute(self) -> None:
        try:
            order = self.order()
        except OrderExpiredError:  # an outage is longer than a day now and then
            type(self).late()
            raise
        except OrderRefusedError:
            type(self).notice()
            raise
        type(self).carry_out(order)


def sealed_job_class(
    envelopes: Envelopes,
    *,
    carry_out: Callable[[Order], None],
    notice: Callable[[], None],
    late: Callable[[], None] | None = None,
) -> type[SafeJob]:
    """Return a job class that opens its orders with `envelopes` and gives them to `carry_out`.

    `notice` hears of each job that nobody of ours can have written, `late` of each that came too late.
    """
    bound = {
        "carry_out": staticmethod(carry_out),
        "notice": staticmethod(notice),
        "late": staticmethod(late or unnoticed),
    }
    return type("BoundJob", (SafeJob,), {"envelopes": envelopes, **bound})


def nothing(_order: Order) -> None:
    """Carry nothing out: for processes that only hand jobs over."""


def unnoticed() -> None:
    """Tell nobody: whoever does the jobs tells."""


def open_queue(queue: JobQueue, *, connection: Any, job_class: type[SafeJob]) -> Queue:  # noqa: ANN401 - redis.Redis is generic in its stubs only
    """Return RQ's view of one of our queues."""
    return Queue(
        queue.name,
        connection=connection,
        job_class=job_class,
        serializer=JSONSerializer,
        default_timeout=queue.limit_s,
    )


def hand_over(queue: Queue, order: Order, *, envelopes: Envelopes) -> None:
    """Put an order into its queue; everything Redis sees of it is the task's name and ciphertext."""
    settings = queues.consumed(order.queue)
    if settings is None:
        raise OrderRefusedError
    queue.enqueue_call(
        FUNCTION,
        args=(envelopes.seal(order),),
        job_id=order.job_id,
        description=f"task:{order.task}",
        timeout=settings.limit_s,
        result_ttl=0,
        failure_ttl=FAILED_KEPT_S,
    )


def code_of(error: BaseException) -> str:
    """Return what may be told of an error outside this process: its code or class, never its message."""
    return error.code if isinstance(error, SeatlineError) else type(error).__name__


def _inflated(data: bytes) -> bytes:
    """Return the data of a call, unpacked up to our own limit: a few bytes can unpack to gigabytes.

    Raises:
        ValueError: it is too large, or no call.
        RecursionError: it is deeper than anything of ours.
    """
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(data, _LARGEST_DATA + 1)
    if len(plain) > _LARGEST_DATA:
        raise ValueError
    call = json.loads(plain)  # deep ones are a RecursionError
    if not isinstance(call, list) or len(call) != _PARTS:
        raise ValueError
    return zlib.compress(plain)
