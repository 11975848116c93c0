"""Whose a number is and by which paper it may be shown: what the papers of a number say.

Who signs a call says by it how well the number shown is proven (ATIS-1000074, attestation A, B and C), and
has to be able to prove it: the holder of record, the paper by which the number is ours or the client's to
show, and from when to when. Statements are the operator's rows, one version after the other and never
changed; the renter's own row holds the newest, by which the gate of outgoing calls decides at the dial
instant. A number whose papers nobody has stated may be shown by whoever rents it.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import OPERATOR, NumberId, TenantId
from telephony.models import NumberRightRow

SOON = dt.timedelta(days=30)
"""So long before a paper runs out both sides are told."""


class Holder(StrEnum):
    """Who is the holder of record."""

    OPERATOR = "operator"
    CARRIER = "carrier"
    CLIENT = "client"  # it has brought the number along


class Paper(StrEnum):
    """By which paper a number may be used."""

    RANGE = "number-range"  # the regulator's allocation
    ORDER = "number-order"
    PORTING = "porting-contract"
    LETTER = "letter-of-authorisation"
    CONTRACT = "contract"


class Attestation(StrEnum):
    """How well it is proven that the caller may show the number."""

    A = "A"  # who calls is known, and may show it
    B = "B"  # who calls is known
    C = "C"  # only where the call came from is known


class Standing(StrEnum):
    """Whether a number may be shown at an instant."""

    STANDS = "stands"
    ENDS_SOON = "ends-soon"
    NOT_YET = "not-yet"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """The newest statement about a number.

    Attributes:
        holder: who is the holder of record.
        holder_name: the carrier's, when it is one; else empty.
        holder_tenant_id: the client's, when it is one: nobody else rents the number then.
        paper, reference: the paper, and what stands on it to find it by.
        attestation: what a signer may say of calls that show the number.
        starts_at, ends_at: from midnight to midnight at the operator's, the second no longer; None: no end.
        withdrawn_at: since when nobody may show it any more, whatever the paper says.
        version: 1 for the first statement of a number.
        stated_at: when it was stated.
    """

    holder: Holder
    holder_name: str = ""
    holder_tenant_id: TenantId | None = None
    paper: Paper
    reference: str
    attestation: Attestation
    starts_at: dt.datetime
    ends_at: dt.datetime | None = None
    withdrawn_at: dt.datetime | None = None
    version: int = 1
    stated_at: dt.datetime | None = None

    def standing(self, at: dt.datetime) -> Standing:
        """Return whether the number may be shown at an instant, and if not, why."""
        if self.withdrawn_at is not None and self.withdrawn_at <= at:
            return Standing.WITHDRAWN
        if at < self.starts_at:
            return Standing.NOT_YET
        if self.ends_at is None:
            return Standing.STANDS
        if self.ends_at <= at:
            return Standing.ENDED
        return Standing.ENDS_SOON if self.ends_at - at <= SOON else Standing.STANDS

    def stands(self, at: dt.datetime) -> bool:
        """Whether the number may be shown at an instant."""
        return self.standing(at) in {Standing.STANDS, Standing.ENDS_SOON}

    def payload(self) -> str:
        """Return it as JSON, for the renter's row; which company holds it is known there."""
        return json.dumps(
            {
                "holder": self.holder.value,
                "holder_name": self.holder_name,
                "paper": self.paper.value,
                "reference": self.reference,
                "attestation": self.attestation.value,
                "starts_at": self.starts_at.isoformat(),
                "ends_at": self.ends_at.isoformat() if self.ends_at else None,
                "withdrawn_at": self.withdrawn_at.isoformat() if self.withdrawn_at else None,
                "version": self.version,
            },
            sort_keys=True,
        )


def read(payload: Mapping[str, Any] | None) -> Right | None:
    """Return what a renter's row says; None: nothing is stated."""
    if payload is None:
        return None
    return Right(
        holder=Holder(payload["holder"]),
        holder_name=str(payload["holder_name"]),
        paper=Paper(payload["paper"]),
        reference=str(payload["reference"]),
        attestation=Attestation(payload["attestation"]),
        starts_at=dt.datetime.fromisoformat(str(payload["starts_at"])),
        ends_at=_instant(payload["ends_at"]),
        withdrawn_at=_instant(payload["withdrawn_at"]),
        version=int(payload["version"]),
    )


def newest(session: Session, *, number_id: NumberId) -> Right | None:
    """Return the newest statement about a number in stock; in the operator's own transaction."""
    found = history(session, number_id=number_id)
    return found[0] if found else None


def history(session: Session, *, number_id: NumberId) -> list[Right]:
    """Return every statement about a number in stock, newest first; in the operator's own transaction."""
    rows = session.scalars(
        select(NumberRightRow)
        .where(NumberRightRow.tenant_id == OPERATOR, NumberRightRow.number_id == number_id)
        .order_by(NumberRightRow.version.desc())
    )
    return [_right(row) for row in rows]


def of_all(session: Session) -> dict[NumberId, Right]:
    """Return the newest statement about each number in stock; in the operator's own transaction."""
    rows = session.scalars(
        select(NumberRightRow)
        .where(NumberRightRow.tenant_id == OPERATOR)
        .order_by(NumberRightRow.number_id, NumberRightRow.version)
    )
    return {NumberId(row.number_id): _right(row) for row in rows}


def _right(row: NumberRightRow) -> Right:
    return Right(
        holder=Holder(row.holder),
        holder_name=row.holder_name,
        holder_tenant_id=TenantId(row.holder_tenant_id) if row.holder_tenant_id else None,
        paper=Paper(row.paper),
        reference=row.reference,
        attestation=Attestation(row.attestation),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        withdrawn_at=row.withdrawn_at,
        version=row.version,
        stated_at=row.stated_at,
    )


def _instant(text: object) -> dt.datetime | None:
    return dt.datetime.fromisoformat(str(text)) if text else None
