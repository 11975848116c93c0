"""The company's customers: the list, masked; one record; editing it, two at a time without loss.

What is kept masked is revealed field by field, and each look stands in the record. Editing shows everything,
so opening the form is a look at every field. What is looked for stands sealed in the address.
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids
from core.ids import CustomerId
from core.phone import E164, InvalidNumberError, international, mask, parse_e164
from customers import consent, do_not_call, interactions, lookup, narrow, pins, records, reveals, search
from customers.consent import LONGEST_BASIS, LONGEST_PROOF, Channel, Consent, Purpose
from customers.do_not_call import Why
from customers.errors import (
    ConsentBasisError,
    ConsentProofError,
    ConsentTimeError,
    CustomerChangedError,
    CustomerDetailsError,
    CustomerExistsError,
    CustomerNotFoundError,
)
from customers.interactions import Interaction
from customers.records import CustomerCard, CustomerDetails
from telephony import calls as telephony
from telephony.calls import Filter
from telephony.routing import settings as routing
from tenants import users
from web import edits, i18n, identity, said, scope, tables
from web.guards import permission
from web.portal import calls, tickets
from web.portal.views import pages
from web.shown import calls as shown
from web.shown import do_not_call as do_not_call_words

_CALLS = 10
_LOOKS = 20
_SOURCE = "portal"
_MINUTE = "%Y-%m-%dT%H:%M"  # as a browser's field for day and hour has it

PURPOSES: Mapping[Purpose, LazyString] = {
    Purpose.ALL: _l("All calls"),
    Purpose.MARKETING: _l("Offers and advertising"),
    Purpose.SERVICE: _l("Service: orders, contracts, appointments"),
    Purpose.SURVEY: _l("Surveys"),
}
CHANNELS: Mapping[Channel, LazyString] = {
    Channel.CALL: _l("In a call"),
    Channel.WEB_FORM: _l("On a web form"),
    Channel.PAPER: _l("On paper"),
    Channel.EMAIL: _l("By e-mail"),
    Channel.MESSAGE: _l("By message"),
    Channel.IN_PERSON: _l("In person"),
    Channel.OTHER: _l("Otherwise"),
}


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One customer of the list, masked; see templates/portal/customers.html."""

    id: str
    name: str
    phone: str
    email: str
    postcode: str
    added_at: dt.datetime
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One word about being called, as the record shows it."""

    is_given: bool
    purpose: str
    channel: str
    basis: str
    proof: str
    said_at: dt.datetime
    recorded_at: dt.datetime
    by: str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a field: who, which, when."""

    at: dt.datetime
    by: str
    field: str


CUSTOMERS: tables.Table[CustomerRow] = tables.Table(
    "customers",
    (
        tables.Column("name", _l("Customer"), lambda row: row.name),
        tables.Column("phone", _l("Number"), lambda row: row.phone),
        tables.Column("email", _l("E-mail"), lambda row: row.email),
        tables.Column("postcode", _l("Postcode"), lambda row: row.postcode),
        tables.Column("added", _l("Added"), lambda row: row.added_at, sorts=True),
        tables.Column("changed", _l("Last change"), lambda row: row.changed_at),
    ),
    filters=(
        tables.Sealed("phone", _l("Number"), shown=lambda number: mask(E164(number))),
        tables.Sealed("name", _l("Name"), shown=lambda name: name),
        tables.Sealed("ending", _l("Last four digits"), shown=lambda digits: f"•••{digits}"),
    ),
    order="-added",
)


def _fields() -> list[edits.Field]:
    return [
        edits.Field("name", gettext("Name")),
        edits.Field("phone", gettext("Number")),
        edits.Field("email", gettext("E-mail")),
        edits.Field("postcode", gettext("Postcode")),
        edits.Field("notes", gettext("Notes"), "lines"),
    ]


