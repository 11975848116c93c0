"""Forgetting a person: who asked for it, what this room lets go of, and what stays (GDPR 17, PIPL 47).

A person is a record, a number, or both. The number itself is written nowhere: what is kept while it is under
way are its keyed hashes, one for each index by which a table finds numbers. Other rooms forget their part by
the same hashes; `wiring.erasing` leads them through and writes the tombstone first.

What stays: the do-not-call list, which holds hashes only, and gains the number when its holder had withdrawn
consent; the lines of contacts without person and note; who looked, by the id of a record that is gone.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import CallId, CustomerId, TenantId, new_id
from customers import consent, do_not_call, records
from customers.errors import ErasureNotFoundError
from customers.events import PersonErased, PersonErasureAsked
from customers.models import CallbackRow, CustomerRow, ErasureRow, InteractionRow, TicketRow
from security import evidence
from security.keystore import UnknownKeyError
from security.vault import Mark, Vault

INDEXES = (records.PHONE_INDEX, consent.INDEX, do_not_call.INDEX)
"""The indexes of this room by which a number is found."""
WITHDRAWN = "withdrawn-before-erasure"
"""The source of a do-not-call line that keeps a withdrawal alive."""

_NO_MARK = Mark((), 0)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to forget: a record, the keyed hashes of a number by the index's name, or both."""

    customer_id: CustomerId | None
    marks: Mapping[str, Mark]

    @classmethod
    def kept(
        cls, vault: Vault, *, tenant_id: TenantId, customer_id: UUID | None, marks: Mapping[str, bytes]
    ) -> "Person":
        """Return a person of whom is written down what `first_levels` gave.

        Of a company whose keys are gone only those levels are known: nothing of it was ever lifted since.
        """
        try:
            known = {name: vault.mark_of(tenant_id, name, first) for name, first in marks.items()}
        except UnknownKeyError:
            known = {name: Mark((first,), 1) for name, first in marks.items()}
        return cls(CustomerId(customer_id) if customer_id else None, known)

    def first_levels(self) -> dict[str, bytes]:
        """Return what is written down: whatever version a restored row has, it is made of this one."""
        return {name: mark.levels[0] for name, mark in self.marks.items()}

    def mark(self, index: str) -> Mark:
        """Return the mark under an index; one that no row has, when there is none."""
        return self.marks.get(index, _NO_MARK)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure; `counts` says of what how many went, `certificate` is the signed text, once it is done."""

    erasure_id: UUID
    customer_id: CustomerId | None
    asked_by: UUID
    asked_at: dt.datetime
    done_at: dt.datetime | None
    counts: Mapping[str, int]
    certificate: str | None


def ask(session: Session, *, tenant_id: TenantId, person: Person, by: UUID) -> UUID:
    """Have somebody forgotten; return the erasure's id. The work begins after the commit."""
    erasure_id = new_id()
    session.add(
        ErasureRow(
            tenant_id=tenant_id,
            id=erasure_id,
            customer_id=person.customer_id,
            marks={name: first.hex() for name, first in person.first_levels().items()},
            asked_by=by,
            asked_at=clock.now(),
            counts={},
        )
    )
    session.flush()
    kind, ref = ("cus", person.customer_id) if person.customer_id else ("era", erasure_id)
    evidence.record(session, "erasure.asked", kind, ref, erasure=str(erasure_id))
    announce(session, PersonErasureAsked(tenant_id=tenant_id, erasure_id=erasure_id))
    return erasure_id


def put_back(
    session: Session,
    *,
    tenant_id: TenantId,
    erasure_id: UUID,
    person: Person,
    by: UUID,
    asked_at: dt.datetime,
) -> None:
    """Write an erasure again that a restored database does not know; one that is there stays as it is."""
    session.execute(
        insert(ErasureRow)
        .values(
            tenant_id=tenant_id,
            id=erasure_id,
            customer_id=person.customer_id,
            marks={name: first.hex() for name, first in person.first_levels().items()},
            asked_by=by,
            asked_at=asked_at,
            counts={},
        )
        .on_conflict_do_nothing()
    )


def wanted(session: Session, *, tenant_id: TenantId, vault: Vault, erasure_id: UUID) -> Person | None:
    """Return whom an erasure is about; None when it is done, and nobody knows any more.

    Raises:
        ErasureNotFoundError: no such erasure.
    """
    row = session.get(ErasureRow, (tenant_id, erasure_id), populate_existing=True)
    if row is None:
        raise ErasureNotFoundError
    if row.marks is None:
        return None
    marks = {name: bytes.fromhex(mark) for name, mark in row.marks.items()}
    return Person.kept(vault, tenant_id=tenant_id, customer_id=row.customer_id, marks=marks)


def of_number(session: Session, *, tenant_id: TenantId, person: Person) -> CustomerId | None:
    """Return the customer who has the number, if one has."""
    mark = person.mark(records.PHONE_INDEX)
    found = session.scalars(
        sa.select(CustomerRow.id).where(CustomerRow.tenant_id == tenant_id, records.has_mark(mark))
    ).first()
    return CustomerId(found) if found else None


