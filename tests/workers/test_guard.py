"""T80, T81, T83, T84 on the pinned RQ: whoever can write to Redis cannot run code here.

The first two tests show that plain RQ still does what the guard is there against; when one of them fails
after a new RQ has been pinned, read what changed before the guard is made thinner.
"""

import json
import pickle
import time
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from core import clock
from core.ids import OPERATOR
from core.realtime import Realtime
from security import refusals
from security.keys import FileRootKey
from tests.workers import traces
from workers import entry, envelope
from workers.envelope import Envelopes, Order
from workers.guard import FUNCTION, hand_over, nothing, open_queue, sealed_job_class
from workers.queues import HEAVY, PROMPT

pytestmark = pytest.mark.slow

JOB = "0192f3a0000070008000000000000001"


class Bench:
    """An attacker's queue and ours, over one Redis, and what our worker carried out."""

    def __init__(self, redis: Redis, root_key: FileRootKey) -> None:
        self.redis = redis
        self.done: list[Order] = []
        self.noticed: list[bool] = []
        self.envelopes = Envelopes(root_key)
        house: Any = types.SimpleNamespace(realtime=types.SimpleNamespace(redis=redis))
        self.job_class = sealed_job_class(
            self.envelopes,
            carry_out=self.done.append,
            notice=lambda: self.noticed.append(True),
            late=lambda: entry.late(house),
        )
        self.ours = open_queue(PROMPT, connection=redis, job_class=self.job_class)
        self.theirs = Queue(PROMPT.name, connection=redis, serializer=JSONSerializer)

    def order(self, job_id: str = JOB, task: str = "recordings.seal") -> Order:
        return Order(queue=PROMPT.name, job_id=job_id, task=task)

    def work(self) -> None:
        work(self.ours, job_class=self.job_class)

    def field(self, name: str) -> bytes:
        """Return what Redis holds of our job."""
        held = self.redis.hget(f"rq:job:{JOB}", name)
        assert isinstance(held, bytes)
        return held

    def overwrite(self, *data: object) -> None:
        """Put another function, instance, arguments into our job."""
        self.redis.hset(f"rq:job:{JOB}", "data", zlib.compress(json.dumps(data).encode()))


def work(queue: Queue, *, job_class: type[Job] = Job) -> None:
    worker = SimpleWorker(
        [queue], connection=queue.connection, job_class=job_class, serializer=JSONSerializer
    )
    worker.work(burst=True, logging_level="CRITICAL")


@pytest.fixture
def trace(tmp_path: Path) -> Callable[[], bool]:
    """Tell whether an attacker's code has run: `traces.leave`, or a command that touches `ran`."""
    traces.RAN.clear()
    return lambda: bool(traces.RAN) or (tmp_path / "ran").exists()


@pytest.fixture
def bench(realtime: Realtime, root_key: FileRootKey) -> Bench:
    return Bench(realtime.redis, root_key)


def test_plain_rq_runs_any_function_redis_names(
    bench: Bench, trace: Callable[[], bool], tmp_path: Path
) -> None:
    bench.theirs.enqueue("os.system", f"touch {tmp_path}/ran", job_id="j1")
    work(bench.theirs)
    assert trace()


def test_plain_rq_runs_the_failure_callback_of_a_job_that_is_refused(
    bench: Bench, trace: Callable[[], bool]
) -> None:
    bench.theirs.enqueue("nothing.there", job_id="j1", on_failure=Callback("tests.workers.traces.leave"))
    work(bench.theirs)
    assert trace()


def test_an_order_of_ours_is_carried_out_once(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    bench.work()
    assert bench.done == [bench.order()]


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "subprocess.getoutput"])
def test_no_function_is_run_but_ours(
    bench: Bench, trace: Callable[[], bool], tmp_path: Path, function: str
) -> None:
    bench.theirs.enqueue(function, f"touch {tmp_path}/ran", job_id="j1")
    bench.work()
    assert not trace()
    assert (bench.done, bench.noticed) == ([], [True])
    assert Job.fetch("j1", connection=bench.redis, serializer=JSONSerializer).is_failed


def test_a_good_seal_under_another_function_is_refused(bench: Bench) -> None:
    bench.theirs.enqueue("os.getpid", bench.envelopes.seal(bench.order()), job_id=JOB)
    bench.work()
    assert bench.done == []


def test_our_function_without_a_seal_is_refused(bench: Bench) -> None:
    for argument in ("x", "", "é", {"task": "recordings.seal"}, 7, None, ["x"]):
        bench.theirs.enqueue(FUNCTION, argument, job_id=f"j{len(bench.theirs.job_ids)}")
    bench.theirs.enqueue(FUNCTION, job_id="none")
    bench.theirs.enqueue(FUNCTION, bench.envelopes.seal(bench.order("two")), "more", job_id="two")
    bench.theirs.enqueue(
        FUNCTION, args=(bench.envelopes.seal(bench.order("kw")),), kwargs={"more": 1}, job_id="kw"
    )
    bench.work()
    assert not bench.done


