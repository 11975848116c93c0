"""Removing by age, each night of each company's own zone, through all rooms.

A piece at a time, each in one transaction with what it counts, so that a kill in the middle loses nothing
and the next round goes on. While a legal hold stands on the company a night removes nothing and says so;
what a hold on a customer or a call covers is passed over.
"""

import datetime as dt
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from campaigns import aging as leads
from core import clock
from core.config import Settings
from core.ids import OPERATOR, TenantId
from core.storage import Storage
from customers import aging as contacts
from security import standing_orders
from security.gate import Gate, Scope
from security.keystore import Keystore
from security.standing_orders import StandingOrders
from telephony import aging as calls
from tenants import companies, holds, retention
from tenants.holds import Held
from tenants.retention import KeptKind
from tenants.webhooks import deliveries

SHARE_S = 120.0  # of one round, then others get their turn; the rest waits for the next
_AT_ONCE = 200


class Means(Protocol):
    """What removing by age needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings lie."""
        ...

    @property
    def settings(self) -> Settings:
        """Where the switch records."""
        ...


class Keeping(Protocol):
    """What noting rules and holds needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Where they are noted."""
        ...


@dataclass(frozen=True, slots=True)
class Age:
    """What is old enough, in one company."""

    session: Session
    tenant_id: TenantId
    before: dt.datetime
    held: Held
    storage: Storage
    recording_dir: Path


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one rule means: what the next night removes by it; `next_at` None while nothing is set."""

    kind: KeptKind
    days: int | None
    least: int
    most: int
    next_at: dt.datetime | None
    removes: int


_COUNTS: Mapping[KeptKind, Callable[[Age], int]] = {
    KeptKind.RECORDINGS: lambda age: calls.recordings(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held
    ),
    KeptKind.NOTES: lambda age: contacts.count(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held, notes_only=True
    ),
    KeptKind.CONTACTS: lambda age: contacts.count(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held, notes_only=False
    ),
    KeptKind.CALLERS: lambda age: calls.callers(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held
    ),
    KeptKind.LEADS: lambda age: leads.leads(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held
    ),
    KeptKind.WEBHOOKS: lambda age: deliveries.old(age.session, tenant_id=age.tenant_id, before=age.before),
}
_REMOVES: Mapping[KeptKind, Callable[[Age], int]] = {
    KeptKind.RECORDINGS: lambda age: calls.remove_recordings(
        age.session,
        tenant_id=age.tenant_id,
        before=age.before,
        held=age.held,
        limit=_AT_ONCE,
        storage=age.storage,
        recording_dir=age.recording_dir,
    ),
    KeptKind.NOTES: lambda age: contacts.remove(
        age.session,
        tenant_id=age.tenant_id,
        before=age.before,
        held=age.held,
        notes_only=True,
        limit=_AT_ONCE,
    ),
    KeptKind.CONTACTS: lambda age: contacts.remove(
        age.session,
        tenant_id=age.tenant_id,
        before=age.before,
        held=age.held,
        notes_only=False,
        limit=_AT_ONCE,
    ),
    KeptKind.CALLERS: lambda age: calls.forget_callers(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held, limit=_AT_ONCE
    ),
    KeptKind.LEADS: lambda age: leads.remove(
        age.session, tenant_id=age.tenant_id, before=age.before, held=age.held, limit=_AT_ONCE
    ),
    KeptKind.WEBHOOKS: lambda age: deliveries.sweep(age.session, tenant_id=age.tenant_id, before=age.before),
}


def outlook(session: Session, *, tenant_id: TenantId, storage: Storage, recording_dir: Path) -> list[Outlook]:
    """Return every rule with what it will remove in the next night that carries it out, and when that is."""
    company, now = companies.read(session, tenant_id=tenant_id), clock.now()
    held, found = holds.held(session, tenant_id=tenant_id), list[Outlook]()
    for rule in retention.rules(session, tenant_id=tenant_id):
        least, most = retention.bounds(rule.kind, country=company.country)
        next_at, removes = None, 0
        if rule.days is not None and rule.changed_at is not None:
            since = max(now, rule.changed_at + retention.WAITS)
            on_day, next_at = retention.next_night(company.zone, after=since)
            before = retention.cut(company.zone, on_day=on_day, days=rule.days)
            age = Age(session, tenant_id, before, held, storage, recording_dir)
            removes = 0 if held.is_all else _COUNTS[rule.kind](age)
        found.append(Outlook(rule.kind, rule.days, least, most, next_at, removes))
    return found


def run_due(means: Means, *, share_s: float = SHARE_S) -> int:
    """Carry out the nights that have come; return how many things went."""
    until, gone = time.monotonic() + share_s, 0
    with means.gate.open(Scope.system(OPERATOR)) as session:
        every = companies.served(session)
    for company in every:
        on_day = retention.night(company.zone, at=clock.now())
        if on_day is not None:
            gone += _night(means, company.tenant_id, company.zone, on_day, until)
        if time.monotonic() > until:
            break
    return gone


def note(means: Keeping) -> None:
    """Note every company's rules and holds beside the keys, where a restore of the data does not reach."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        every = companies.served(session)
    for company in every:
        tenant_id, now = company.tenant_id, clock.now()
        with means.gate.open(Scope.system(tenant_id)) as session:
            body = {
                "rules": retention.noted(session, tenant_id=tenant_id),
                "holds": holds.noted(session, tenant_id=tenant_id),
            }
        standing_orders.note(means.keystore, StandingOrders(tenant_id, body, now))


