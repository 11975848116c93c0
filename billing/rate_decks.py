"""Files of rates that a job reads: which one of a list waits, and what came of it.

One of a list waits at a time: another file, or giving it up, takes its place. The file itself lies sealed in
the storage until it has been read; a deck is settled in the transaction that makes the draft, so a job that
is killed and done again makes one draft. All functions run in the operator's context.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import price_drafts, price_lists
from billing.errors import RateDeckGoneError
from billing.events import RateDeckAsked
from billing.models import PriceListRow, RateDeckRow
from billing.price_lists import Version
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import DatedRate
from core import clock
from core.events import announce
from core.ids import TenantId, new_id

KEPT = dt.timedelta(days=1)
"""How long what went wrong is shown, and how long a file waits for a worker at most."""

Fault = tuple[int, str, str, int]
"""Row, column, a code, and another row it contradicts; a row of 0: the text is a sentence about the whole."""


@dataclass(frozen=True, slots=True)
class RateDeck:
    """One file of rates.

    Attributes:
        faults: what is wrong with it, when it was refused.
        version: of the draft it became.
    """

    deck_id: UUID
    price_list_id: UUID
    effective_from: dt.datetime
    holiday_calendar: str
    asked_by: UUID
    asked_at: dt.datetime
    state: str
    faults: tuple[Fault, ...]
    version: int | None


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    price_list_id: UUID,
    effective_from: dt.datetime,
    holiday_calendar: str,
    by: UUID,
) -> UUID:
    """Have a file read into the list's draft, in the place of one that waits; return its id.

    The file is to lie in the storage before this transaction ends.
    """
    session.get(PriceListRow, (tenant_id, price_list_id), with_for_update=True)  # one after the other
    give_up(session, tenant_id=tenant_id, price_list_id=price_list_id)
    deck_id = new_id()
    session.add(
        RateDeckRow(
            tenant_id=tenant_id,
            id=deck_id,
            price_list_id=price_list_id,
            effective_from=effective_from,
            holiday_calendar=holiday_calendar,
            asked_by=by,
            asked_at=clock.now(),
            state="waiting",
            faults=[],
        )
    )
    session.flush()
    announce(session, RateDeckAsked(tenant_id=tenant_id, deck_id=deck_id))
    return deck_id


def find(session: Session, *, tenant_id: TenantId, deck_id: UUID) -> RateDeck:
    """Return a file of rates.

    Raises:
        RateDeckGoneError: there is none of that id.
    """
    row = session.get(RateDeckRow, (tenant_id, deck_id), populate_existing=True)
    if row is None:
        raise RateDeckGoneError
    return _deck(row)


def newest(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> RateDeck | None:
    """Return the newest file of a list while it is news: a day."""
    row = session.scalars(
        select(RateDeckRow)
        .where(
            RateDeckRow.tenant_id == tenant_id,
            RateDeckRow.price_list_id == price_list_id,
            RateDeckRow.asked_at > clock.now() - KEPT,
        )
        .order_by(RateDeckRow.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return _deck(row) if row else None


def give_up(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> Sequence[UUID]:
    """Have what waits for a list not read any more; return what it was."""
    return session.scalars(
        update(RateDeckRow)
        .where(
            RateDeckRow.tenant_id == tenant_id,
            RateDeckRow.price_list_id == price_list_id,
            RateDeckRow.state == "waiting",
        )
        .values(state="gone", ended_at=clock.now())
        .returning(RateDeckRow.id)
        .execution_options(synchronize_session=False)
    ).all()


def make(
    session: Session,
    *,
    tenant_id: TenantId,
    deck_id: UUID,
    destinations: dict[str, dict[str, str]],
    rates: Sequence[DatedRate],
    rentals: Sequence[RentalPrice],
) -> Version | None:
    """Make the list's draft of what a file says, or replace it; None when the file is not wanted any more.

    Raises:
        PriceListError: a rate is wrong; `problems` in its details names each.
    """
    row = _waiting(session, tenant_id, deck_id)
    if row is None:
        return None
    made = write(
        session,
        tenant_id=tenant_id,
        price_list_id=row.price_list_id,
        effective_from=row.effective_from,
        holiday_calendar=row.holiday_calendar,
        destinations=destinations,
        rates=rates,
        rentals=rentals,
    )
    row.state, row.version, row.ended_at = "done", made.version, clock.now()
    session.flush()
    return made


def write(
    session: Session,
    *,
    tenant_id: TenantId,
    price_list_id: UUID,
    effective_from: dt.datetime,
    holiday_calendar: str,
    destinations: dict[str, dict[str, str]],
    rates: Sequence[DatedRate],
    rentals: Sequence[RentalPrice],
) -> Version:
    """Make a list's draft of these prices, or replace the one there is; return it.

    Raises:
        PriceListError: a rate is wrong; `problems` in its details names each.
    """
    versions = price_lists.versions(session, tenant_id=tenant_id, price_list_id=price_list_id)
    waiting = next((one for one in versions if one.published_at is None), None)
    if waiting is not None:
        return price_drafts.revise(
            session,
            tenant_id=tenant_id,
            version_id=waiting.version_id,
            effective_from=effective_from,
            destinations=destinations,
            rates=rates,
            rentals=rentals,
            holiday_calendar=holiday_calendar,
        )
    return price_lists.draft(
        session,
        tenant_id=tenant_id,
        price_list_id=price_list_id,
        effective_from=effective_from,
        destinations=destinations,
        rates=rates,
        rentals=rentals,
        holiday_calendar=holiday_calendar,
    )


def refuse(session: Session, *, tenant_id: TenantId, deck_id: UUID, faults: Sequence[Fault]) -> None:
    """Write down what is wrong with a file; nothing of it was taken."""
    row = _waiting(session, tenant_id, deck_id)
    if row is not None:
        row.state, row.faults, row.ended_at = "refused", [list(one) for one in faults], clock.now()
        session.flush()


def over(session: Session, *, tenant_id: TenantId) -> Sequence[UUID]:
    """Give up what waited for a day, and return the files of the last two days that nobody needs any more."""
    now = clock.now()
    session.execute(
        update(RateDeckRow)
        .where(
            RateDeckRow.tenant_id == tenant_id,
            RateDeckRow.state == "waiting",
            RateDeckRow.asked_at <= now - KEPT,
        )
        .values(state="gone", ended_at=now)
    )
    return session.scalars(
        select(RateDeckRow.id).where(
            RateDeckRow.tenant_id == tenant_id,
            RateDeckRow.state != "waiting",
            RateDeckRow.ended_at > now - 2 * KEPT,
        )
    ).all()


def _waiting(session: Session, tenant_id: TenantId, deck_id: UUID) -> RateDeckRow | None:
    row = session.get(RateDeckRow, (tenant_id, deck_id), with_for_update=True, populate_existing=True)
    return row if row is not None and row.state == "waiting" else None


def _deck(row: RateDeckRow) -> RateDeck:
    return RateDeck(
        row.id,
        row.price_list_id,
        row.effective_from,
        row.holiday_calendar,
        row.asked_by,
        row.asked_at,
        row.state,
        # those written before a fault could name another row have three parts
        tuple((one[0], one[1], one[2], one[3] if len(one) > 3 else 0) for one in row.faults),  # noqa: PLR2004
        row.version,
    )
