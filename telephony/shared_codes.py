"""Short codes that companies share: one number, many tenants; the operator's own rows.

The code is the operator's, and so are its menu and every second before a caller has chosen: they belong to no
tenant, and no tenant pays for them. Each company on it is chosen by keys of its own, and no keys begin like
another company's, so that the last digit decides and no prefix is anybody's. Keys a company has left rest for
as long as a number would: who wants that company must not reach another.

What a chosen company does with its callers stands in its own row of `numbers`, which follows by the same
event as a rental: its queue, greeting, flow and forwarding. Its directory entry is the code with its keys.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import OPERATOR, NumberId, TenantId, new_id
from core.phone import LineKind
from security import evidence
from telephony import number_rentals
from telephony.errors import (
    ChoiceTakenError,
    ChosenAlreadyError,
    CodeInUseError,
    CodeNotSharedError,
    NotAShortCodeError,
    SharedCodeFormError,
)
from telephony.events import NumberRentalChanged
from telephony.models import NumberStockRow, SharedCodeChoiceRow, SharedCodeCountRow, SharedCodeRow

LONGEST_KEYS = 6
LONGEST_NAME = 80
LONGEST_GREETING = 500
LANGUAGES = frozenset({"en", "zh"})


class Outcome(StrEnum):
    """What became of a caller at the code."""

    CHOSEN = "chosen"  # by keys, after the menu
    DIALLED = "dialled"  # by digits dialled after the code
    NOTHING = "nothing"  # no key, however often they were asked
    WRONG = "wrong"  # keys that are nobody's
    LEFT = "left"  # hung up before they chose
    CLOSED = "closed"  # chose a company that cannot be called now
    FULL = "full"  # the switch, or the trunk, had no line for them
    LOST = "lost"  # our line to the switch broke; they are asked anew, if they are still there


@dataclass(frozen=True, slots=True)
class Choice:
    """A company on a code: the keys that choose it, and its name as callers hear it."""

    choice_id: NumberId
    renter_tenant_id: TenantId
    keys: str
    name: str
    is_spoken: bool
    starts_at: dt.datetime
    ends_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class SharedCode:
    """A short code that is shared now, with the companies that are on it, by keys."""

    code_id: NumberId
    digits: str
    greeting: str
    language: str
    revision: int
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many callers came to one outcome within some days, and how long they were nobody's."""

    outcome: Outcome
    calls: int
    duration_ms: int


def share(session: Session, *, number_id: NumberId, greeting: str, language: str) -> SharedCode:
    """Let a short code in stock be shared from now on, or set what callers of it hear first.

    Raises:
        NotAShortCodeError: another kind of number.
        SharedCodeFormError: the greeting is too long or no text, or the language is not spoken here.
        NumberTakenError, NumberRestingError, NumberHeldError, NumberNotFoundError: see
            `number_rentals.take_aside`.
    """
    if len(greeting) > LONGEST_GREETING or not greeting.isprintable():
        raise SharedCodeFormError(field="greeting")
    if language not in LANGUAGES:
        raise SharedCodeFormError(field="language")
    row = session.get(SharedCodeRow, (OPERATOR, number_id), with_for_update=True, populate_existing=True)
    if row is None or row.ended_at is not None:
        stock = number_rentals.take_aside(session, number_id=number_id)
        if stock.kind != LineKind.SHORT:
            raise NotAShortCodeError
        if row is None:
            row = SharedCodeRow(tenant_id=OPERATOR, id=number_id, revision=0)
            session.add(row)
        row.shared_at, row.ended_at = clock.now(), None
    row.greeting, row.language = greeting, language
    row.revision += 1
    session.flush()
    evidence.record(session, "code.shared", "num", number_id, language=language)
    return of(session, code_id=number_id)


def end(session: Session, *, code_id: NumberId) -> None:
    """Share a code no longer; it is a number in stock like any.

    Raises:
        CodeNotSharedError: it is not shared.
        CodeInUseError: companies are on it.
    """
    row = _locked(session, code_id)
    still = _choices(session, code_id)
    if still:
        raise CodeInUseError(companies=len(still))
    row.ended_at = clock.now()
    session.flush()
    evidence.record(session, "code.ended", "num", code_id)


