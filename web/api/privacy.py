"""Erasing people, and legal holds that forbid it. A number travels in a body, never in an address."""

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from core import ids
from core.ids import CallId, CustomerId
from core.phone import E164, parse_e164
from customers import erasures, records
from customers.erasures import Erasure
from telephony import calls
from tenants import holds
from tenants.holds import Hold, HoldKind
from web import identity, scope
from web.api import cursors
from web.api.kit import InvalidRequestError, id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Listed, Moment, Outward, PageQuery, Phone, Text
from web.errors import Fault
from web.guards import permission
from wiring import erasing

_LIST = "erasures"


class ErasureShown(Outward):
    """Somebody who is being forgotten, or was."""

    id: str = Field(examples=["era_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    customer: str | None = Field(description="The record it was; null when only a number was known.")
    asked_at: Moment
    done_at: Moment | None = Field(description="Null while it is under way; `customer.erased` tells of it.")
    removed: dict[str, int] = Field(description="Of what how many went.")
    certificate: str | None = Field(description="A signed JSON document; null until it is done.")


class Erasures(Listed):
    """A page of erasures, newest first."""

    data: list[ErasureShown]


class Number(Inward):
    """A number to erase, with whoever has it."""

    phone: Phone


class HoldShown(Outward):
    """A legal hold."""

    id: str = Field(examples=["hold_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    kind: HoldKind
    subject: str | None = Field(description="The customer or the call; null for the whole company.")
    reason: str
    set_at: Moment
    lifted_at: Moment | None


class Holds(Outward):
    """The company's holds, those that stand first."""

    data: list[HoldShown]


class NewHold(Inward):
    """What may not be removed, and why."""

    kind: HoldKind = Field(examples=["customer"])
    subject: Text | None = Field(
        default=None,
        max_length=40,
        description="`cus_…` or `call_…`; left out for the company.",
        examples=["cus_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    reason: Text = Field(min_length=1, max_length=holds.LONGEST_REASON, examples=["Case 2026-117"])


@pages.post("/customers/<customer_id>/erasure")
@permission("privacy.write")
@operation(tag="Privacy", answers={202: ErasureShown}, errors=(404,), operation_id="eraseCustomer")
def erase_customer(customer_id: str) -> tuple[ErasureShown, int]:
    """Forget a customer: the record and everything of it and its number, for good. 403 under a legal hold."""
    card = records.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=CustomerId(id_in_path("cus", customer_id)),
    )
    return _asked(card.phone, card.id), 202


@pages.post("/erasures")
@permission("privacy.write")
@operation(tag="Privacy", answers={202: ErasureShown}, operation_id="eraseNumber")
def erase_number(json: Number) -> tuple[ErasureShown, int]:
    """Forget whoever has a number, with a record or without. 403 under a legal hold."""
    return _asked(parse_e164(json.phone, region=identity.current().company.country), None), 202


@pages.get("/erasures")
@permission("privacy.read")
@operation(tag="Privacy", answers={200: Erasures}, operation_id="listErasures")
def list_erasures(query: PageQuery) -> Erasures:
    """List erasures, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = erasures.newest(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit + 1,
        before=ids.parse("era", after[0]) if after else None,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Erasures(
        data=[_erasure(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("era", shown[-1].erasure_id), of=_LIST) if has_more else None,
    )


@pages.get("/erasures/<erasure_id>")
@permission("privacy.read")
@operation(tag="Privacy", answers={200: ErasureShown}, errors=(404,), operation_id="getErasure")
def one_erasure(erasure_id: str) -> ErasureShown:
    """Look at one erasure, with its certificate."""
    found = erasures.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        erasure_id=id_in_path("era", erasure_id),
    )
    return _erasure(found)


@pages.get("/holds")
@permission("privacy.read")
@operation(tag="Privacy", answers={200: Holds}, operation_id="listHolds")
def list_holds() -> Holds:
    """List legal holds, those that stand first."""
    found = holds.every(scope.session(), tenant_id=identity.current().tenant_id)
    return Holds(data=[_hold(one) for one in found])


@pages.post("/holds")
@permission("privacy.write")
@operation(tag="Privacy", answers={201: HoldShown}, errors=(404,), operation_id="setHold")
def set_hold(json: NewHold) -> tuple[HoldShown, int]:
    """Set a hold: nothing it covers is removed until it is lifted."""
    who, session = identity.current(), scope.session()
    if (json.kind is HoldKind.COMPANY) != (json.subject is None):
        raise InvalidRequestError(faults=[Fault("subject", "a customer or a call has one, the company none")])
    hold_id = holds.put(
        session,
        tenant_id=who.tenant_id,
        kind=json.kind,
        subject_id=None if json.subject is None else _subject(json.kind, json.subject),
        reason=json.reason,
        by=who.principal_id,
    )
    (made,) = [one for one in holds.every(session, tenant_id=who.tenant_id) if one.hold_id == hold_id]
    return _hold(made), 201


@pages.post("/holds/<hold_id>/lift")
@permission("privacy.write")
@operation(tag="Privacy", answers={204: None}, errors=(404,), operation_id="liftHold")
def lift_hold(hold_id: str) -> Response:
    """Lift a hold. Doing it twice changes nothing."""
    who = identity.current()
    holds.lift(
        scope.session(),
        tenant_id=who.tenant_id,
        hold_id=id_in_path("hold", hold_id),
        by=who.principal_id,
    )
    return Response(status=204)


def _asked(phone: E164, customer_id: CustomerId | None) -> ErasureShown:
    who, session = identity.current(), scope.session()
    erasure_id = erasing.ask(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phone=phone,
        customer_id=customer_id,
        by=who.principal_id,
    )
    return _erasure(erasures.find(session, tenant_id=who.tenant_id, erasure_id=erasure_id))


def _subject(kind: HoldKind, text: str) -> UUID:
    known: dict[str, Any] = {
        "tenant_id": identity.current().tenant_id,
        "vault": scope.services().vault,
    }
    if kind is HoldKind.CUSTOMER:
        found = CustomerId(ids.parse("cus", text))
        records.get(scope.session(), **known, customer_id=found)
        return found
    call_id = CallId(ids.parse("call", text))
    calls.get(scope.session(), **known, call_id=call_id)
    return call_id


def _erasure(one: Erasure) -> ErasureShown:
    return ErasureShown(
        id=ids.public("era", one.erasure_id),
        customer=ids.public("cus", one.customer_id) if one.customer_id else None,
        asked_at=one.asked_at,
        done_at=one.done_at,
        removed=dict(one.counts),
        certificate=one.certificate,
    )


def _hold(one: Hold) -> HoldShown:
    prefix = "cus" if one.kind is HoldKind.CUSTOMER else "call"
    return HoldShown(
        id=ids.public("hold", one.hold_id),
        kind=one.kind,
        subject=ids.public(prefix, one.subject_id) if one.subject_id else None,
        reason=one.reason,
        set_at=one.set_at,
        lifted_at=one.lifted_at,
    )
