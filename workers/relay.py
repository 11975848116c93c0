"""The relay: from announced events and from the clock to jobs (`python -m workers.relay`).

Any number may run; in each transaction one is elected by an advisory lock, so there is no leader to lose.
Order of things: event -> duty, with the event's `relayed_at`, in one transaction; then a lease; then the
job in Redis. Whatever dies in between, the lease ends after 30 seconds and the duty is handed out again.
When Redis has forgotten everything (its mark is gone), all leases end at once.
"""

import sys
import time

import redis
from rq.registry import StartedJobRegistry
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core import clock, config, log
from wiring import House, assemble, subscriptions
from workers import ledger, queues, schedule
from workers.envelope import Envelopes, Order
from workers.guard import code_of, hand_over, nothing, open_queue, sealed_job_class, unnoticed
from workers.life import Life

_PAUSE_S = 0.2
_PAUSE_IN_TROUBLE_S = 0.5
_SWEEP_S = 30
_EVENTS = 500
_MARK = "seatline:relay:mark"

logger = log.get(__name__)


class Relay:
    """Hands duties out; keeps nothing that a successor would need."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._redis = house.realtime.redis
        self._envelopes = Envelopes(house.root_key)
        job_class = sealed_job_class(self._envelopes, carry_out=nothing, notice=unnoticed)
        self._job_class = job_class
        self._queues = {
            queue.name: open_queue(queue, connection=self._redis, job_class=job_class)
            for queue in queues.CONSUMED
        }
        self._handlers = {
            name: tuple(one.name for one in subscriptions.heard(name))
            for name in subscriptions.known_events()
        }
        self._runnable = frozenset(one.name for one in (*subscriptions.SUBSCRIPTIONS, *schedule.TABLE))
        self._slots: dict[str, int] = {}
        self._swept_at = 0.0

    def tick(self) -> bool:
        """Owe what is new and hand out what is due; return whether more is waiting already.

        Raises:
            SQLAlchemyError: PostgreSQL is away.
            redis.RedisError: Redis is away; what is new is owed all the same.
        """
        with self._house.gate.outside() as connection:
            if not ledger.elected(connection):
                return False
            announced = ledger.owe_events(connection, self._handlers, limit=_EVENTS)
            self._owe_slots(connection)
        with self._house.gate.outside() as connection:
            if not ledger.elected(connection):
                return False
            if self._redis.set(_MARK, "1", nx=True):
                ledger.recall(connection)
            batches = ledger.hand_out(connection, handlers=self._runnable, waiting_jobs=self._waiting_jobs)
        for batch in batches:
            order = Order(queues.queue_of(batch.handler).name, batch.batch_id.hex, batch.handler)
            hand_over(self._queues[order.queue], order, envelopes=self._envelopes)
        self._sweep()
        return announced == _EVENTS

    def _owe_slots(self, connection: Connection) -> None:
        now = clock.now()
        for line in schedule.TABLE:
            slot = line.slot(now)
            if self._slots.get(line.name) != slot:
                ledger.owe_slot(connection, line.name, slot=slot)
                self._slots[line.name] = slot

    def _waiting_jobs(self) -> set[str]:
        return {job_id for queue in self._queues.values() for job_id in queue.get_job_ids()}

    def _sweep(self) -> None:
        """Clear RQ's list of started jobs of those whose worker died; the ledger has its own leases."""
        if time.monotonic() - self._swept_at < _SWEEP_S:
            return
        self._swept_at = time.monotonic()
        for queue in self._queues.values():
            # without job_class RQ would read these jobs with its own class, and run what they name
            StartedJobRegistry(queue=queue, job_class=self._job_class).cleanup()


def main() -> int:
    """Relay until told to end."""
    process = config.process_name("relay")
    house = assemble(process=process)
    life, relay = Life(house.settings, process=process), Relay(house)
    with life.lived():
        while not life.stopping.is_set():
            pause = _PAUSE_S
            try:
                if relay.tick():
                    pause = 0.0
                life.serves()
            except SQLAlchemyError as error:
                life.troubled("postgresql", code_of(error))
                pause = _PAUSE_IN_TROUBLE_S
            except redis.RedisError as error:
                life.troubled("redis", code_of(error))
                pause = _PAUSE_IN_TROUBLE_S
            life.stopping.wait(pause)
    house.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
