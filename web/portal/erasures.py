"""Forgetting people, and what must not be forgotten: the company's erasures and its legal holds."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import NotFound
from core.ids import CallId, CustomerId
from core.phone import InvalidNumberError, parse_e164
from customers import erasures, records
from customers.erasures import Erasure
from telephony import calls
from tenants import holds, users
from tenants.errors import HeldError
from tenants.holds import Hold, HoldKind
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import downloads
from wiring import erasing

_MOST = 100
COUNTED: Mapping[str, LazyString] = {
    "records": _l("records"),
    "calls": _l("calls"),
    "recordings": _l("recordings"),
    "notes": _l("notes"),
    "leads": _l("leads"),
    "dials": _l("calls placed"),
    "consents": _l("consents"),
    "callbacks": _l("callbacks"),
    "downloads": _l("files of tables"),
    "exports": _l("exports"),
    "tickets": _l("tickets"),
}


_HELD = _l("A legal hold covers this person: nothing of them may be removed until it is lifted.")


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """One erasure; see templates/portal/erasures.html. `removed` is a list of (word, count)."""

    id: str
    customer: str
    by: str
    asked_at: dt.datetime
    done_at: dt.datetime | None
    removed: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold; see templates/portal/holds.html. `url` leads to what is held, empty for the company."""

    id: str
    kind: str
    subject: str
    url: str
    reason: str
    by: str
    set_at: dt.datetime
    lifted_at: dt.datetime | None
    lifted_by: str


@pages.get("/erasures")
@permission("privacy.read")
def erasure_list() -> str:
    """Show who asked for which erasure and what came of it."""
    return _erasures()


@pages.post("/erasures")
@permission("privacy.write")
def erase_number() -> BaseResponse:
    """Have whoever has a number forgotten; with the record, when there is one."""
    try:
        phone = parse_e164(request.form.get("phone", ""), region=identity.current().company.country)
        _ask(phone, None)
    except InvalidNumberError:
        return make_response(_erasures(errors={"phone": gettext("This is no whole number.")}), 422)
    except HeldError:
        return make_response(_erasures(errors={"phone": _held()}), 409)
    return redirect("/portal/erasures", 303)


@pages.post("/customers/<customer_id>/erase")
@permission("privacy.write")
def erase_customer(customer_id: str) -> BaseResponse:
    """Have a customer forgotten: the record, everything that hangs on it, and everything of the number."""
    card = records.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=CustomerId(ids.parse("cus", customer_id)),
    )
    try:
        _ask(card.phone, card.id)
    except HeldError:
        said.refused(_held())
        return redirect(f"/portal/customers/{customer_id}", 303)
    return redirect("/portal/erasures", 303)


@pages.get("/erasures/<erasure_id>/certificate")
@permission("privacy.read")
def erasure_certificate(erasure_id: str) -> Response:
    """Download the signed certificate of an erasure that is done."""
    found = erasures.find(
        scope.session(), tenant_id=identity.current().tenant_id, erasure_id=ids.parse("era", erasure_id)
    )
    if found.certificate is None:
        raise NotFound
    return downloads.attachment(
        found.certificate.encode(), name=f"{erasure_id}.json", content_type="application/json"
    )


@pages.get("/holds")
@permission("privacy.read")
def hold_list() -> str:
    """Show the holds that stand and that were lifted."""
    return _holds()


@pages.post("/holds")
@permission("privacy.write")
def set_hold() -> BaseResponse:
    """Set a hold on the company, a customer or a call."""
    form, who = request.form, identity.current()
    try:
        kind = HoldKind(form.get("kind", ""))
        subject = None if kind is HoldKind.COMPANY else _subject(kind, form.get("subject", "").strip())
    except (ValueError, NotFound):
        return make_response(_holds(errors={"subject": gettext("There is nothing of that id here.")}), 422)
    if not 0 < len(form.get("reason", "").strip()) <= holds.LONGEST_REASON:
        return make_response(_holds(errors={"reason": gettext("Say why, in at most 200 signs.")}), 422)
    holds.put(
        scope.session(),
        tenant_id=who.tenant_id,
        kind=kind,
        subject_id=subject,
        reason=form["reason"],
        by=who.principal_id,
    )
    said.done(gettext("The hold stands: nothing of it is removed until it is lifted."))
    return redirect("/portal/holds", 303)


