"""Usage: the one door through which everything that costs money comes in.

Billing hears meters, never calls. The key (tenant, source, event id) is permanent and has no time in it:
the same key with the same content is a duplicate and changes nothing, with other content it becomes a
conflict that somebody decides, and nothing is billed twice. Usage is rated in the transaction that
records it.
"""

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _json
from typing import Any, cast
from uuid import UUID

from sqlalchemy import DateTime, Table, Uuid, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from billing import accounts, tariffs
from billing.errors import UsageInvalidError
from billing.events import CallsShared
from billing.models import RatedChargeRow, TariffRow, UsageConflictRow, UsageEventRow
from billing.rating.rentals import METERS
from billing.rating.rules import Outcome
from billing.rating.tariff import HIDDEN_DIGITS, LONGEST_NUMBER, Rating, Tariff
from billing.tariffs import InForce
from core import clock
from core.events import announce
from core.ids import TenantId, UsageId, new_id

# Made once: a hang-up waits for these, and putting them together costs as much as running them.
_TAKE = (
    insert_or_skip(cast(Table, UsageEventRow.__table__))
    .on_conflict_do_nothing(index_elements=["tenant_id", "source", "event_id"])
    .returning(UsageEventRow.id)
)
_CHARGE = insert(cast(Table, RatedChargeRow.__table__))
_CLOSED_UNTIL = select(
    func.app.closed_until(bindparam("tenant", type_=Uuid()), type_=DateTime(timezone=True))
)

# The run that charges the client company for the service; a second payer of one event has a second run,
# behind that payer's own walls (`billing.sharing`).
SERVICE_RUN = "service"
SHARED_RUN = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Something that was used, as its source reports it.

    Attributes:
        source: who says so, e.g. "telephony".
        event_id: unique at the source for ever, e.g. "call_06d2.../leg-1".
        meter: what was used, e.g. "voice.inbound".
        subject_ref: what it belongs to (a call's id), to find it again.
        occurred_at: aware instant it began (the answer); decides the tariff.
        ended_at: aware instant it ended.
        quantity_ms: milliseconds to be rated; part seconds are rounded up.
        prefix: digits of the number that decides the price (the one dialled), without its last four.
        number_id: our number that was used.
        agent_ref: who worked.
        campaign_ref: the campaign it was for.
        other_party: the other number, sealed by the caller for table `usage_events`, column
            `other_party`, row `usage_id`.
        usage_id: the row's id, given when `other_party` was sealed for it.
    """

    source: str
    event_id: str
    meter: str
    subject_ref: UUID
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    prefix: str
    number_id: UUID | None = None
    agent_ref: UUID | None = None
    campaign_ref: UUID | None = None
    other_party: bytes | None = None
    usage_id: UUID | None = None


class Receipt(StrEnum):
    """What became of a reported usage; received = accepted + duplicate + conflict + rejected."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"  # bulk intake only; a single report that cannot be raises


@dataclass(frozen=True, slots=True)
class Rated:
    """The current charge of a usage event; prices are there only when it is rated."""

    charge_id: UUID
    outcome: Outcome
    reason: str
    price_list: str | None
    version: int | None
    prefix: str | None
    destination: str | None
    billed_seconds: int | None
    amount_nano: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What `record` did. For a duplicate or a conflict `usage_id` and `rated` are the first report's."""

    usage_id: UsageId
    outcome: Receipt
    rated: Rated | None


@dataclass(frozen=True, slots=True)
class Cost:
    """The sum of a subject's charges; it is whole when none still waits for a price."""

    amount_nano: int
    currency: str | None
    is_whole: bool


def record(session: Session, *, tenant_id: TenantId, usage: Usage) -> Recorded:
    """Record and rate one usage event, exactly once.

    Runs in the caller's transaction (the one that hangs up a call): both stand or neither.

    Raises:
        UsageInvalidError: the event cannot be.
    """
    fault = fault_in(usage)
    if fault:
        raise UsageInvalidError(source=usage.source, event_id=usage.event_id, reason=fault)
    usage_id = usage.usage_id or new_id()
    sha256 = payload_sha256(usage)
    fresh = session.execute(
        _TAKE,
        {
            "tenant_id": tenant_id,
            "id": usage_id,
            **_columns(usage),
            "other_party": usage.other_party,
            "payload_sha256": sha256,
            "received_at": clock.now(),
        },
    ).scalar_one_or_none()
    if fresh is None:
        return _seen_before(session, tenant_id, usage, sha256)
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=usage.occurred_at)
    charge_id = new_id()
    zone = accounts.find(session, tenant_id=tenant_id).zone if usage.meter in METERS else ""
    row = charge_values(
        in_force,
        charge_id=charge_id,
        usage_id=usage_id,
        meter=usage.meter,
        prefix=usage.prefix,
        quantity_ms=usage.quantity_ms,
        occurred_at=usage.occurred_at,
        ended_at=usage.ended_at,
        zone=zone,
        closed_until=closed_until(session, tenant_id=tenant_id),
    )
    session.execute(_CHARGE, {"tenant_id": tenant_id, "rated_at": clock.now(), **row})
    if in_force is not None and in_force.tariff.shares_calls(usage.meter):
        tell_payers(session, tenant_id=tenant_id, charge_ids=[charge_id])
    return Recorded(UsageId(usage_id), Receipt.ACCEPTED, _rated(row, in_force))


