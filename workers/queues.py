"""The job queues: their names, limits and patience, in one place.

Retries are ours, not RQ's: they stand in PostgreSQL (`workers.ledger`), because RQ's are lost with Redis
and need a second scheduler.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobQueue:
    """One queue of jobs.

    Attributes:
        name: as Redis knows it.
        limit_s: a job that runs longer is ended; what it had not done is handed out again.
        batch: how many duties of one handler go into one job.
        side_by_side: how many of a batch are done at once, in threads: of those that wait for others.
        backoff_s: how long to wait after each failure; after the last the duty is given up, and shown.
    """

    name: str
    limit_s: int
    batch: int
    side_by_side: int = 1
    backoff_s: tuple[int, ...] = (2, 10, 60, 600, 3600, 3600, 7200)

    @property
    def attempts(self) -> int:
        """How often a duty is tried at most."""
        return len(self.backoff_s) + 1


PROMPT = JobQueue("seatline-prompt", limit_s=60, batch=500)
HEAVY = JobQueue("seatline-heavy", limit_s=600, batch=20)
# Outside hosts take their time, each up to ten seconds: a process of its own, all of a batch at once.
OUTSIDE = JobQueue("seatline-outside", limit_s=30, batch=16, side_by_side=16)
INSIDE = (PROMPT, HEAVY)  # each with a process of its own; in this order where one does both
CONSUMED = (*INSIDE, OUTSIDE)

# Handlers whose single piece of work may take seconds, as a round of all companies does. Everything else is
# prompt: it keeps no second's dialling waiting.
HEAVY_HANDLERS = frozenset(
    {
        "recordings.seal",
        "invoices.archive",
        "leads.unpack",
        "leads.read",
        "invoices.month",
        "usage.rate-again",
        "usage.look-again",
        "usage.apply-again",
        "prices.hand-over",
        "prices.read-deck",
        "keys.rotate",
        "people.erase",
        "companies.export",
        "downloads.make",
        "routing.try",
        "every.export-sweep",
        "every.number-papers",
        "every.retention",
        "every.comparison",
        "every.reconciliation",
        "payments.reconcile",
        "every.dunning",
        "every.overdue-work",
        "every.company-deletion",
        "every.step-recovery",
        "every.company-figures",
        "every.customer-search",
        "every.rental-charges",
        "every.sign-in-sweep",
        "every.call-sweep",
        "every.webhook-sweep",
        "every.order-sweep",
        "every.ledger-sweep",
        "every.duty-sweep",
        "every.payment-sweep",
        "every.payment-retry",
    }
)
# Handlers that speak to hosts of others.
OUTSIDE_HANDLERS = frozenset(
    {
        "webhooks.deliver",
        "letters.send",
        "payments.collect",
        "payments.news",
        "wallets.top-up",
        "invoices.copy",
    }
)


def queue_of(handler: str) -> JobQueue:
    """Return the queue a handler's or a periodic task's jobs go to."""
    if handler in OUTSIDE_HANDLERS:
        return OUTSIDE
    return HEAVY if handler in HEAVY_HANDLERS else PROMPT


def consumed(name: str) -> JobQueue | None:
    """Return the queue of that name, or None when we have no such queue."""
    return next((queue for queue in CONSUMED if queue.name == name), None)
