"""T80, T81, T83, T84 on the pinned RQ: whoever can write to Redis cannot run code here.

The first two tests show that plain RQ still does what the guard is there against; when one of them fails
after a new RQ has been pinned, read what changed before the guard is made thinner.
"""

import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from rq import Callback, Queue, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from core.realtime import Realtime
from launch.parts.part import Running
from security.keys import FileRootKey
from workers.envelope import Envelopes, Order
from workers.guard import FUNCTION, SafeJob, hand_over, nothing, open_queue, sealed_job_class
from workers.queues import HEAVY, PROMPT

JOB = "0192f3a0000070008000000000000001"


class Bench:
    """An attacker's queue and ours, over one Redis, and what our worker carried out."""

    def __init__(self, redis: "Redis[bytes]", root_key: FileRootKey) -> None:
        self.redis = redis
        self.done: list[Order] = []
        self.envelopes = Envelopes(root_key)
        self.job_class = sealed_job_class(self.envelopes, carry_out=self.done.append)
        self.ours = open_queue(PROMPT, connection=redis, job_class=self.job_class)
        self.theirs = Queue(PROMPT.name, connection=redis, serializer=JSONSerializer)

    def order(self, job_id: str = JOB, task: str = "recordings.seal") -> Order:
        return Order(queue=PROMPT.name, job_id=job_id, task=task)

    def work(self) -> None:
        work(self.ours, job_class=self.job_class)

    def overwrite(self, *data: object) -> None:
        """Put another function, instance, arguments into our job."""
        self.redis.hset(f"rq:job:{JOB}", "data", zlib.compress(json.dumps(data).encode()))


def work(queue: Queue, *, job_class: type[Job] = Job) -> None:
    worker = SimpleWorker(
        [queue], connection=queue.connection, job_class=job_class, serializer=JSONSerializer
    )
    worker.work(burst=True, logging_level="CRITICAL")


_RAN: list[object] = []


def leave_a_trace(*anything: object) -> None:
    """Stand for an attacker's function that can be imported here."""
    _RAN.append(anything)


@pytest.fixture
def trace(tmp_path: Path) -> Callable[[], bool]:
    """Tell whether an attacker's code has run: `leave_a_trace`, or a command that touches `ran`."""
    _RAN.clear()
    return lambda: bool(_RAN) or (tmp_path / "ran").exists()


@pytest.fixture
def bench(realtime: Realtime, root_key: FileRootKey) -> Bench:
    return Bench(realtime.redis, root_key)


def test_plain_rq_runs_any_function_redis_names(bench, trace, tmp_path):
    bench.theirs.enqueue("os.system", f"touch {tmp_path}/ran", job_id="j1")
    work(bench.theirs)
    assert trace()


def test_plain_rq_runs_the_failure_callback_of_a_job_that_is_refused(bench, trace):
    bench.theirs.enqueue("nothing.there", job_id="j1", on_failure=Callback(f"{__name__}.leave_a_trace"))
    work(bench.theirs)
    assert trace()


def test_an_order_of_ours_is_carried_out_once(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    bench.work()
    assert bench.done == [bench.order()]


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "subprocess.getoutput"])
def test_no_function_is_run_but_ours(bench, trace, tmp_path, function):
    bench.theirs.enqueue(function, f"touch {tmp_path}/ran", job_id="j1")
    bench.work()
    assert not trace()
    assert not bench.done
    assert Job.fetch("j1", connection=bench.redis, serializer=JSONSerializer).is_failed


def test_our_function_without_a_seal_is_refused(bench):
    for argument in ("x", "", "é", {"task": "recordings.seal"}, 7, None, ["x"]):
        bench.theirs.enqueue(FUNCTION, argument, job_id=f"j{len(bench.theirs.job_ids)}")
    bench.theirs.enqueue(FUNCTION, job_id="none")
    bench.theirs.enqueue(FUNCTION, bench.envelopes.seal(bench.order("two")), "more", job_id="two")
    bench.theirs.enqueue(
        FUNCTION, args=(bench.envelopes.seal(bench.order("kw")),), kwargs={"more": 1}, job_id="kw"
    )
    bench.work()
    assert not bench.done


