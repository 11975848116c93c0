"""What was promised of tiers and queues and what was kept, over some days; overdue work orders by tier."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy.orm import Session

from core import clock
from core.ids import QueueId, TenantId
from customers import tickets
from telephony import figures, queues
from telephony.figures import NONE, QueueFigures
from telephony.routing import settings as routing
from telephony.routing.settings import TOP

DAYS = (1, 7, 30, 92)


@dataclass(frozen=True, slots=True)
class Promise:
    """A tier or a queue: `target_percent` of its calls are to be answered within `target_s`.

    `overdue` work orders of a tier's customers; `tier` and `queue_id` say whose it is, one of them.
    """

    name: str
    tier: str
    queue_id: QueueId | None
    target_s: int
    target_percent: int
    figures: QueueFigures
    overdue: int = 0

    @property
    def percent(self) -> float | None:
        """Share answered in time, 0 to 100; None before there was anything to answer."""
        level = self.figures.service_level
        return None if level is None else 100 * level

    @property
    def is_kept(self) -> bool:
        """Whether the promise was kept; where nobody called it was."""
        return self.percent is None or self.percent >= self.target_percent


@dataclass(frozen=True, slots=True)
class Targets:
    """All of them; `overdue` work orders of customers in no tier."""

    tiers: Sequence[Promise]
    queues: Sequence[Promise]
    overdue: int


def of(session: Session, *, tenant_id: TenantId, days: int) -> Targets:
    """Return the targets and what became of them in the last days."""
    since = clock.now() - dt.timedelta(days=days)
    settings = routing.read(session, tenant_id=tenant_id)
    whole = {one.code: settings.whole(one.code) for one in settings.tiers}
    served = figures.by_tier(
        session,
        tenant_id=tenant_id,
        since=since,
        targets_s={code: one.target_s or 0 for code, one in whole.items()},
    )
    late = tickets.overdue(session, tenant_id=tenant_id)
    tiers = routing.tiers_of(session, tenant_id=tenant_id, customer_ids={who for who, _ in late})
    overdue = Counter(tiers.get(who, "") for who, _ in late)
    by_queue = figures.by_queue(session, tenant_id=tenant_id, since=since)
    return Targets(
        [
            Promise(
                one.name,
                code,
                None,
                one.target_s or 0,
                one.target_percent or 0,
                served.get(code, NONE),
                overdue[code],
            )
            for code, one in whole.items()
        ],
        [
            Promise(
                one.name,
                "",
                one.queue_id,
                one.target_s,
                TOP.target_percent or 0,
                by_queue.get(one.queue_id, NONE),
            )
            for one in queues.all_of(session, tenant_id=tenant_id)
        ],
        sum(number for code, number in overdue.items() if code not in whole),
    )


def says(one: Promise) -> str:
    """Return the promise in words."""
    return str(
        gettext("%(percent)s %% within %(seconds)s s", percent=one.target_percent, seconds=one.target_s)
    )