def test_a_seal_is_good_for_one_job_and_one_queue(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    sealed = bench.redis.hget(f"rq:job:{JOB}", "data")
    bench.theirs.enqueue(FUNCTION, "x", job_id="another")
    bench.redis.hset("rq:job:another", "data", sealed)
    heavy = bench.envelopes.seal(Order(HEAVY.name, "third", "recordings.seal"))
    bench.theirs.enqueue(FUNCTION, heavy, job_id="third")
    bench.work()
    assert bench.done == [bench.order()]


def test_a_method_of_an_instance_is_refused(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    _, _, args, kwargs = json.loads(zlib.decompress(bench.field("data")))
    bench.redis.hset(
        f"rq:job:{JOB}", "data", zlib.compress(json.dumps([FUNCTION, "x", args, kwargs]).encode())
    )
    bench.work()
    assert not bench.done


class _Malice:
    def __reduce__(self) -> tuple[Callable[..., None], tuple[()]]:
        return traces.leave, ()


@pytest.mark.parametrize("field", ["data", "meta", "result"])
def test_a_pickle_is_never_opened(bench: Bench, trace: Callable[[], bool], field: str) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(f"rq:job:{JOB}", field, zlib.compress(pickle.dumps(_Malice())))
    bench.redis.hset(f"rq:job:{JOB}", "meta", pickle.dumps(_Malice()))
    bench.work()
    assert not trace()


@pytest.mark.parametrize("kind", ["success", "failure", "stopped"])
@pytest.mark.parametrize("carried_out", [1, 0])
def test_no_callback_is_run_even_when_the_job_is_refused(
    bench: Bench, trace: Callable[[], bool], kind: str, carried_out: int
) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(f"rq:job:{JOB}", f"{kind}_callback_name", "tests.workers.traces.leave")
    if not carried_out:
        bench.redis.hset(
            f"rq:job:{JOB}", "data", zlib.compress(json.dumps(["os.getpid", None, [], {}]).encode())
        )
    bench.work()
    assert not trace()
    assert len(bench.done) == carried_out


def test_no_webhook_is_called(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    hook = {"url": "http://127.0.0.1:9/", "job_status": "finished", "timeout": 1, "headers": None}
    bench.redis.hset(f"rq:job:{JOB}", "webhooks", json.dumps([hook]))
    job = bench.job_class.fetch(JOB, connection=bench.redis, serializer=JSONSerializer)
    assert job.webhooks == []
    job.webhooks = [Webhook("http://127.0.0.1:9/", "finished")]
    job.send_webhooks("finished")


@pytest.mark.parametrize(
    "data",
    [
        zlib.compress(b"[" * 4000),
        zlib.compress(b"0" * 100_000_000, 9),
        b"x" * 1_000_000,
        b"",
        b"\xff\xfe",
        zlib.compress(b'{"a": 1}'),
        zlib.compress(b"[]"),
    ],
    ids=["deep", "bomb", "large", "empty", "binary", "object", "short"],
)
def test_odd_and_oversized_jobs_are_passed_over(bench: Bench, data: bytes) -> None:
    hand_over(bench.ours, bench.order("odd"), envelopes=bench.envelopes)
    bench.redis.hset("rq:job:odd", "data", data)
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]
    assert bench.noticed


@pytest.mark.parametrize(
    ("field", "value"),
    [("created_at", b"yesterday"), ("status", b"odd"), ("origin", b"elsewhere"), ("origin", b"\xff")],
)
def test_malformed_fields_do_not_stop_the_worker(bench: Bench, field: str, value: bytes) -> None:
    hand_over(bench.ours, bench.order("odd"), envelopes=bench.envelopes)
    bench.redis.hset("rq:job:odd", field, value)
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]


def test_a_job_that_is_no_hash_is_passed_over(bench: Bench) -> None:
    bench.redis.set("rq:job:odd", "text")
    bench.redis.rpush(f"rq:queue:{PROMPT.name}", "odd", "not an id!", "gone")
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]


def test_what_an_outage_leaves_behind_is_no_alarm_and_what_is_late_is_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is gone, and one that lay for more than a day: both come about without anybody's doing."""
    bench.redis.rpush(f"rq:queue:{PROMPT.name}", "gone")
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    later = time.time() + 25 * 3600
    monkeypatch.setattr(envelope, "time", types.SimpleNamespace(time=lambda: later))
    bench.work()
    assert (bench.done, bench.noticed) == ([], [])
    hour = refusals.hour_of(clock.now())
    found = [(one.kind, one.company_id, one.times) for one in refusals.counted(bench.redis, hour=hour)]
    assert found == [("job-late", OPERATOR, 1)]


def test_a_zip_bomb_is_not_unpacked(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    # a call in all but its size: what is no call is refused whatever it unpacks to
    bomb = zlib.compress(json.dumps([FUNCTION, None, ["0" * 3_000_000], {}]).encode(), 9)
    assert len(bomb) < 4096
    bench.redis.hset(f"rq:job:{JOB}", "data", bomb)
    with pytest.raises(NoSuchJobError):
        bench.job_class.fetch(JOB, connection=bench.redis, serializer=JSONSerializer)


def test_redis_cannot_lift_limits(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(
        f"rq:job:{JOB}", mapping={"timeout": -1, "result_ttl": -1, "failure_ttl": -1, "retries_left": 99}
    )
    job = bench.job_class.fetch(JOB, connection=bench.redis, serializer=JSONSerializer)
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (PROMPT.limit_s, 0, 7 * 24 * 3600)
    assert not job.should_retry


def test_redis_sees_a_task_and_ciphertext(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    assert bench.field("description") == b"task:recordings.seal"
    _, _, (envelope,), _ = json.loads(zlib.decompress(bench.field("data")))
    assert b"recordings" not in zlib.decompress(bench.field("data"))
    assert envelope.isascii()


def test_nothing_is_left_in_redis_after_a_job(bench: Bench) -> None:
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    left = {key for key in bench.redis.scan_iter() if b"rq:worker" not in key}
    assert left == {b"rq:queues"}


def test_a_process_that_only_hands_over_carries_nothing_out(bench: Bench) -> None:
    nothing(bench.order())
    assert bench.done == []