def charge_values(
    in_force: InForce | None,
    *,
    charge_id: UUID,
    usage_id: UUID,
    meter: str,
    prefix: str,
    quantity_ms: int,
    occurred_at: dt.datetime,
    ended_at: dt.datetime,
    zone: str,
    closed_until: dt.datetime | None,
) -> dict[str, Any]:
    """Rate one event and return the columns of its charge; without a tariff it stays unrated.

    Usage of a period that is closed already is billed in the first open one. `zone` is the account's; only
    what is rented needs it, whose months and days are local.
    """
    if in_force is None:
        found = Rating(Outcome.UNRATED, reason="no-tariff")
    else:
        found = rating(
            in_force.tariff,
            meter=meter,
            prefix=prefix,
            quantity_ms=quantity_ms,
            occurred_at=occurred_at,
            ended_at=ended_at,
            zone=zone,
        )
    is_rated = found.outcome is Outcome.RATED
    return {
        "id": charge_id,
        "usage_id": usage_id,
        "charge_run": SERVICE_RUN,
        "rating_seq": 1,
        "outcome": found.outcome.value,
        "reason": found.reason,
        "tariff_id": in_force.tariff_id if in_force else None,
        "meter": meter,
        "occurred_at": occurred_at,
        "bill_at": max(occurred_at, closed_until or occurred_at),
        "prefix": found.prefix,
        "destination": found.destination,
        "billed_seconds": found.billed_seconds,
        "units_nano": found.units_nano,
        "amount_nano": found.amount_nano,
        "currency": in_force.tariff.currency if in_force and is_rated else None,
    }


def tell_payers(session: Session, *, tenant_id: TenantId, charge_ids: Collection[UUID]) -> None:
    """Announce charges whose other payer has to hear of them, now that they are written.

    By the first and last of their ids, whatever lies between: hearing of a charge twice changes nothing.
    """
    if charge_ids:
        announce(session, CallsShared(tenant_id=tenant_id, first=min(charge_ids), last=max(charge_ids)))


