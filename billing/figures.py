"""How each client company stands with its money, in one row each: for who looks at all of them at once.

A company's own rows are behind its walls, and an overview of a thousand companies cannot enter a thousand of
them while somebody waits. So the figures are gathered one after the other (`wiring.figures`) and laid beside
each other here, among the operator's rows, with the instant they were taken. They are copies for the eye:
nothing is charged, closed or decided from them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.ageing import Bucket
from billing.models import CompanyFiguresRow
from core.ids import OPERATOR, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One company at an instant; amounts in minor units of its currency, before tax but for `owed_minor`.

    Attributes:
        company_id: whose they are.
        currency: its account's.
        first_on: first day of its month that runs.
        last_on: the last.
        days_minor: the running bill at the end of each day so far; the last is now.
        running_minor: the running bill.
        unrated: usage without a price.
        conflicts: contradicting reports nobody has decided about.
        rejects: rejected rows likewise.
        drafts: invoices of months that are over and not final yet.
        failed: final invoices whose payment failed or waits for a confirmation.
        overdue: final invoices whose day has passed.
        owed_minor: what is open on final invoices.
        aged_minor: the same by how late it is (`ageing.Bucket`).
        on_account_minor: what it paid beyond its invoices.
        is_held: the account is on credit hold.
        taken_at: when this was so.
    """

    company_id: TenantId
    currency: str
    first_on: dt.date
    last_on: dt.date
    days_minor: tuple[int, ...]
    running_minor: int
    unrated: int
    conflicts: int
    rejects: int
    drafts: int
    failed: int
    overdue: int
    owed_minor: int
    aged_minor: tuple[int, ...]
    on_account_minor: int
    is_held: bool
    taken_at: dt.datetime


def put(session: Session, *, figures: Figures) -> None:
    """Lay a company's figures beside the others'; in the operator's own transaction."""
    values = {name: getattr(figures, name) for name in _COLUMNS} | {
        "days_minor": list(figures.days_minor),
        "aged_minor": list(figures.aged_minor),
    }
    row = insert(CompanyFiguresRow).values(tenant_id=OPERATOR, **values)
    session.execute(row.on_conflict_do_update(index_elements=["tenant_id", "company_id"], set_=values))


def every(session: Session) -> Sequence[Figures]:
    """Return the figures of all companies that have an account, oldest first."""
    rows = session.scalars(
        select(CompanyFiguresRow)
        .where(CompanyFiguresRow.tenant_id == OPERATOR)
        .order_by(CompanyFiguresRow.taken_at, CompanyFiguresRow.company_id)
        .execution_options(populate_existing=True)
    )
    return [_figures(row) for row in rows]


def taken_at(session: Session) -> dict[UUID, dt.datetime]:
    """Return when each company's figures were taken."""
    rows = session.execute(
        select(CompanyFiguresRow.company_id, CompanyFiguresRow.taken_at).where(
            CompanyFiguresRow.tenant_id == OPERATOR
        )
    )
    return {row.company_id: row.taken_at for row in rows}


_COLUMNS = (
    *("company_id", "currency", "first_on", "last_on", "days_minor", "running_minor", "unrated", "conflicts"),
    *(
        "rejects",
        "drafts",
        "failed",
        "overdue",
        "owed_minor",
        "aged_minor",
        "on_account_minor",
        "is_held",
        "taken_at",
    ),
)


def _figures(row: CompanyFiguresRow) -> Figures:
    values = {name: getattr(row, name) for name in _COLUMNS}
    aged = tuple(row.aged_minor or (0 for _ in Bucket))
    return Figures(**{**values, "days_minor": tuple(row.days_minor), "aged_minor": aged})