def add(
    session: Session, *, code_id: NumberId, renter_tenant_id: TenantId, keys: str, name: str, is_spoken: bool
) -> Choice:
    """Put a company on a code, and announce it: from its own commit on the company is reached by these keys.

    Raises:
        CodeNotSharedError: the code is not shared.
        SharedCodeFormError: no keys, or no name.
        ChoiceTakenError: keys of another company, begin like such, or were another's until lately.
        ChosenAlreadyError: the company is on it.
    """
    if not 0 < len(keys) <= LONGEST_KEYS or not (keys.isascii() and keys.isdigit()):
        raise SharedCodeFormError(field="keys")
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise SharedCodeFormError(field="name")
    _locked(session, code_id)  # one at a time: the database alone does not see that keys begin alike
    now = clock.now()
    for other in _choices(session, code_id, since=now - number_rentals.QUARANTINE):
        is_theirs = other.renter_tenant_id == renter_tenant_id
        if other.ends_at is None and is_theirs:
            raise ChosenAlreadyError
        alike = keys.startswith(other.keys) or other.keys.startswith(keys)
        if alike and not (is_theirs and other.ends_at):
            raise ChoiceTakenError
    made = SharedCodeChoiceRow(
        tenant_id=OPERATOR,
        id=new_id(),
        code_id=code_id,
        renter_tenant_id=renter_tenant_id,
        keys=keys,
        name=name.strip(),
        is_spoken=is_spoken,
        starts_at=now,
        ends_at=None,
        revision=1,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError as error:
        raise ChoiceTakenError from error
    evidence.record(
        session,
        "code.company-added",
        "num",
        code_id,
        company=str(renter_tenant_id),
        choice=str(made.id),
        keys=keys,
    )
    announce(session, _changed(session, made))
    return _choice(made)


def leave(
    session: Session, *, choice_id: NumberId, renter_tenant_id: TenantId | None = None
) -> NumberRentalChanged:
    """Take a company off a code now, and announce it; doing it twice changes nothing.

    Raises:
        CodeNotSharedError: no such choice (of this client, when one is named).
    """
    row = session.get(SharedCodeChoiceRow, (OPERATOR, choice_id), with_for_update=True)
    if row is None or renter_tenant_id not in {None, row.renter_tenant_id}:
        raise CodeNotSharedError
    if row.ends_at is None:
        row.ends_at = max(clock.now(), row.starts_at)
        row.revision += 1
        session.flush()
        evidence.record(
            session,
            "code.company-left",
            "num",
            row.code_id,
            company=str(row.renter_tenant_id),
            choice=str(row.id),
            keys=row.keys,
        )
        announce(session, _changed(session, row))
    return _changed(session, row)


def leave_all(session: Session, *, renter_tenant_id: TenantId) -> int:
    """Take a company off every code; return of how many."""
    rows = session.scalars(
        select(SharedCodeChoiceRow.id).where(
            SharedCodeChoiceRow.tenant_id == OPERATOR,
            SharedCodeChoiceRow.renter_tenant_id == renter_tenant_id,
            SharedCodeChoiceRow.ends_at.is_(None),
        )
    ).all()
    for choice_id in rows:
        leave(session, choice_id=NumberId(choice_id))
    return len(rows)


def announced(session: Session, *, choice_id: NumberId) -> NumberRentalChanged:
    """Return what is announced of a choice as it stands; the company's own row follows from it.

    Raises:
        CodeNotSharedError: no such choice.
    """
    row = session.get(SharedCodeChoiceRow, (OPERATOR, choice_id))
    if row is None:
        raise CodeNotSharedError
    return _changed(session, row)


def of(session: Session, *, code_id: NumberId) -> SharedCode:
    """Return a code that is shared now.

    Raises:
        CodeNotSharedError: it is not.
    """
    for one in every(session):
        if one.code_id == code_id:
            return one
    raise CodeNotSharedError


def every(session: Session) -> list[SharedCode]:
    """Return all codes that are shared now, by digits."""
    rows = session.execute(
        select(SharedCodeRow, NumberStockRow.digits)
        .join(
            NumberStockRow,
            (NumberStockRow.tenant_id == SharedCodeRow.tenant_id) & (NumberStockRow.id == SharedCodeRow.id),
        )
        .where(SharedCodeRow.tenant_id == OPERATOR, SharedCodeRow.ended_at.is_(None))
        .order_by(NumberStockRow.digits)
    ).all()
    theirs: dict[UUID, list[Choice]] = {}
    for choice in session.scalars(
        select(SharedCodeChoiceRow)
        .where(SharedCodeChoiceRow.tenant_id == OPERATOR, SharedCodeChoiceRow.ends_at.is_(None))
        .order_by(SharedCodeChoiceRow.keys)
    ):
        theirs.setdefault(choice.code_id, []).append(_choice(choice))
    return [
        SharedCode(
            NumberId(row.SharedCodeRow.id),
            row.digits,
            row.SharedCodeRow.greeting,
            row.SharedCodeRow.language,
            row.SharedCodeRow.revision,
            tuple(theirs.get(row.SharedCodeRow.id, ())),
        )
        for row in rows
    ]


def count(
    session: Session, *, code_id: NumberId, outcome: Outcome, at: dt.datetime, duration_ms: int
) -> None:
    """Count one caller; nothing of who called is kept.

    An outage of the database may count one twice: nothing is charged by it.
    """
    put = insert(SharedCodeCountRow).values(
        tenant_id=OPERATOR,
        code_id=code_id,
        day=at.astimezone(dt.UTC).date(),
        outcome=outcome.value,
        calls=1,
        duration_ms=duration_ms,
    )
    session.execute(
        put.on_conflict_do_update(
            index_elements=["tenant_id", "code_id", "day", "outcome"],
            set_={
                "calls": SharedCodeCountRow.calls + 1,
                "duration_ms": SharedCodeCountRow.duration_ms + duration_ms,
            },
        )
    )


def counts(session: Session, *, code_id: NumberId, since: dt.date) -> list[Count]:
    """Return what became of callers from a day (UTC) on, in the order of `Outcome`: each, with 0 as well."""
    rows = session.execute(
        select(
            SharedCodeCountRow.outcome,
            func.sum(SharedCodeCountRow.calls),
            func.sum(SharedCodeCountRow.duration_ms),
        )
        .where(
            SharedCodeCountRow.tenant_id == OPERATOR,
            SharedCodeCountRow.code_id == code_id,
            SharedCodeCountRow.day >= since,
        )
        .group_by(SharedCodeCountRow.outcome)
    ).all()
    found = {outcome: (int(calls), int(ms)) for outcome, calls, ms in rows}
    return [Count(one, *found.get(one.value, (0, 0))) for one in Outcome]


def _locked(session: Session, code_id: NumberId) -> SharedCodeRow:
    row = session.get(SharedCodeRow, (OPERATOR, code_id), with_for_update=True, populate_existing=True)
    if row is None or row.ended_at is not None:
        raise CodeNotSharedError
    return row


def _choices(
    session: Session, code_id: NumberId, *, since: dt.datetime | None = None
) -> Collection[SharedCodeChoiceRow]:
    """Return who is on a code, and who left it after `since`."""
    is_there = SharedCodeChoiceRow.ends_at.is_(None)
    return session.scalars(
        select(SharedCodeChoiceRow).where(
            SharedCodeChoiceRow.tenant_id == OPERATOR,
            SharedCodeChoiceRow.code_id == code_id,
            is_there if since is None else is_there | (SharedCodeChoiceRow.ends_at > since),
        )
    ).all()


def _choice(row: SharedCodeChoiceRow) -> Choice:
    return Choice(
        NumberId(row.id),
        TenantId(row.renter_tenant_id),
        row.keys,
        row.name,
        row.is_spoken,
        row.starts_at,
        row.ends_at,
    )


def _changed(session: Session, row: SharedCodeChoiceRow) -> NumberRentalChanged:
    """Return what is announced of a choice: to the company it is a number of its own."""
    stock = session.get_one(NumberStockRow, (OPERATOR, row.code_id))
    return NumberRentalChanged(
        tenant_id=OPERATOR,
        renter_tenant_id=TenantId(row.renter_tenant_id),
        rental_id=row.id,
        number_id=NumberId(row.id),
        digits=stock.digits,
        kind=stock.kind,
        queue_id=None,
        greeting="",
        language=session.get_one(SharedCodeRow, (OPERATOR, row.code_id)).language,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        revision=row.revision,
        keys=row.keys,
    )
