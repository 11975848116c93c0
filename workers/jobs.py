"""The jobs (`python -m workers.jobs`): RQ's worker, with everything taken away that Redis could abuse.

`python -m workers.heavy` is the same for what takes seconds, `python -m workers.outside` for what waits on
other people's hosts, so that nothing waits for them.

Each job runs in a fork that begins with neither connections nor keys. RQ's worker gives up when Redis goes
away; the loop around it starts another when Redis is back. Told to end, it waits a moment for the
running job, then ends it: its transaction is undone and its lease brings the work back.
"""

import functools
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import redis
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout, StopRequested
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from core import config, log
from wiring import House, assemble
from workers import entry, queues
from workers.envelope import Envelopes
from workers.guard import code_of, open_queue, sealed_job_class
from workers.life import Life
from workers.queues import JobQueue

_GRACE_S = 2.5
_PAUSE_S = 0.5
# RQ blocks on Redis for this long less 15 s, and its connection times out 10 s after that
_WORKER_TTL_S = 30

logger = log.get(__name__)


class GuardedWorker(Worker):
    """RQ's worker without remote commands, suspension, callbacks, and messages of exceptions."""

    log_result_lifespan = False

    def __init__(self, house: House, life: Life, **settings: Any) -> None:  # noqa: ANN401 - RQ's own
        super().__init__(worker_ttl=_WORKER_TTL_S, log_job_description=False, **settings)
        self._house = house
        self._life = life

    def subscribe(self) -> None:
        """Take no commands over Redis: they end workers and jobs."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - RQ's signature
        """Do not ask: a key in Redis must not stop all work."""

    def run_maintenance_tasks(self) -> None:
        """Leave RQ's registries to the relay."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,  # noqa: ARG002 - RQ's signature
    ) -> tuple[Job, Queue] | None:
        """Wait for a job; a lost connection is the loop's business, not RQ's. None: no job, in a burst."""
        self.set_state(WorkerStatus.IDLE)
        while True:
            self.heartbeat()
            self._life.serves()
            try:
                found = self.queue_class.dequeue_any(
                    self._ordered_queues,
                    timeout,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
            except DequeueTimeout:
                continue
            if found:
                found[0].redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call] # RQ's own
            return found

    def perform_job(self, job: Job, queue: Queue) -> bool:
        """Do the job, in the fork: without the parent's connections and keys."""
        self._house.after_fork()
        return bool(super().perform_job(job, queue))

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ANN401 - RQ's own
        """Log the code of a failure, never its message."""
        logger.warning("job failed", job=job.id, queue=job.origin, error=code_of(exc_info[1]))

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
    ) -> None:
        """Let Redis have the code of the failure, never its message."""
        error = sys.exc_info()[1]
        told = code_of(error) if error else exc_string.partition(";")[0]
        super().handle_job_failure(job, queue, started_job_registry, exc_string=told)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Take no further job; RQ raises `StopRequested` here when none is running."""
        self._life.stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ's own

    def handle_warm_shutdown_request(self) -> None:
        """Give the running job a moment, then end it."""
        if self.horse_pid:
            ending = threading.Timer(_GRACE_S, self._end_job)
            ending.daemon = True
            ending.start()

    def _end_job(self) -> None:
        if self.horse_pid:  # 0 when it has ended by itself; RQ would then kill our own group
            self.kill_horse()


def work(
    house: House, life: Life, *, consumed: Sequence[JobQueue] = queues.INSIDE, burst: bool = False
) -> None:
    """Do jobs of some queues until told to end, across losses of Redis; in a burst until there are none."""
    carry_out = functools.partial(entry.run, house)
    job_class = sealed_job_class(
        Envelopes(house.root_key),
        carry_out=carry_out,
        notice=functools.partial(entry.forged, house),
        late=functools.partial(entry.late, house),
    )
    while not life.stopping.is_set():
        connection = redis.Redis.from_url(house.settings.redis_url, socket_connect_timeout=2)
        worker: GuardedWorker | None = None
        try:
            worker = GuardedWorker(
                house,
                life,
                queues=[open_queue(queue, connection=connection, job_class=job_class) for queue in consumed],
                connection=connection,
                job_class=job_class,
                serializer=JSONSerializer,
            )
            worker.work(burst=burst, logging_level="CRITICAL")
            if burst:
                return
        except redis.RedisError as error:
            life.troubled("redis", code_of(error))
        except StopRequested:
            return
        finally:
            if worker is not None and worker.horse_pid:
                worker.wait_for_horse()
            life.listen()
            connection.close()
        life.stopping.wait(_PAUSE_S)


def live(
    default_name: str,
    consumed: Sequence[JobQueue],
    *,
    furnish: Callable[[House], House] = lambda house: house,
) -> int:
    """Do jobs of some queues until told to end; the life of a process."""
    process = config.process_name(default_name)
    house = furnish(assemble(process=process))
    house.close()  # forks shall inherit nothing
    logging.getLogger("rq").setLevel(logging.CRITICAL)  # its lines quote exceptions
    life = Life(house.settings, process=process)
    with life.lived():
        work(house, life, consumed=consumed)
    return 0


def main() -> int:
    """Do the jobs of the house."""
    return live("jobs", (queues.PROMPT,))


if __name__ == "__main__":
    sys.exit(main())
