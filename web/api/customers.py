"""Customers: list, search, add, look at, change; their contacts, and who looked; how a contact may end.

A list shows masked values. One customer is shown in full, and the look stands in the company's access log,
as it does when a person looks. A number to search for travels in a body: addresses end up in logs.
"""

import datetime as dt
from typing import Annotated, Any

from flask import Response
from pydantic import Field

from core import ids
from core.ids import CustomerId, InteractionId
from core.phone import E164, parse_e164
from customers import dispositions, do_not_call, interactions, lookup, pins, records, reveals, search
from customers.dispositions import Disposition
from customers.do_not_call import Why
from customers.interactions import Interaction
from customers.records import CustomerCard, CustomerDetails
from customers.reveals import Reveal
from tenants import users
from web import identity, scope
from web.api import cursors, preconditions
from web.api.kit import InvalidRequestError, id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Outward, PageQuery, Phone, Text, shown_as
from web.errors import Fault
from web.guards import permission

_LIST, _CONTACTS, _LOOKS = "customers", "interactions", "looks"
_SOURCE = "api"
_MOST_FOUND = 200

Name = Annotated[Text, Field(min_length=1, max_length=200, examples=["Ines Carvalho"])]
Email = Annotated[Text, Field(min_length=1, max_length=254, examples=["ines@example.com"])]
Postcode = Annotated[Text, Field(min_length=1, max_length=20, examples=["SW1A 1AA"])]
Notes = Annotated[str, Field(min_length=1, max_length=10_000)]