def rating(
    tariff: Tariff,
    *,
    meter: str,
    prefix: str,
    quantity_ms: int,
    occurred_at: dt.datetime,
    ended_at: dt.datetime,
    zone: str,
) -> Rating:
    """Rate one use, called or rented, under a tariff; the one place where that is told apart."""
    if meter in METERS:
        return tariff.rate_rental(
            meter=meter, start=occurred_at, end=ended_at, quantity_ms=quantity_ms, zone=zone
        )
    return tariff.rate(
        meter=meter, prefix=prefix, duration_s=-(-quantity_ms // 1000), answered_at=occurred_at
    )


def closed_until(session: Session, *, tenant_id: TenantId) -> dt.datetime | None:
    """Return the end of the last finalised period, or None; what is before it gets no more lines.

    It stays so until the transaction ends: finalising waits for all who know it, and they for a finalising
    under way. What is due from it on is on the bill that is finalised next, whole.
    """
    return session.execute(_CLOSED_UNTIL, {"tenant": tenant_id}).scalar_one()


def current_charge(session: Session, *, tenant_id: TenantId, usage_id: UUID) -> Rated | None:
    """Return the charge that stands for a usage event, or None when there is no such event."""
    found = session.execute(
        select(RatedChargeRow, TariffRow.price_list, TariffRow.version)
        .outerjoin(
            TariffRow,
            (TariffRow.tenant_id == RatedChargeRow.tenant_id) & (TariffRow.id == RatedChargeRow.tariff_id),
        )
        .where(
            RatedChargeRow.tenant_id == tenant_id,
            RatedChargeRow.usage_id == usage_id,
            RatedChargeRow.charge_run == SERVICE_RUN,
            RatedChargeRow.superseded_by.is_(None),
        )
    ).first()
    if found is None:
        return None
    row, price_list, version = found
    return Rated(
        charge_id=row.id,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        price_list=price_list,
        version=version,
        prefix=row.prefix,
        destination=row.destination,
        billed_seconds=row.billed_seconds,
        amount_nano=row.amount_nano,
        currency=row.currency,
    )


def costs(session: Session, *, tenant_id: TenantId, subject_refs: Collection[UUID]) -> dict[UUID, Cost]:
    """Return what each subject (a call) cost so far, for a list of them; without usage it is left out."""
    rows = session.execute(
        select(
            UsageEventRow.subject_ref,
            func.coalesce(func.sum(RatedChargeRow.amount_nano), 0).label("amount_nano"),
            func.max(RatedChargeRow.currency).label("currency"),
            func.count().filter(RatedChargeRow.outcome != Outcome.RATED.value).label("waiting"),
        )
        .join(
            RatedChargeRow,
            (RatedChargeRow.tenant_id == UsageEventRow.tenant_id)
            & (RatedChargeRow.usage_id == UsageEventRow.id)
            & RatedChargeRow.superseded_by.is_(None),
        )
        .where(UsageEventRow.tenant_id == tenant_id, UsageEventRow.subject_ref.in_(subject_refs))
        .group_by(UsageEventRow.subject_ref)
    )
    return {
        row.subject_ref: Cost(int(row.amount_nano), row.currency, is_whole=not row.waiting) for row in rows
    }


def fault_in(usage: Usage) -> str:
    """Return why a usage event cannot be, in one kebab-case word, or an empty string."""
    if not (usage.source and usage.event_id and usage.meter):
        return "key-missing"
    if usage.occurred_at.tzinfo is None or usage.ended_at.tzinfo is None:
        return "instant-without-zone"
    if usage.ended_at < usage.occurred_at:
        return "ends-before-it-begins"
    if usage.quantity_ms < 0:
        return "quantity-negative"
    if usage.prefix and not (usage.prefix.isascii() and usage.prefix.isdigit()):
        return "prefix-not-digits"
    if len(usage.prefix) > LONGEST_NUMBER - HIDDEN_DIGITS:
        return "prefix-too-long"
    return ""


def payload_sha256(usage: Usage) -> bytes:
    """Return the hash that tells a repeated report from a contradicting one.

    The sealed number is left out: sealing the same number twice gives different bytes.
    """
    # what json.dumps(_payload(usage), sort_keys=True, separators=(",", ":")) gives, at a third of the time
    campaign = f'"campaign_ref":"{usage.campaign_ref}",' if usage.campaign_ref else ""
    written = (
        f'{{"agent_ref":"{usage.agent_ref or ""}",{campaign}"ended_at":"{_instant(usage.ended_at)}"'
        f',"meter":{_json(usage.meter)},"number_id":"{usage.number_id or ""}"'
        f',"occurred_at":"{_instant(usage.occurred_at)}","prefix":{_json(usage.prefix)}'
        f',"quantity_ms":{usage.quantity_ms},"subject_ref":"{usage.subject_ref}"}}'
    )
    return hashlib.sha256(written.encode()).digest()


def record_event(session: Session, *, tenant_id: TenantId, usage: Usage, usage_id: UUID) -> None:
    """Write a use that is known to be a new one, without rating it."""
    session.execute(
        insert(UsageEventRow).values(
            tenant_id=tenant_id,
            id=usage_id,
            **_columns(usage),
            payload_sha256=payload_sha256(usage),
            received_at=clock.now(),
        )
    )


def keep_contradiction(
    session: Session, *, tenant_id: TenantId, usage: Usage, sha256: bytes, **besides: int
) -> None:
    """Keep a report that says something else under a known key, once, until somebody decides about it.

    `besides`: what else it says, where usage alone does not tell what it comes to.
    """
    session.execute(
        insert_or_skip(UsageConflictRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            source=usage.source,
            event_id=usage.event_id,
            payload_sha256=sha256,
            payload=_payload(usage) | besides,
            received_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "source", "event_id", "payload_sha256"])
    )