def test_a_seal_is_good_for_one_job_and_one_queue(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    sealed = bench.redis.hget(f"rq:job:{JOB}", "data")
    bench.theirs.enqueue(FUNCTION, "x", job_id="another")
    bench.redis.hset("rq:job:another", "data", sealed)
    heavy = bench.envelopes.seal(Order(HEAVY.name, "third", "recordings.seal"))
    bench.theirs.enqueue(FUNCTION, heavy, job_id="third")
    bench.work()
    assert bench.done == [bench.order()]


def test_a_method_of_an_instance_is_refused(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    _, _, args, kwargs = json.loads(zlib.decompress(bench.redis.hget(f"rq:job:{JOB}", "data")))
    bench.redis.hset(
        f"rq:job:{JOB}", "data", zlib.compress(json.dumps([FUNCTION, "x", args, kwargs]).encode())
    )
    bench.work()
    assert not bench.done


class _Malice:
    def __reduce__(self):
        return leave_a_trace, ()


@pytest.mark.parametrize("field", ["data", "meta", "result"])
def test_a_pickle_is_never_opened(bench, trace, field):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(f"rq:job:{JOB}", field, zlib.compress(pickle.dumps(_Malice())))
    bench.redis.hset(f"rq:job:{JOB}", "meta", pickle.dumps(_Malice()))
    bench.work()
    assert not trace()


@pytest.mark.parametrize("kind", ["success", "failure", "stopped"])
@pytest.mark.parametrize("is_ours", [True, False])
def test_no_callback_is_run_even_when_the_job_is_refused(bench, trace, kind, is_ours):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(f"rq:job:{JOB}", f"{kind}_callback_name", f"{__name__}.leave_a_trace")
    if not is_ours:
        bench.redis.hset(
            f"rq:job:{JOB}", "data", zlib.compress(json.dumps(["os.getpid", None, [], {}]).encode())
        )
    bench.work()
    assert not trace()
    assert len(bench.done) == is_ours


def test_no_callback_is_run_when_the_relay_clears_away_an_abandoned_job(bench, trace):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(f"rq:job:{JOB}", "failure_callback_name", f"{__name__}.leave_a_trace")
    bench.redis.zadd(f"rq:wip:{PROMPT.name}", {f"{JOB}:execution": 1})
    StartedJobRegistry(queue=bench.ours, job_class=bench.job_class).cleanup()
    assert not trace()
    assert bench.redis.zcard(f"rq:wip:{PROMPT.name}") == 0
    assert bench.redis.hget(f"rq:job:{JOB}", "status") == b"failed"


def test_no_webhook_is_called(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    hook = {"url": "http://127.0.0.1:9/", "job_status": "finished", "timeout": 1, "headers": None}
    bench.redis.hset(f"rq:job:{JOB}", "webhooks", json.dumps([hook]))
    job = SafeJob.fetch.__func__(bench.job_class, JOB, connection=bench.redis, serializer=JSONSerializer)
    assert job.webhooks == []
    job.webhooks = [object()]
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
def test_odd_and_oversized_jobs_are_passed_over(bench, data):
    hand_over(bench.ours, bench.order("odd"), envelopes=bench.envelopes)
    bench.redis.hset("rq:job:odd", "data", data)
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]


@pytest.mark.parametrize(
    ("field", "value"),
    [("created_at", b"yesterday"), ("status", b"odd"), ("origin", b"elsewhere"), ("origin", b"\xff")],
)
def test_malformed_fields_do_not_stop_the_worker(bench, field, value):
    hand_over(bench.ours, bench.order("odd"), envelopes=bench.envelopes)
    bench.redis.hset("rq:job:odd", field, value)
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]


def test_a_job_that_is_no_hash_is_passed_over(bench):
    bench.redis.set("rq:job:odd", "text")
    bench.redis.rpush(f"rq:queue:{PROMPT.name}", "odd", "not an id!", "gone")
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    assert bench.done == [bench.order()]


def test_a_zip_bomb_is_not_unpacked(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bomb = zlib.compress(b"0" * 3_000_000, 9)
    assert len(bomb) < 4096
    bench.redis.hset(f"rq:job:{JOB}", "data", bomb)
    with pytest.raises(NoSuchJobError):
        bench.job_class.fetch(JOB, connection=bench.redis, serializer=JSONSerializer)


def test_redis_cannot_lift_limits(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.redis.hset(
        f"rq:job:{JOB}", mapping={"timeout": -1, "result_ttl": -1, "failure_ttl": -1, "retries_left": 99}
    )
    job = bench.job_class.fetch(JOB, connection=bench.redis, serializer=JSONSerializer)
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (PROMPT.limit_s, 0, 7 * 24 * 3600)
    assert not job.should_retry


def test_redis_sees_a_task_and_ciphertext(bench, valkey: Running):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    held = bench.redis.hgetall(f"rq:job:{JOB}")
    assert held[b"description"] == b"task:recordings.seal"
    _, _, (envelope,), _ = json.loads(zlib.decompress(held[b"data"]))
    assert b"recordings" not in zlib.decompress(held[b"data"])
    assert envelope.isascii()


def test_nothing_is_left_in_redis_after_a_job(bench):
    hand_over(bench.ours, bench.order(), envelopes=bench.envelopes)
    bench.work()
    left = {key for key in bench.redis.scan_iter() if b"rq:worker" not in key}
    assert left == {b"rq:queues"}


def test_a_process_that_only_hands_over_carries_nothing_out(bench):
    assert nothing(bench.order()) is None