@pages.get("/customers")
@permission("customers.read")
def customer_list() -> str | BaseResponse:
    """Show the company's customers, masked."""
    session, vault, tenant_id = scope.session(), scope.services().vault, identity.current().tenant_id

    def fetch(asked: tables.Asked) -> tables.Slice[CustomerRow]:
        phone, name, ending = asked.clear("phone"), asked.clear("name"), asked.clear("ending")
        if phone:
            card = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=E164(phone))
            return tables.Slice([_row(card)] if card else [], total=1 if card else 0)
        if name:
            cards = search.by_name(session, tenant_id=tenant_id, vault=vault, words=name)
            return tables.Slice([_row(card) for card in cards], total=len(cards))
        if ending:
            cards = search.by_ending(session, tenant_id=tenant_id, vault=vault, digits=ending)
            return tables.Slice([_row(card) for card in cards], total=len(cards))
        found = records.page(
            session,
            tenant_id=tenant_id,
            vault=vault,
            limit=asked.size,
            after=_place(asked.after),
            before=_place(asked.before),
            newest_first=asked.is_down,
        )
        total = 0 if asked.export else records.count(session, tenant_id=tenant_id, most=asked.counted)
        return tables.Slice(
            [_row(card) for card in found.customers],
            following={"after": ids.public("cus", found.after)} if found.after else None,
            preceding={"before": ids.public("cus", found.before)} if found.before else None,
            total=total,
            at_least=total >= asked.counted,
        )

    return tables.show(
        CUSTOMERS,
        "portal/customers.html",
        fetch,
        may_write="customers.write" in identity.current().permissions,
        looked_through=search.AMONG,
    )


@pages.post("/customers/find")
@permission("customers.read")
def find_customer() -> BaseResponse:
    """Look for a number, its last four digits or a part of a name; none enters the address in clear."""
    text, base = request.form.get("find", "").strip()[:200], url_for("portal.customer_list")
    if not text:
        return redirect(base, 303)
    if narrow.is_ending(text):
        return tables.seal_into(base, "ending", text)
    if any(sign.isdigit() for sign in text):
        try:
            number = parse_e164(text, region=identity.current().company.country)
        except InvalidNumberError:
            said.refused(gettext("That is not a telephone number. Write it like +44 7700 900123."))
            return redirect(base, 303)
        return tables.seal_into(base, "phone", number)
    return tables.seal_into(base, "name", text)


@pages.get("/customers/new")
@permission("customers.write")
def new_customer() -> str:
    """Show the form for a new customer."""
    return _form({}, revision=0)


@pages.post("/customers")
@permission("customers.write")
def add_customer() -> BaseResponse:
    """Keep a new customer."""
    given = edits.given(_fields(), request.form)
    try:
        card = records.add(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            vault=scope.services().vault,
            details=_details(given),
        )
    except (CustomerDetailsError, CustomerExistsError, InvalidNumberError) as error:
        return make_response(_form(given, revision=0, errors=_said(error)), 422)
    said.done(gettext("The customer is kept."))
    return redirect(_path(card.id), 303)


@pages.get("/customers/<customer_id>")
@permission("customers.read")
def one_customer(customer_id: str) -> str:
    """Show one customer, masked, with the calls, the notes, the consents and who looked."""
    return _record(_find(customer_id))


@pages.post("/customers/<customer_id>/consents")
@permission("customers.write")
def record_consent(customer_id: str) -> BaseResponse:
    """Write down what the customer has said about being called; what was said before stays."""
    card, who, given = _find(customer_id), identity.current(), _said_of_consent()
    try:
        word = consent.record(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            phone=card.phone,
            is_given=given["word"] == "given",
            purpose=Purpose(given["purpose"]),
            channel=Channel(given["channel"]),
            basis=given["basis"],
            proof=given["proof"],
            said_at=_instant(given["said_at"]),
            by=who.principal_id,
        )
    except (ConsentBasisError, ConsentProofError, ConsentTimeError, ValueError) as error:
        return make_response(_record(card, given=given, errors=_wrong_consent(error)), 422)
    said.done(
        gettext("Written down: consent given.")
        if word.is_given
        else gettext("Written down: consent withdrawn.")
    )
    return redirect(_path(card.id), 303)