class CustomerMasked(Outward):
    """A customer of the list: enough to recognise, not to use."""

    id: str = Field(examples=["cus_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str = Field(examples=["I. C."])
    phone: str = Field(examples=["+44 7700 900•••"])
    email: str | None
    postcode: str | None
    created_at: Instant
    updated_at: Instant


class CustomerPin(Inward):
    """A PIN for the phone."""

    pin: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")] | None = Field(
        description="Four to eight digits, not all the same and not a run like 1234. Null: none any more.",
        examples=["4071"],
    )


class CustomerPinOut(Outward):
    """Whether a customer has a PIN."""

    is_set: bool


class CustomerWhole(Outward):
    """One customer in full."""

    id: str = Field(examples=["cus_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    phone: str = Field(description="E.164.", examples=["+447700900123"])
    email: str | None
    postcode: str | None
    notes: str | None
    do_not_call: bool = Field(description="Nobody may call this number, by hand or by campaign.")
    created_at: Instant
    updated_at: Instant


class Customers(Listed):
    """A page of customers, newest first."""

    data: list[CustomerMasked]


class Found(Outward):
    """What a search found."""

    data: list[CustomerMasked]
    has_more: bool = Field(description="More customers have such a name: say more of it.")


class NewCustomer(Inward):
    """A customer to add."""

    name: Name
    phone: Phone
    email: Email | None = None
    postcode: Postcode | None = None
    notes: Notes | None = None


class CustomerChange(Inward):
    """What to change; what is left out stays, null removes it."""

    model_config = shown_as(postcode="SW1A 1AA")

    name: Name | None = None
    phone: Phone | None = None
    email: Email | None = None
    postcode: Postcode | None = None
    notes: Notes | None = None


class Wanted(Inward):
    """Whom to look for: a number, how it ends, or a name."""

    model_config = shown_as(phone="+447700900123")

    phone: Phone | None = None
    name: Text | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Words that all stand in the name. Looked for among the 5,000 customers added last, and,"
        " in a larger company, also among all whose name begins with the same two letters.",
    )
    ending: str | None = Field(
        default=None,
        pattern="^[0-9]{4}$",
        description="The last four digits of the number.",
        examples=["0123"],
    )


class Listing(Inward):
    """Whether a number stands on the do-not-call list."""

    listed: bool
    reason: Why = Field(default=Why.HOLDER_ASKED, description="Why it is taken off, with `listed: false`.")


class Contact(Outward):
    """One contact with a customer."""

    id: str = Field(examples=["int_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    channel: str = Field(examples=["voice"])
    direction: str = Field(examples=["in"])
    call: str | None = Field(description="The call it was, if it was one.")
    started_at: Instant
    duration_ms: int
    agent: int | None = Field(description="The number that was announced.")
    disposition: str | None
    note: str | None


class Contacts(Listed):
    """A page of contacts, newest first."""

    data: list[Contact]


class Look(Outward):
    """One look at a field that is kept masked."""

    at: Instant
    field: str = Field(examples=["phone"])
    by: str = Field(
        description="The person (`usr_…`) or the API key (`key_…`) that looked.",
        examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    call: str | None = Field(description="The call it was about, if it was about one.")


class Looks(Listed):
    """A page of looks, newest first."""

    data: list[Look]


class Ending(Outward):
    """One way a contact may end."""

    code: str = Field(examples=["redelivery"])
    label_en: str
    label_zh: str
    position: int
    parent: str | None = Field(description="The outcome it stands under, when it is a sub-code.")


class Endings(Outward):
    """Dispositions in use, in the order agents see them."""

    data: list[Ending]


class EndingPut(Inward):
    """A disposition as it is to be."""

    label_en: Text = Field(min_length=1, max_length=80, examples=["Redelivery booked"])
    label_zh: Text = Field(min_length=1, max_length=80, examples=["已改签"])
    position: int = Field(default=0, ge=0, le=10_000)
    parent: Text | None = Field(
        default=None,
        max_length=40,
        description="The outcome it stands under: agents who choose that one choose one of these, too.",
    )


@pages.get("/customers")
@permission("customers.read")
@operation(tag="Customers", answers={200: Customers}, operation_id="listCustomers")
def list_customers(query: PageQuery) -> Customers:
    """List customers, newest first, masked."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = records.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        limit=query.limit,
        after=CustomerId(ids.parse("cus", after[0])) if after else None,
        newest_first=True,
    )
    return Customers(
        data=[_masked(card) for card in found.customers],
        has_more=found.after is not None,
        next=cursors.encode(ids.public("cus", found.after), of=_LIST) if found.after else None,
    )


@pages.post("/customers")
@permission("customers.write")
@operation(tag="Customers", answers={201: CustomerWhole}, errors=(409,), operation_id="addCustomer")
def add_customer(json: NewCustomer) -> tuple[CustomerWhole, int, dict[str, str]]:
    """Add a customer. A number belongs to one customer: 409 when another has it."""
    card = records.add(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        details=CustomerDetails(
            name=json.name,
            phone=_number(json.phone),
            email=json.email,
            postcode=json.postcode,
            notes=json.notes,
        ),
    )
    made = _whole(card)
    return made, 201, {"Location": f"/api/v1/customers/{made.id}", **preconditions.tag(card.version)}


@pages.post("/customers/search")
@permission("customers.read")
@operation(tag="Customers", answers={200: Found}, errors=(409,), operation_id="searchCustomers")
def search_customers(json: Wanted) -> Found:
    """Find the customer with exactly this number, or customers by its last four digits or by their name.

    It is a POST so that number and name stand in no address, and in no log.
    """
    session, tenant_id, vault = scope.session(), identity.current().tenant_id, scope.services().vault
    if [json.phone, json.name, json.ending].count(None) != 2:  # noqa: PLR2004 - one of three
        raise InvalidRequestError(faults=[Fault("", "say one of phone, name and ending")])
    if json.phone is not None:
        card = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=_number(json.phone))
        return Found(data=[_masked(card)] if card else [], has_more=False)
    if json.ending is not None:
        cards = search.by_ending(
            session, tenant_id=tenant_id, vault=vault, digits=json.ending, limit=_MOST_FOUND + 1
        )
    else:
        cards = search.by_name(
            session, tenant_id=tenant_id, vault=vault, words=json.name or "", limit=_MOST_FOUND + 1
        )
    return Found(data=[_masked(one) for one in cards[:_MOST_FOUND]], has_more=len(cards) > _MOST_FOUND)


@pages.get("/customers/<customer_id>")
@permission("customers.read")
@operation(tag="Customers", answers={200: CustomerWhole}, errors=(404,), operation_id="getCustomer")
def one_customer(customer_id: str) -> tuple[CustomerWhole, int, dict[str, str]]:
    """Look at one customer in full. The look stands in your access log."""
    card, who = _find(customer_id), identity.current()
    for field in reveals.FIELDS:
        if getattr(card, field):
            reveals.reveal(
                scope.session(),
                tenant_id=who.tenant_id,
                vault=scope.services().vault,
                customer_id=card.id,
                field=field,
                principal_id=who.principal_id,
            )
    return _whole(card), 200, preconditions.tag(card.version)


@pages.patch("/customers/<customer_id>")
@permission("customers.write")
@operation(
    tag="Customers",
    answers={200: CustomerWhole},
    errors=(404,),
    operation_id="changeCustomer",
    conditional=True,
)
def change_customer(customer_id: str, json: CustomerChange) -> tuple[CustomerWhole, int, dict[str, str]]:
    """Change a customer that nobody else has changed since you read it."""
    card, given = _find(customer_id), json.model_fields_set
    preconditions.insist(card.version)
    changed = records.update(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=card.id,
        version=card.version,
        details=CustomerDetails(
            name=json.name or card.name,
            phone=_number(json.phone) if json.phone else card.phone,
            email=json.email if "email" in given else card.email,
            postcode=json.postcode if "postcode" in given else card.postcode,
            notes=json.notes if "notes" in given else card.notes,
        ),
    )
    return _whole(changed), 200, preconditions.tag(changed.version)


@pages.put("/customers/<customer_id>/do-not-call")
@permission("customers.write")
@operation(
    tag="Customers",
    answers={200: CustomerWhole},
    errors=(404,),
    operation_id="setDoNotCall",
)
def set_do_not_call(customer_id: str, json: Listing) -> tuple[CustomerWhole, int, dict[str, str]]:
    """Put the customer's number on the do-not-call list, or take it off."""
    card, who, vault = _find(customer_id), identity.current(), scope.services().vault
    if json.listed:
        do_not_call.add(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=vault,
            phone=card.phone,
            source=_SOURCE,
            by=who.principal_id,
        )
    else:
        do_not_call.remove(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=vault,
            phone=card.phone,
            why=json.reason,
            by=who.principal_id,
        )
    return _whole(card), 200, preconditions.tag(card.version)


@pages.put("/customers/<customer_id>/pin")
@permission("customers.write")
@operation(tag="Customers", answers={200: CustomerPinOut}, errors=(404,), operation_id="setCustomerPin")
def set_customer_pin(customer_id: str, json: CustomerPin) -> CustomerPinOut:
    """Set the PIN a customer types on the phone, or take it away. Nobody can read it again."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = CustomerId(id_in_path("cus", customer_id))
    if json.pin is None:
        pins.take(session, tenant_id=tenant_id, customer_id=found)
    else:
        vault = scope.services().vault
        pins.put(session, tenant_id=tenant_id, vault=vault, customer_id=found, digits=json.pin)
    return CustomerPinOut(is_set=json.pin is not None)


@pages.get("/customers/<customer_id>/interactions")
@permission("customers.read")
@operation(tag="Customers", answers={200: Contacts}, errors=(404,), operation_id="listInteractions")
def list_interactions(customer_id: str, query: PageQuery) -> Contacts:
    """List the contacts with a customer, newest first."""
    card, after = _find(customer_id), cursors.decode(query.starting_after, of=_CONTACTS)
    found = interactions.recent(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=card.id,
        limit=query.limit + 1,
        after=(dt.datetime.fromisoformat(after[0]), InteractionId(ids.parse("int", after[1])))
        if after
        else None,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Contacts(
        data=[_contact(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(shown[-1].started_at.isoformat(), ids.public("int", shown[-1].id), of=_CONTACTS)
        if has_more
        else None,
    )


@pages.get("/customers/<customer_id>/looks")
@permission("customers.read")
@operation(tag="Customers", answers={200: Looks}, errors=(404,), operation_id="listLooks")
def list_looks(customer_id: str, query: PageQuery) -> Looks:
    """List who looked at a customer's masked fields, newest first."""
    card, after = _find(customer_id), cursors.decode(query.starting_after, of=_LOOKS)
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = reveals.of_customer(
        session,
        tenant_id=tenant_id,
        customer_id=card.id,
        after=(dt.datetime.fromisoformat(after[0]), ids.parse("look", after[1])) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    people = users.names(
        session,
        tenant_id=tenant_id,
        vault=scope.services().vault,
        user_ids={one.principal_id for one in shown},
    )
    return Looks(
        data=[_look(one, is_person=one.principal_id in people) for one in shown],
        has_more=has_more,
        next=cursors.encode(shown[-1].at.isoformat(), ids.public("look", shown[-1].id), of=_LOOKS)
        if has_more
        else None,
    )


@pages.get("/dispositions")
@permission("customers.read")
@operation(tag="Dispositions", answers={200: Endings}, operation_id="listDispositions")
def list_dispositions() -> Endings:
    """List how a contact may end."""
    found = dispositions.offered(scope.session(), tenant_id=identity.current().tenant_id)
    return Endings(data=[_ending(one) for one in found])


@pages.put("/dispositions/<code>")
@permission("settings.write")
@operation(tag="Dispositions", answers={200: Ending}, errors=(404,), operation_id="putDisposition")
def put_disposition(code: str, json: EndingPut) -> Ending:
    """Add a disposition, or change its words and place. A retired one comes back."""
    made = Disposition(code, json.label_en, json.label_zh, json.position, json.parent)
    dispositions.define(scope.session(), tenant_id=identity.current().tenant_id, disposition=made)
    return _ending(made)


@pages.delete("/dispositions/<code>")
@permission("settings.write")
@operation(tag="Dispositions", answers={204: None}, errors=(404,), operation_id="retireDisposition")
def retire_disposition(code: str) -> Response:
    """Offer a disposition no longer; contacts that ended with it keep it."""
    dispositions.retire(scope.session(), tenant_id=identity.current().tenant_id, code=code)
    return Response(status=204)


def _find(customer_id: str) -> CustomerCard:
    return records.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=CustomerId(id_in_path("cus", customer_id)),
    )


def _number(text: str) -> E164:
    return parse_e164(text, region=identity.current().company.country)


def _masked(card: CustomerCard) -> CustomerMasked:
    return CustomerMasked(
        id=ids.public("cus", card.id),
        name=card.masked_name,
        phone=card.masked_phone,
        email=card.masked_email,
        postcode=card.masked_postcode,
        created_at=card.created_at,
        updated_at=card.updated_at,
    )


def _whole(card: CustomerCard) -> CustomerWhole:
    is_listed = do_not_call.is_listed(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        phone=card.phone,
    )
    return CustomerWhole(
        id=ids.public("cus", card.id),
        name=card.name,
        phone=card.phone,
        email=card.email,
        postcode=card.postcode,
        notes=card.notes,
        do_not_call=is_listed,
        created_at=card.created_at,
        updated_at=card.updated_at,
    )


def _contact(one: Interaction) -> Contact:
    values: dict[str, Any] = {
        "id": ids.public("int", one.id),
        "channel": one.channel.value,
        "direction": one.direction.value,
        "call": ids.public("call", one.subject_ref) if one.kind == interactions.CALL else None,
        "started_at": one.started_at,
        "duration_ms": one.duration_ms,
        "agent": one.agent_number,
        "disposition": one.disposition,
        "note": one.note,
    }
    return Contact.model_validate(values)


def _look(one: Reveal, *, is_person: bool) -> Look:
    return Look(
        at=one.at,
        field=one.field,
        by=ids.public("usr" if is_person else "key", one.principal_id),
        call=ids.public("call", one.subject_ref) if one.subject_ref else None,
    )


def _ending(one: Disposition) -> Ending:
    return Ending(
        code=one.code,
        label_en=one.label_en,
        label_zh=one.label_zh,
        position=one.position,
        parent=one.parent,
    )
