"""Of which days pages and API show what callers rated."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from telephony import surveys
from telephony.surveys import AgentRatings, Ratings

SPANS: Final = (7, 30, 90)
USUAL: Final = 30


def days_of(asked: str) -> int:
    """Return the days a field says, if they are some to choose from; the usual ones otherwise."""
    return next((days for days in SPANS if str(days) == asked), USUAL)


def of(session: Session, *, tenant_id: TenantId, days: int) -> Sequence[Ratings]:
    """Return what was rated of the calls of so many days until now."""
    return surveys.by_queue(session, tenant_id=tenant_id, since=clock.now() - dt.timedelta(days=days))


def of_agents(session: Session, *, tenant_id: TenantId, days: int) -> Sequence[AgentRatings]:
    """Return what was rated of agents, of the calls of so many days until now."""
    return surveys.by_agent(session, tenant_id=tenant_id, since=clock.now() - dt.timedelta(days=days))