def _record(
    card: CustomerCard, *, given: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> str:
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    words = consent.history(session, tenant_id=who.tenant_id, vault=vault, phone=card.phone)
    found = telephony.page(
        session, tenant_id=who.tenant_id, vault=vault, wanted=Filter(customer_id=card.id), limit=_CALLS
    )
    contacts = interactions.recent(
        session, tenant_id=who.tenant_id, vault=vault, customer_id=card.id, limit=_CALLS
    )
    return render_template(
        "portal/customer.html",
        customer=_shown(card),
        is_barred=do_not_call.is_listed(session, tenant_id=who.tenant_id, vault=vault, phone=card.phone),
        may_write="customers.write" in who.permissions,
        may_erase="privacy.write" in who.permissions,
        calls=calls.rows(found.calls) if "calls.read" in who.permissions else [],
        notes=_notes(contacts),
        tickets=tickets.rows(card.id),
        ticket_kinds=tickets.KINDS,
        pin=pins.of(session, tenant_id=who.tenant_id, customer_id=card.id),
        tier=routing.tier_of(session, tenant_id=who.tenant_id, customer_id=card.id),
        tiers=[(one.code, one.name) for one in routing.read(session, tenant_id=who.tenant_id).tiers],
        looks=_looks(card.id),
        consents=_consents(words),
        standing=consent.counts(words),
        purposes=[(one.value, str(PURPOSES[one])) for one in Purpose],
        channels=[(one.value, str(CHANNELS[one])) for one in Channel],
        reasons=do_not_call_words.reasons(),
        given={
            "word": "given",
            "purpose": Purpose.ALL.value,
            "channel": Channel.CALL.value,
            "said_at": clock.now().astimezone(zoneinfo.ZoneInfo(i18n.zone())).strftime(_MINUTE),
            "basis": "",
            "proof": "",
        }
        | (given or {}),
        errors=errors or {},
        longest={"basis": LONGEST_BASIS, "proof": LONGEST_PROOF},
    )


@pages.post("/customers/<customer_id>/reveal/<field>")
@permission("customers.read")
def reveal_customer(customer_id: str, field: str) -> Response:
    """Return one field in full; the look stands in the record from then on.

    Raises:
        CustomerNotFoundError: not there, not yours, or no such field.
    """
    if field not in reveals.FIELDS:
        raise CustomerNotFoundError
    value = _look(_find(customer_id).id, field)
    return jsonify({"value": international(E164(value)) if field == "phone" else value})


@pages.post("/customers/<customer_id>/edit")
@permission("customers.write")
def edit_customer(customer_id: str) -> str:
    """Show the form with everything in it: a look at every field, written down as such."""
    card = _find(customer_id)
    for field in reveals.FIELDS:
        if getattr(card, field):
            _look(card.id, field)
    return _form(_typed(card), revision=card.version, customer_id=card.id)


@pages.post("/customers/<customer_id>")
@permission("customers.write")
def save_customer(customer_id: str) -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    card, form = _find(customer_id), request.form
    given, revision = edits.given(_fields(), form), edits.revision(form)
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    try:
        records.update(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            customer_id=card.id,
            version=revision,
            details=_details(given),
        )
    except CustomerChangedError:
        now = _find(customer_id)
        return edits.conflicting(
            now.name,
            edits.differences(_fields(), yours=given, theirs=_typed(now)),
            action=_path(card.id),
            revision=now.version,
            back=_path(card.id),
            nav="customers",
        )
    except (CustomerDetailsError, CustomerExistsError, InvalidNumberError) as error:
        page = _form(given, revision=revision, customer_id=card.id, errors=_said(error))
        return make_response(page, 422)
    said.done(gettext("Saved."))
    return redirect(_path(card.id), 303)


@pages.post("/customers/<customer_id>/do-not-call")
@permission("customers.write")
def bar_customer(customer_id: str) -> BaseResponse:
    """Put the customer's number on the do-not-call list, or take it off."""
    card, who, session = _find(customer_id), identity.current(), scope.session()
    vault, where = scope.services().vault, f"{_path(card.id)}/do-not-call"
    if request.form.get("barred") == "1":
        do_not_call.add(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            phone=card.phone,
            source=_SOURCE,
            by=who.principal_id,
        )
        said.done(
            gettext("Nobody calls this number any more, by hand or by campaign."),
            undo=where,
            fields={"barred": "0"},
        )
    else:
        do_not_call.remove(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            phone=card.phone,
            why=do_not_call_words.why(request.form.get("why", Why.UNDONE.value)),
            by=who.principal_id,
        )
        said.done(gettext("This number may be called again."), undo=where, fields={"barred": "1"})
    return redirect(_path(card.id), 303)


def _find(customer_id: str) -> CustomerCard:
    return records.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=CustomerId(ids.parse("cus", customer_id)),
    )


def _path(customer_id: CustomerId) -> str:
    return url_for("portal.one_customer", customer_id=ids.public("cus", customer_id))


def _place(text: str) -> CustomerId | None:
    return CustomerId(ids.parse("cus", text)) if text else None


def _row(card: CustomerCard) -> CustomerRow:
    return CustomerRow(
        id=ids.public("cus", card.id),
        name=card.masked_name,
        phone=card.masked_phone,
        email=card.masked_email or "",
        postcode=card.masked_postcode or "",
        added_at=card.created_at,
        changed_at=card.updated_at,
    )


def _shown(card: CustomerCard) -> dict[str, Any]:
    masked = {
        "name": card.masked_name,
        "phone": card.masked_phone,
        "email": card.masked_email,
        "postcode": card.masked_postcode,
        "notes": "•••" if card.notes else None,
    }
    return {
        "id": ids.public("cus", card.id),
        "name": card.masked_name,
        "fields": [
            (one.name, one.label, masked[one.name], f"{_path(card.id)}/reveal/{one.name}")
            for one in _fields()
        ],
        "added_at": card.created_at,
        "changed_at": card.updated_at,
    }


