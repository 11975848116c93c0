"""Comparing bills, movements of money and call records with what the evidence log says, each night.

The log cannot be rewritten unseen; a row in a table could be, by whoever holds the database. What the log
has a digest of has to be there as it was, and what is there since the log took digests has to be in the log.
Source: reference: security, T52.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import digests
from core import ids, log
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security import evidence
from security.evidence import Entry
from security.gate import Gate, Scope
from telephony import proof
from tenants import alarms, companies

_log = log.get(__name__)
_AT_ONCE = 500


class Means(Protocol):
    """What comparing needs of a process."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...


@dataclass(frozen=True, slots=True)
class _Proved:
    prefix: str
    digest: Callable[[Session, TenantId, UUID], str]
    written: str  # SQL: what has to be in the log, if written after `since`


_PROVED: Mapping[str, _Proved] = {
    "invoice.finalised": _Proved(
        "inv",
        lambda session, tenant_id, ref: digests.of_invoice(session, tenant_id=tenant_id, invoice_id=ref),
        "SELECT id FROM app.invoices WHERE tenant_id = :tenant AND state = 'finalised'"
        " AND finalised_at > :since",
    ),
    "journal.posted": _Proved(
        "jrn",
        lambda session, tenant_id, ref: digests.of_journal(session, tenant_id=tenant_id, journal_id=ref),
        "SELECT id FROM app.journals WHERE tenant_id = :tenant AND created_at > :since",
    ),
}


class RowsDifferError(SeatlineError):
    """A row is not what the evidence log says it was, is gone, or was never written down."""

    code = "rows-differ"


@dataclass(frozen=True, slots=True)
class Compared:
    """How many bills, movements and minutes of calls were compared; public ids, or minutes, that differ."""

    rows: int
    differing: tuple[str, ...]


def compare(gate: Gate, *, tenant_id: TenantId) -> Compared:
    """Compare one company's rows with its log, a page at a time."""
    seen: dict[str, set[UUID]] = {}
    since: dict[str, dt.datetime] = {}
    differing: list[str] = []
    for action, proved in _PROVED.items():
        below: int | None = None
        while True:
            with gate.open(Scope.system(tenant_id)) as session:
                page = evidence.page(session, tenant_id=tenant_id, limit=_AT_ONCE, action=action, below=below)
                differing += [
                    one.fact.subject for one in page.entries if not _holds(session, tenant_id, proved, one)
                ]
            for one in page.entries:
                if "digest" in one.fact.details:
                    seen.setdefault(action, set()).add(ids.parse(proved.prefix, one.fact.subject))
                    since[action] = one.at  # newest first: the last one is the oldest
            if not page.has_older:
                break
            below = page.entries[-1].seq
        if action in since:
            with gate.open(Scope.system(tenant_id)) as session:
                there = session.scalars(
                    text(proved.written), {"tenant": tenant_id, "since": since[action]}
                ).all()
            differing += [ids.public(proved.prefix, one) for one in there if one not in seen[action]]
    minutes, odd = _calls(gate, tenant_id)
    return Compared(sum(map(len, seen.values())) + minutes, (*differing, *odd))


def _calls(gate: Gate, tenant_id: TenantId) -> tuple[int, list[str]]:
    """Compare the minutes in which calls were written down; return how many, and those that differ."""
    noted: set[dt.datetime] = set()
    differing: list[dt.datetime] = []
    below: int | None = None
    while True:
        with gate.open(Scope.system(tenant_id)) as session:
            page = evidence.page(
                session, tenant_id=tenant_id, limit=_AT_ONCE, action=proof.NOTED, below=below
            )
            for said in (one.fact.details for one in page.entries):
                minute = proof.minute_of(str(said["minute"]))
                noted.add(minute)
                if proof.of_minute(session, tenant_id=tenant_id, minute=minute) != (
                    said["calls"],
                    said["digest"],
                ):
                    differing.append(minute)
        if not page.has_older:
            break
        below = page.entries[-1].seq
    if noted:  # a minute between them that the log knows nothing of was put in later
        with gate.open(Scope.system(tenant_id)) as session:
            there = proof.minutes(session, tenant_id=tenant_id, since=min(noted), until=max(noted))
        differing += [one for one in there if one not in noted]
    return len(noted), [one.strftime("calls of %Y-%m-%dT%H:%MZ") for one in sorted(differing)]


def run(means: Means) -> None:
    """Compare every company's; each difference is an alarm of the company's and the operator's.

    Raises:
        RowsDifferError: something differs; all companies were looked at.
    """
    with means.gate.open(Scope.system(OPERATOR)) as session:
        every = companies.served(session)
    trouble = False
    for company in every:
        found = compare(means.gate, tenant_id=company.tenant_id)
        for subject in found.differing:
            trouble = True
            _log.critical("rows-differ", tenant=str(company.tenant_id), subject=subject)
            with means.gate.open(Scope.system(company.tenant_id)) as session:
                alarms.raise_alarm(session, "rows-differ", tenant_id=company.tenant_id, subject=subject)
    if trouble:
        raise RowsDifferError


def _holds(session: Session, tenant_id: TenantId, proved: _Proved, entry: Entry) -> bool:
    said = entry.fact.details.get("digest")
    if said is None:  # written before there were digests
        return True
    return proved.digest(session, tenant_id, ids.parse(proved.prefix, entry.fact.subject)) == said
