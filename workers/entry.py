"""The one entry point of jobs: an order comes in, the duties of its batch are done.

A failure of one duty is written into the ledger by its code alone and does not stop the others. Nothing
about an event but ids reaches a log, Redis, or an exception that RQ would store.
"""

import datetime as dt
import functools
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from rq.timeouts import JobTimeoutException

from core import events, log
from core.errors import SeatlineError
from core.ids import OPERATOR
from security.gate import Scope
from security.refusals import Refusals
from security.vault import SealError
from tenants import tampering
from wiring import House, subscriptions
from wiring.subscriptions import Alone, InTransaction
from workers import ledger, queues, schedule
from workers.envelope import Order, OrderRefusedError
from workers.guard import code_of

logger = log.get(__name__)


class DutiesFailedError(SeatlineError):
    """Some duties of a batch failed; which, and why, stands in the ledger."""

    code = "duties-failed"


def run(house: House, order: Order) -> None:
    """Do the duties of a batch.

    After half of the queue's time limit the rest is given back, so that a batch is never cut off.

    Raises:
        OrderRefusedError: nobody here has the task's name, or the batch has none.
        DutiesFailedError: some failed; they will be tried again, or were given up.
    """
    queue = queues.consumed(order.queue)
    known = subscriptions.named(order.task) or schedule.named(order.task)
    if queue is None or known is None:
        raise OrderRefusedError
    batch_id, until = UUID(hex=order.job_id), time.monotonic() + queue.limit_s / 2
    with house.gate.outside() as connection:
        subjects = ledger.in_batch(connection, batch_id=batch_id, handler=order.task)
    if queue.side_by_side > 1:
        with ThreadPoolExecutor(queue.side_by_side) as threads:
            done = threads.map(functools.partial(_done, house, order.task, batch_id), subjects)
        failed = sum(not one for one in done)
    else:
        failed = 0
        for subject_id in subjects:
            if time.monotonic() > until:
                with house.gate.outside() as connection:
                    ledger.give_back(connection, batch_id=batch_id, handler=order.task)
                break
            failed += not _done(house, order.task, batch_id, subject_id)
    if failed:
        raise DutiesFailedError(f"{failed} of {len(subjects)}")


def forged(house: House) -> None:
    """Tell that a job came which nobody of ours can have written."""
    tampering.notice(house.gate, tampering.JOB)
    Refusals(house.realtime.redis).count("job-forged", company_id=OPERATOR)
    house.gate.close()  # some are noticed before the fork, and what was opened is not for forks


def late(house: House) -> None:
    """Count an order of ours that came too late to be carried out."""
    Refusals(house.realtime.redis).count("job-late", company_id=OPERATOR)


def _done(house: House, task: str, batch_id: UUID, subject_id: UUID) -> bool:
    """Try one duty; return False when it failed and that has been written down."""
    known = subscriptions.named(task)
    lease = ledger.LEASE
    if not isinstance(known, InTransaction):  # no row is held while it runs, so the lease must last
        lease = dt.timedelta(seconds=queues.queue_of(task).limit_s) + ledger.LEASE
    with house.gate.outside() as connection:
        tried = ledger.begin(connection, subject_id=subject_id, handler=task, batch_id=batch_id, lease=lease)
    if tried is None:
        return True
    try:
        _do(house, task, batch_id, subject_id, tried)
    except JobTimeoutException as error:
        _failed(house, task, batch_id, subject_id, tried, error)
        raise DutiesFailedError("time limit") from None
    except Exception as error:  # noqa: BLE001 - a doorway: recorded, and the next duty is not to blame
        _failed(house, task, batch_id, subject_id, tried, error)
        return False
    return True


def _do(house: House, task: str, batch_id: UUID, subject_id: UUID, tried: ledger.Tried) -> None:
    known = subscriptions.named(task)
    if isinstance(known, InTransaction):
        event = _event(tried)
        with house.gate.open(Scope.system(known.whose(event))) as session:
            if not ledger.hold(session, subject_id=subject_id, handler=task, batch_id=batch_id):
                return
            after = known.handle(house, session, event)
            ledger.settle(session, subject_id=subject_id, handler=task)
        if after:
            after()
        return
    if isinstance(known, Alone):
        again = known.handle(house, _event(tried))
        if again is not None:
            with house.gate.outside() as connection:
                ledger.put_off(connection, subject_id=subject_id, handler=task, batch_id=batch_id, wait=again)
            return
    elif periodic := schedule.named(task):
        periodic.run(house)
    with house.gate.outside() as connection:
        ledger.settle(connection, subject_id=subject_id, handler=task)


def _event(tried: ledger.Tried) -> events.Event:
    if tried.event_name is None or tried.payload is None:
        raise OrderRefusedError
    return events.rebuild(tried.event_name, tried.payload)


def _failed(
    house: House, task: str, batch_id: UUID, subject_id: UUID, tried: ledger.Tried, error: BaseException
) -> None:
    with house.gate.outside() as connection:
        is_last = ledger.fail(
            connection, subject_id=subject_id, handler=task, batch_id=batch_id, error=code_of(error)
        )
    if isinstance(error, SealError):
        tampering.sealed(house.gate, error, counter=Refusals(house.realtime.redis))
    logger.warning(
        "duty given up" if is_last else "duty failed",
        task=task,
        subject=str(subject_id),
        attempt=tried.attempt,
        error=code_of(error),
        where=_where(error),
    )


def _where(error: BaseException) -> str:
    """Return the way to the failure as file names, lines and functions: no message, no value."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
