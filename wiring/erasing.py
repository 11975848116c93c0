"""Forgetting a person through all rooms, step by step; and again after a restore.

The tombstone is written first, into the keystore's database. Then calls in small pieces, then leads and the
record, each piece in one transaction with what it counts, so that a kill in the middle loses nothing and the
next run goes on where it stopped. Who is on the line or in a wrap-up is forgotten when that is over.
"""

import datetime as dt
from pathlib import Path
from typing import Protocol
from uuid import UUID

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from campaigns import erasure as leads
from core import clock, ids
from core.config import Settings
from core.ids import CallId, CustomerId, TenantId
from core.long_jobs import JobState
from core.phone import E164
from core.storage import Storage
from customers import erasures
from customers.erasures import Person
from customers.events import PersonErasureAsked
from security import evidence, tombstones
from security.evidence import Signer
from security.gate import Gate, Scope
from security.keystore import Keystore
from security.tombstones import Tombstone
from security.vault import Vault
from telephony import calls, erasure
from telephony.outbound import gate as dialling
from tenants import downloads, exports, holds
from wiring import downloading, exporting
from wiring.closing import Progress

KIND = "people.erase"
FORMAT = "seatline-erasure/1"
_AT_ONCE = 200  # calls in one transaction
_WAIT = dt.timedelta(seconds=30)
_STAYS = (
    "call records: instants, our number, and of a number called all but its last four digits",
    "the do-not-call list: keyed hashes of numbers, no names",
    "the evidence log: ids and codes of what was done",
    "backups of before: until they are 35 days old; a restore erases again before anything is served",
)


class Means(Protocol):
    """What erasing needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Where tombstones stand."""
        ...

    @property
    def vault(self) -> Vault:
        """Knows numbers by their hashes."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings lie."""
        ...

    @property
    def settings(self) -> Settings:
        """Where the switch records."""
        ...

    @property
    def signer(self) -> Signer:
        """Signs certificates."""
        ...


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    phone: E164,
    customer_id: CustomerId | None,
    by: UUID,
) -> UUID:
    """Have somebody forgotten, by number and, where there is one, by record; return the erasure's id.

    Raises:
        HeldError: a legal hold covers the person, one of their calls, or the company.
    """
    names = (*erasures.INDEXES, *erasure.INDEXES, leads.INDEX)
    person = Person(customer_id, {name: vault.mark(tenant_id, name, phone) for name in names})
    _insist_free(session, tenant_id, person)
    return erasures.ask(session, tenant_id=tenant_id, person=person, by=by)


def run(means: Means, event: PersonErasureAsked) -> dt.timedelta | None:
    """Carry one erasure out; return how long to wait when the person is on the line just now."""
    scope = Scope.system(event.tenant_id)
    with means.gate.open(scope) as session:
        person = erasures.wanted(
            session, tenant_id=event.tenant_id, vault=means.vault, erasure_id=event.erasure_id
        )
        if person is None:
            return None
        _insist_free(session, event.tenant_id, person)
        asked = erasures.find(session, tenant_id=event.tenant_id, erasure_id=event.erasure_id)
        if erasure.is_in_hand(
            session,
            tenant_id=event.tenant_id,
            customer_id=person.customer_id,
            caller=person.mark(calls.CALLER_INDEX),
            called=person.mark(dialling.INDEX),
        ):
            return _WAIT
    tombstones.write(
        means.keystore,
        Tombstone(
            event.tenant_id,
            event.erasure_id,
            person.customer_id,
            person.first_levels(),
            asked.asked_by,
            asked.asked_at,
        ),
    )
    _carry_out(means, event.tenant_id, event.erasure_id, person, by=asked.asked_by)
    return None


def replay(means: Means) -> int:
    """Do every erasure again over a restored database, before anything is served from it; return how many.

    What is done in it already is done again all the same: rows may have come back by hand.
    """
    again = 0
    for stone in tombstones.every(means.keystore):
        tenant_id = TenantId(stone.tenant_id)
        person = Person.kept(
            means.vault, tenant_id=tenant_id, customer_id=stone.customer_id, marks=stone.marks
        )
        try:
            with means.gate.open(Scope.system(tenant_id)) as session:
                erasures.put_back(
                    session,
                    tenant_id=tenant_id,
                    erasure_id=stone.erasure_id,
                    person=person,
                    by=stone.asked_by,
                    asked_at=stone.asked_at,
                )
        except ProgrammingError as error:
            if isinstance(error.orig, InsufficientPrivilege):  # the backup is older than the company
                continue
            raise
        _carry_out(means, tenant_id, stone.erasure_id, person, by=stone.asked_by)
        again += 1
    return again