def put_back(means: Keeping, *, made_at: dt.datetime) -> int:
    """Bring rules and holds of a restored database up to what was noted; return how many changed.

    Before `replay`: what is held since the backup, or kept for longer since, would go by the backup's own.
    """
    changed = 0
    for orders in standing_orders.every(means.keystore):
        tenant_id = TenantId(orders.tenant_id)
        try:
            with means.gate.open(Scope.system(tenant_id)) as session:
                changed += holds.put_back(session, tenant_id=tenant_id, holds=orders.body["holds"])
                changed += retention.put_back(
                    session,
                    tenant_id=tenant_id,
                    rules=orders.body["rules"],
                    noted_at=orders.noted_at,
                    made_at=made_at,
                )
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):  # the backup is older than the company
                raise
    return changed


def replay(means: Means) -> int:
    """Carry out, over a restored database and before anything is served from it, the night that is due.

    What went by age since the backup goes again, by the rules and holds that `put_back` brought up to date.
    Returns how many things went.
    """
    with means.gate.open(Scope.system(OPERATOR)) as session:
        every = companies.served(session)
    gone = 0
    for company in every:
        on_day = retention.last_night(company.zone, at=clock.now())
        gone += _night(means, company.tenant_id, company.zone, on_day, math.inf)
    return gone


def _night(means: Means, tenant_id: TenantId, zone: str, on_day: dt.date, until: float) -> int:
    scope, gone = Scope.system(tenant_id), 0
    with means.gate.open(scope) as session:
        rules = [one for one in retention.rules(session, tenant_id=tenant_id) if one.days is not None]
        begun = retention.begin(session, tenant_id=tenant_id, on_day=on_day) if rules else None
    if begun is None:
        return 0
    is_held = False
    for rule in rules:
        if not rule.is_in_force(begun.started_at):
            continue
        before = retention.cut(zone, on_day=on_day, days=rule.days or 0)
        while True:
            if time.monotonic() > until:
                return gone
            with means.gate.open(scope) as session:
                # asked before each piece: a hold that is set now holds from now on
                held = holds.held(session, tenant_id=tenant_id)
                if held.is_all:
                    is_held = True
                    break
                age = Age(session, tenant_id, before, held, means.storage, means.settings.recording_dir)
                went = _REMOVES[rule.kind](age)
                if went:
                    retention.count(session, tenant_id=tenant_id, on_day=on_day, kind=rule.kind, more=went)
            gone += went
            if not went:
                break
    with means.gate.open(scope) as session:
        retention.finish(session, tenant_id=tenant_id, on_day=on_day, is_held=is_held)
    return gone
