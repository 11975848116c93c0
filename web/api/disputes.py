"""Disputing an invoice: lines of it, or the calls that differ from what the company counted."""

import datetime as dt
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from billing import disputes, invoices
from billing.disputes import Dispute, Item
from billing.matching import Claim
from core import ids
from core.money import NANO, Money
from web import identity, scope
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Moment, Outward, Text
from web.guards import permission

_TAG = "Invoices"
_MOST = 5000


class ClaimIn(Inward):
    """A call as you counted it."""

    started_at: Moment
    duration_s: float = Field(ge=0, le=10_000_000, examples=[230.5])
    number: Text = Field(
        default="", max_length=40, description="The other number; only its first digits count."
    )
    amount: Annotated[Decimal, Field(ge=0, le=1_000_000_000)] | None = Field(
        default=None, description="What it costs by your reckoning, in the currency's unit, before tax."
    )
    event_id: Text = Field(default="", max_length=200, description="Ours, from the CSV of the invoice.")


class DisputeIn(Inward):
    """What is wrong."""

    reason: Text = Field(max_length=400, examples=["Calls of 14 October are there twice"])
    lines: list[int] = Field(default=[], max_length=1000, examples=[[1]])
    calls: list[ClaimIn] | None = Field(
        default=None, max_length=_MOST, description="Every call of the invoice as you counted it."
    )


class DisputeItem(Outward):
    """One thing in question."""

    kind: str = Field(description="`line`, `missing`, `extra`, `duration` or `price`.", examples=["duration"])
    line_no: int | None
    event_id: str
    started_at: Instant | None
    our_duration_ms: int | None
    your_duration_ms: int | None
    our_nano: int | None = Field(description="Billionths of the major unit.")
    your_nano: int | None


class DisputeShown(Outward):
    """A dispute and what became of it."""

    id: str = Field(examples=["dsp_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    invoice: str = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: str = Field(
        description="`open`, `waiting` for a second person, `settled` or `refused`.",
        examples=["open"],
    )
    reason: str
    answer: str = Field(description="Why it was refused.")
    opened_at: Instant
    in_question: Amount = Field(description="Before tax.")
    credit_note: str | None = Field(description="What settled it.")
    items: list[DisputeItem]


class Disputes(Outward):
    """The disputes of an invoice, newest first."""

    data: list[DisputeShown]


@pages.get("/invoices/<invoice_id>/disputes")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: Disputes}, errors=(404,), operation_id="listDisputes")
def list_disputes(invoice_id: str) -> Disputes:
    """List the disputes of an invoice."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    wanted = id_in_path("inv", invoice_id)
    invoices.find(session, tenant_id=tenant_id, invoice_id=wanted)  # another's is not found
    found = disputes.every(session, tenant_id=tenant_id, invoice_id=wanted)
    return Disputes(data=[_shown(one) for one in found])


@pages.post("/invoices/<invoice_id>/disputes")
@permission("invoices.pay")
@operation(tag=_TAG, answers={201: DisputeShown}, errors=(404,), operation_id="openDispute")
def open_dispute(invoice_id: str, json: DisputeIn) -> tuple[DisputeShown, int]:
    """Dispute lines of a final invoice, or send your calls: what differs is classed. The rest stays due."""
    who = identity.current()
    made = disputes.open_dispute(
        scope.session(),
        tenant_id=who.tenant_id,
        invoice_id=id_in_path("inv", invoice_id),
        reason=json.reason,
        by=who.user_id,
        line_nos=set(json.lines),
        claims=None if json.calls is None else [_claim(one) for one in json.calls],
    )
    return _shown(made), 201


@pages.get("/disputes/<dispute_id>")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: DisputeShown}, errors=(404,), operation_id="getDispute")
def one_dispute(dispute_id: str) -> DisputeShown:
    """Look at a dispute, each difference with both sides."""
    return _shown(
        disputes.find(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            dispute_id=id_in_path("dsp", dispute_id),
        )
    )


def _claim(one: ClaimIn) -> Claim:
    return Claim(
        started_at=one.started_at.astimezone(dt.UTC),
        duration_ms=int(one.duration_s * 1000),
        digits="".join(filter(str.isdigit, one.number)),
        event_id=one.event_id,
        amount_nano=None if one.amount is None else int(one.amount * NANO),
    )


def _shown(found: Dispute) -> DisputeShown:
    settled = found.credit_note_id if found.state == disputes.SETTLED else None
    return DisputeShown(
        id=ids.public("dsp", found.dispute_id),
        invoice=ids.public("inv", found.invoice_id),
        state=found.state,
        reason=found.reason,
        answer=found.answer,
        opened_at=found.opened_at,
        in_question=Amount.of(Money(found.in_question_minor, found.currency)),
        credit_note=ids.public("crn", settled) if settled else None,
        items=[_item(one) for one in found.items],
    )


def _item(one: Item) -> DisputeItem:
    return DisputeItem(
        kind=one.kind,
        line_no=one.line_no,
        event_id=one.event_id,
        started_at=one.started_at,
        our_duration_ms=one.ours_ms,
        your_duration_ms=one.theirs_ms,
        our_nano=one.ours_nano,
        your_nano=one.theirs_nano,
    )