def _typed(card: CustomerCard) -> dict[str, str]:
    return {
        "name": card.name,
        "phone": international(card.phone),
        "email": card.email or "",
        "postcode": card.postcode or "",
        "notes": card.notes or "",
    }


def _details(given: dict[str, str]) -> CustomerDetails:
    """Return what the form says.

    Raises:
        InvalidNumberError: the number is none.
    """
    return CustomerDetails(
        name=given["name"],
        phone=parse_e164(given["phone"], region=identity.current().company.country),
        email=given["email"] or None,
        postcode=given["postcode"] or None,
        notes=given["notes"] or None,
    )


def _said(error: Exception) -> dict[str, str]:
    if isinstance(error, InvalidNumberError):
        return {"phone": gettext("That is not a telephone number. Write it like +44 7700 900123.")}
    if isinstance(error, CustomerExistsError):
        return {"phone": gettext("Another customer has this number.")}
    field = str(error.details.get("field", "name")) if isinstance(error, CustomerDetailsError) else "name"
    return {field: gettext("This is empty or too long.")}


def _form(
    given: dict[str, str],
    *,
    revision: int,
    customer_id: CustomerId | None = None,
    errors: dict[str, str] | None = None,
) -> str:
    return render_template(
        "portal/customer_edit.html",
        given={one.name: "" for one in _fields()} | given,
        revision=revision,
        action=_path(customer_id) if customer_id else url_for("portal.customer_list"),
        back=_path(customer_id) if customer_id else url_for("portal.customer_list"),
        errors=errors or {},
        is_new=customer_id is None,
    )


def _look(customer_id: CustomerId, field: str) -> str:
    who = identity.current()
    return reveals.reveal(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        customer_id=customer_id,
        field=field,
        principal_id=who.principal_id,
    )


def _looks(customer_id: CustomerId) -> list[Look]:
    who, session = identity.current(), scope.session()
    found = reveals.of_customer(session, tenant_id=who.tenant_id, customer_id=customer_id, limit=_LOOKS)
    names = users.names(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_ids={one.principal_id for one in found},
    )
    words = {one.name: one.label for one in _fields()}
    return [
        Look(one.at, names.get(one.principal_id, gettext("somebody else")), words.get(one.field, one.field))
        for one in found
    ]


def _consents(words: list[Consent]) -> list[ConsentRow]:
    who, session = identity.current(), scope.session()
    names = users.names(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_ids={one.recorded_by for one in words},
    )
    return [
        ConsentRow(
            is_given=one.is_given,
            purpose=str(PURPOSES[one.purpose]),
            channel=str(CHANNELS[one.channel]),
            basis=one.basis,
            proof=one.proof,
            said_at=one.said_at,
            recorded_at=one.recorded_at,
            by=names.get(one.recorded_by, gettext("somebody else")),
        )
        for one in words
    ]


def _said_of_consent() -> dict[str, str]:
    names = ("word", "purpose", "channel", "said_at", "basis", "proof")
    return {name: request.form.get(name, "").strip() for name in names}


def _instant(text: str) -> dt.datetime | None:
    """Return a day and hour of the reader's zone as an instant; None when nothing was typed.

    Raises:
        ConsentTimeError: it is neither.
    """
    if not text:
        return None
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConsentTimeError from error
    return local.replace(tzinfo=zoneinfo.ZoneInfo(i18n.zone())).astimezone(dt.UTC)


def _wrong_consent(error: Exception) -> dict[str, str]:
    if isinstance(error, ConsentBasisError):
        return {"basis": gettext("Say where and how, in up to %(most)s signs.", most=LONGEST_BASIS)}
    if isinstance(error, ConsentProofError):
        return {"proof": gettext("This is longer than %(most)s signs.", most=LONGEST_PROOF)}
    if isinstance(error, ConsentTimeError):
        return {"said_at": gettext("Give the day and hour it was said; it cannot be in the future.")}
    return {"purpose": gettext("Choose from the list.")}


def _notes(contacts: list[Interaction]) -> list[dict[str, Any]]:
    words = shown.disposition_words(
        scope.session(), tenant_id=identity.current().tenant_id, language=i18n.language()
    )
    return [
        {"at": one.started_at, "disposition": words.get(one.disposition or "", ""), "note": one.note}
        for one in contacts
        if one.note
    ]