@pages.post("/holds/<hold_id>/lift")
@permission("privacy.write")
def lift_hold(hold_id: str) -> BaseResponse:
    """Lift a hold; its row stays."""
    who = identity.current()
    holds.lift(
        scope.session(), tenant_id=who.tenant_id, hold_id=ids.parse("hold", hold_id), by=who.principal_id
    )
    said.done(gettext("The hold is lifted."))
    return redirect("/portal/holds", 303)


def _ask(phone: str, customer_id: CustomerId | None) -> None:
    who = identity.current()
    erasing.ask(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phone=parse_e164(phone),
        customer_id=customer_id,
        by=who.principal_id,
    )
    said.done(gettext("The person is being forgotten. The certificate will stand here in a moment."))


def _held() -> str:
    return str(_HELD)


def _subject(kind: HoldKind, text: str) -> UUID:
    """Return the id of something of the company's own."""
    session, who = scope.session(), identity.current()
    if kind is HoldKind.CUSTOMER:
        customer_id = CustomerId(ids.parse("cus", text))
        records.get(session, tenant_id=who.tenant_id, vault=scope.services().vault, customer_id=customer_id)
        return customer_id
    call_id = CallId(ids.parse("call", text))
    calls.get(session, tenant_id=who.tenant_id, vault=scope.services().vault, call_id=call_id)
    return call_id


def _erasures(errors: dict[str, str] | None = None) -> str:
    found = erasures.newest(scope.session(), tenant_id=identity.current().tenant_id, limit=_MOST)
    names = _names({one.asked_by for one in found})
    return render_template(
        "portal/erasures.html",
        erasures=[_erasure_row(one, names) for one in found],
        may_write="privacy.write" in identity.current().permissions,
        errors=errors or {},
    )


def _holds(errors: dict[str, str] | None = None) -> str:
    found = holds.every(scope.session(), tenant_id=identity.current().tenant_id)
    names = _names({one.set_by for one in found} | {one.lifted_by for one in found if one.lifted_by})
    return render_template(
        "portal/holds.html",
        holds=[_hold_row(one, names) for one in found],
        may_write="privacy.write" in identity.current().permissions,
        given={name: request.form.get(name, "") for name in ("kind", "subject", "reason")}
        | {"subject": request.values.get("subject", "")},
        longest=holds.LONGEST_REASON,
        errors=errors or {},
    )


def _names(people: set[UUID]) -> Mapping[UUID, str]:
    return users.names(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        user_ids=people,
    )


def _erasure_row(one: Erasure, names: Mapping[UUID, str]) -> ErasureRow:
    return ErasureRow(
        id=ids.public("era", one.erasure_id),
        customer=ids.public("cus", one.customer_id) if one.customer_id else "",
        by=names.get(one.asked_by, gettext("an API key")),
        asked_at=one.asked_at,
        done_at=one.done_at,
        removed=[(str(word), one.counts[name]) for name, word in COUNTED.items() if one.counts.get(name)],
    )


def _hold_row(one: Hold, names: Mapping[UUID, str]) -> HoldRow:
    prefix = {HoldKind.CUSTOMER: "cus", HoldKind.CALL: "call"}.get(one.kind, "")
    subject = ids.public(prefix, one.subject_id) if one.subject_id else ""
    key = gettext("an API key")
    return HoldRow(
        id=ids.public("hold", one.hold_id),
        kind=one.kind.value,
        subject=subject,
        url=f"/portal/{'customers' if prefix == 'cus' else 'calls'}/{subject}" if subject else "",
        reason=one.reason,
        by=names.get(one.set_by, key),
        set_at=one.set_at,
        lifted_at=one.lifted_at,
        lifted_by=names.get(one.lifted_by, key) if one.lifted_by else "",
    )