def _carry_out(means: Means, tenant_id: TenantId, erasure_id: UUID, person: Person, *, by: UUID) -> None:
    scope, caller = Scope.system(tenant_id), person.mark(calls.CALLER_INDEX)
    with means.gate.open(scope) as session:
        total = erasure.count(session, tenant_id=tenant_id, customer_id=person.customer_id, caller=caller)
    progress = Progress(means.gate, erasure_id, KIND, company_id=tenant_id, total=total + 1)
    progress.write(JobState.RUNNING)
    while piece := _forget_some_calls(means, tenant_id, erasure_id, person):
        progress.moved(done=piece)
    with means.gate.open(scope) as session:
        gone = erasures.forget(session, tenant_id=tenant_id, person=person, by=by)
        gone |= leads.forget(
            session,
            tenant_id=tenant_id,
            customer_id=person.customer_id,
            mark=person.mark(leads.INDEX),
        )
        erasure.forget_tier(session, tenant_id=tenant_id, customer_id=person.customer_id)
        gone["dials"] = erasure.forget_dials(
            session, customer_id=person.customer_id, called=person.mark(dialling.INDEX)
        )
        # whatever archive was begun before this moment may hold the person
        gone["exports"] = exporting.take_away(
            means, session, tenant_id=tenant_id, why=exports.ArchiveGone.ERASURE
        )
        gone["downloads"] = downloading.take_away(
            means, session, tenant_id=tenant_id, why=downloads.FileGone.ERASURE
        )
        done = erasures.find(session, tenant_id=tenant_id, erasure_id=erasure_id)
        if done.done_at is None:
            erasures.count(session, tenant_id=tenant_id, erasure_id=erasure_id, more=gone)
            _finish(session, means.signer, tenant_id, erasure_id)
    progress.moved()
    progress.write(JobState.DONE)


def _forget_some_calls(means: Means, tenant_id: TenantId, erasure_id: UUID, person: Person) -> int:
    """Forget a piece of their calls in one transaction; return how many."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = erasure.some(
            session,
            tenant_id=tenant_id,
            customer_id=person.customer_id,
            caller=person.mark(calls.CALLER_INDEX),
            limit=_AT_ONCE,
        )
        gone = _forget_calls(session, tenant_id, list(found), means.storage, means.settings.recording_dir)
        if erasures.find(session, tenant_id=tenant_id, erasure_id=erasure_id).done_at is None:
            erasures.count(session, tenant_id=tenant_id, erasure_id=erasure_id, more=gone)
    return len(found)


def _forget_calls(
    session: Session, tenant_id: TenantId, found: list[CallId], storage: Storage, recording_dir: Path
) -> dict[str, int]:
    return {
        "recordings": erasure.forget_recordings(
            session, tenant_id=tenant_id, calls_of=found, storage=storage, recording_dir=recording_dir
        ),
        "notes": erasures.forget_contacts(session, tenant_id=tenant_id, calls=found),
        "calls": erasure.forget(session, tenant_id=tenant_id, calls_of=found),
    }


def _finish(session: Session, signer: Signer, tenant_id: TenantId, erasure_id: UUID) -> None:
    found, at = erasures.find(session, tenant_id=tenant_id, erasure_id=erasure_id), clock.now()
    last = evidence.newest(session, tenant_id=tenant_id, public_key=signer.public_key)
    content = {
        "format": FORMAT,
        "company": ids.public("ten", tenant_id),
        "erasure": ids.public("era", erasure_id),
        "customer": ids.public("cus", found.customer_id) if found.customer_id else None,
        "asked_by": str(found.asked_by),
        "asked_at": found.asked_at.isoformat(),
        "done_at": at.isoformat(),
        "removed": dict(found.counts),
        "stays": list(_STAYS),
        "checkpoint": last.note if last else None,
    }
    text = evidence.documents.write(content, signer=signer)
    erasures.finish(session, tenant_id=tenant_id, erasure_id=erasure_id, certificate=text, at=at)


def _insist_free(session: Session, tenant_id: TenantId, person: Person) -> None:
    held = holds.standing(session, tenant_id=tenant_id, kind=holds.HoldKind.CALL)
    theirs = erasure.among(
        session,
        tenant_id=tenant_id,
        customer_id=person.customer_id,
        caller=person.mark(calls.CALLER_INDEX),
        calls_of=held,
    )
    customer_id = person.customer_id or erasures.of_number(session, tenant_id=tenant_id, person=person)
    holds.insist_free(session, tenant_id=tenant_id, customer_id=customer_id, calls=theirs)