def _instant(at: dt.datetime) -> str:
    return (at if at.tzinfo is dt.UTC else at.astimezone(dt.UTC)).isoformat(timespec="microseconds")


def _payload(usage: Usage) -> dict[str, Any]:
    return {
        "meter": usage.meter,
        "subject_ref": str(usage.subject_ref),
        "occurred_at": _instant(usage.occurred_at),
        "ended_at": _instant(usage.ended_at),
        "quantity_ms": usage.quantity_ms,
        "prefix": usage.prefix,
        "number_id": str(usage.number_id or ""),
        "agent_ref": str(usage.agent_ref or ""),
        # reports from before there were campaigns keep their hash
        **({"campaign_ref": str(usage.campaign_ref)} if usage.campaign_ref else {}),
    }


def _columns(usage: Usage) -> dict[str, Any]:
    return {
        "source": usage.source,
        "event_id": usage.event_id,
        "meter": usage.meter,
        "subject_ref": usage.subject_ref,
        "occurred_at": usage.occurred_at,
        "ended_at": usage.ended_at,
        "quantity_ms": usage.quantity_ms,
        "prefix": usage.prefix,
        "number_id": usage.number_id,
        "agent_ref": usage.agent_ref,
        "campaign_ref": usage.campaign_ref,
    }


def _seen_before(session: Session, tenant_id: TenantId, usage: Usage, sha256: bytes) -> Recorded:
    first_id, first_sha256 = session.execute(
        select(UsageEventRow.id, UsageEventRow.payload_sha256).where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == usage.source,
            UsageEventRow.event_id == usage.event_id,
        )
    ).one()
    outcome = Receipt.DUPLICATE
    if first_sha256 != sha256:
        outcome = Receipt.CONFLICT
        keep_contradiction(session, tenant_id=tenant_id, usage=usage, sha256=sha256)
    rated = current_charge(session, tenant_id=tenant_id, usage_id=first_id)
    return Recorded(UsageId(first_id), outcome, rated)


def _rated(row: dict[str, Any], in_force: InForce | None) -> Rated:
    return Rated(
        charge_id=row["id"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        price_list=in_force.tariff.price_list if in_force else None,
        version=in_force.tariff.version if in_force else None,
        prefix=row["prefix"],
        destination=row["destination"],
        billed_seconds=row["billed_seconds"],
        amount_nano=row["amount_nano"],
        currency=row["currency"],
    )