def find(session: Session, *, tenant_id: TenantId, erasure_id: UUID) -> Erasure:
    """Return an erasure.

    Raises:
        ErasureNotFoundError: no such erasure.
    """
    row = session.get(ErasureRow, (tenant_id, erasure_id), populate_existing=True)
    if row is None:
        raise ErasureNotFoundError
    return _erasure(row)


def newest(
    session: Session, *, tenant_id: TenantId, limit: int, before: UUID | None = None
) -> Sequence[Erasure]:
    """Return erasures, newest first; `before` goes on below one."""
    query = sa.select(ErasureRow).where(ErasureRow.tenant_id == tenant_id)
    if before is not None:
        query = query.where(ErasureRow.id < before)
    rows = session.scalars(query.order_by(ErasureRow.id.desc()).limit(limit))
    return [_erasure(row) for row in rows]


def forget_contacts(session: Session, *, tenant_id: TenantId, calls: Collection[CallId]) -> int:
    """Take person and note out of the contacts that these calls were; return how many notes there were."""
    return _let_contacts_go(session, tenant_id, InteractionRow.subject_ref.in_(list(calls)))


def forget(session: Session, *, tenant_id: TenantId, person: Person, by: UUID) -> dict[str, int]:
    """Let go of the record and all that hangs on it; return how much went. May run again.

    Who had withdrawn consent stays barred: their number's hash goes onto the do-not-call list.
    """
    standing = consent.standing_of(session, tenant_id=tenant_id, mark=person.mark(consent.INDEX))
    if standing is not None and not standing.is_given:
        do_not_call.keep_barred(
            session, tenant_id=tenant_id, mark=person.mark(do_not_call.INDEX), source=WITHDRAWN, by=by
        )
    consents = session.execute(
        sa.text("SELECT erase.consents(:marks)"), {"marks": list(person.mark(consent.INDEX).levels)}
    ).scalar_one()
    whose = records.has_mark(person.mark(records.PHONE_INDEX))
    if person.customer_id is not None:
        whose = sa.or_(whose, CustomerRow.id == person.customer_id)
    found = session.scalars(sa.select(CustomerRow.id).where(CustomerRow.tenant_id == tenant_id, whose)).all()
    notes = _let_contacts_go(session, tenant_id, InteractionRow.customer_id.in_(found))
    callbacks = session.execute(
        sa.delete(CallbackRow)
        .where(CallbackRow.tenant_id == tenant_id, CallbackRow.customer_id.in_(found))
        .returning(CallbackRow.id)
    ).all()
    tickets = session.execute(
        sa.delete(TicketRow)
        .where(TicketRow.tenant_id == tenant_id, TicketRow.customer_id.in_(found))
        .returning(TicketRow.id)
    ).all()
    session.execute(
        sa.delete(CustomerRow).where(CustomerRow.tenant_id == tenant_id, CustomerRow.id.in_(found))
    )
    return {
        "records": len(found),
        "notes": notes,
        "consents": consents,
        "callbacks": len(callbacks),
        "tickets": len(tickets),
    }


def count(session: Session, *, tenant_id: TenantId, erasure_id: UUID, more: Mapping[str, int]) -> None:
    """Add to what an erasure has let go of; in the transaction that did."""
    row = session.get_one(ErasureRow, (tenant_id, erasure_id), with_for_update=True, populate_existing=True)
    row.counts = {name: row.counts.get(name, 0) + more.get(name, 0) for name in sorted({*row.counts, *more})}
    session.flush()


def finish(
    session: Session, *, tenant_id: TenantId, erasure_id: UUID, certificate: str, at: dt.datetime
) -> None:
    """Close an erasure with its certificate; from here on nobody can tell whom it was about."""
    row = session.get_one(ErasureRow, (tenant_id, erasure_id), with_for_update=True, populate_existing=True)
    if row.done_at is not None:
        return
    row.done_at, row.certificate, row.marks = at, certificate, None
    session.flush()
    evidence.record(session, "erasure.done", "era", erasure_id, "", **row.counts)
    announce(
        session,
        PersonErased(
            tenant_id=tenant_id,
            erasure_id=erasure_id,
            customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        ),
    )


def _let_contacts_go(session: Session, tenant_id: TenantId, whose: sa.ColumnElement[bool]) -> int:
    had_notes = sa.select(InteractionRow.id).where(
        InteractionRow.tenant_id == tenant_id, whose, InteractionRow.note_ct.is_not(None)
    )
    notes = len(session.scalars(had_notes).all())
    session.execute(
        sa.update(InteractionRow)
        .where(InteractionRow.tenant_id == tenant_id, whose)
        .values(customer_id=None, note_ct=None)
        .execution_options(synchronize_session=False)
    )
    return notes


def _erasure(row: ErasureRow) -> Erasure:
    return Erasure(
        row.id,
        CustomerId(row.customer_id) if row.customer_id else None,
        row.asked_by,
        row.asked_at,
        row.done_at,
        dict(row.counts),
        row.certificate,
    )
