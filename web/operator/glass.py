"""Break-glass: asking, letting a colleague in, looking, and reviewing it afterwards.

A look is two transactions: the first writes it into the company's own log and commits, the second reads, in a
context the database keeps read-only and lets in only behind the first. No log, no look.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import NotFound
from core.ids import CustomerId, TenantId
from customers import interactions, records
from security import evidence
from security.gate import Kind
from telephony import recording
from tenants import glass, users
from tenants.errors import GlassRefusedError
from tenants.glass import Glass
from web import identity, said, scope, words
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_HERE = "/operator/glass"
_SHOWN = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenGlass:
    """A look that is open: who looks, where, until when."""

    id: UUID
    by: str
    company: str
    until: dt.datetime | None
    is_mine: bool


class GlassMissingError(NotFound):
    """There is no such request."""

    code = "glass-missing"


@pages.get("/glass")
@permission("glass.use")
def glass_list() -> str:
    """Show who asked to look where, who let them, and what waits for a review."""
    clients = {one.tenant_id: one.name for one in rounds.clients()}
    found = glass.every(scope.session())
    people = {one.requester for one in found} | {one.approver for one in found if one.approver}
    who = identity.current()
    names = users.names(
        scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault, user_ids=people
    )
    return render_template(
        "operator/glass.html",
        rows=[
            {
                "glass": one,
                "company": clients.get(one.tenant_id, ""),
                "reason": words.GLASS[one.reason],
                "by": names.get(one.requester, ""),
                "approver": names.get(one.approver, "") if one.approver else "",
                "is_mine": one.requester == who.principal_id,
            }
            for one in found
        ],
        companies=[(ids.public("ten", key), name) for key, name in clients.items()],
        reasons=list(words.GLASS.items()),
    )


@pages.post("/glass")
@permission("glass.use")
def ask_glass() -> BaseResponse:
    """Ask to look into a company."""
    who, minutes = identity.current(), request.form.get("minutes", "")
    glass.ask(
        scope.session(),
        tenant_id=TenantId(ids.parse("ten", request.form.get("company", ""))),
        by=who.user_id,
        reason=request.form.get("reason", ""),
        ticket=request.form.get("ticket", "").strip(),
        minutes=int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 4 else 0,  # noqa: PLR2004
    )
    said.done(gettext("Asked. A colleague has an hour to let you in."))
    return redirect(_HERE, 303)


@pages.post("/glass/<uuid:glass_id>/approve")
@permission("glass.use")
def approve_glass(glass_id: UUID) -> BaseResponse:
    """Let a colleague look; the company is told in the same breath."""
    who, one = identity.current(), _one(glass_id)
    until = glass.approve(scope.session(), glass=one, by=who.user_id)
    # told before the approval is durable: a company told in vain is better than one not told
    with scope.within(one.tenant_id, principal_id=who.principal_id) as walls:
        glass.tell(walls, glass=one, approver=who.user_id, until=until)
    said.done(gettext("They may look now. The company has been told."))
    return redirect(_HERE, 303)


@pages.post("/glass/<uuid:glass_id>/review")
@permission("glass.use")
def review_glass(glass_id: UUID) -> BaseResponse:
    """Review a look that is over."""
    glass.review(scope.session(), glass=_one(glass_id))
    said.done(gettext("Reviewed."))
    return redirect(_HERE, 303)


@pages.post("/glass/<uuid:glass_id>/end")
@permission("glass.use")
def end_glass(glass_id: UUID) -> BaseResponse:
    """End a look before its time; it stands in the company's log, too."""
    one = _one(glass_id)
    glass.end(scope.session(), glass=one)
    with scope.within(one.tenant_id, principal_id=identity.current().principal_id) as walls:
        evidence.record(walls, "glass.ended", "ten", one.tenant_id, ticket=one.ticket)
    said.done(gettext("Ended. Nobody looks any more."))
    return redirect(_HERE, 303)


@pages.get("/glass/<uuid:glass_id>")
@permission("glass.use")
def look_in(glass_id: UUID) -> str:
    """Show the company's customers, masked."""
    one, vault = _mine(glass_id), scope.services().vault
    _note(one, "customers")
    with scope.within(one.tenant_id, principal_id=one.requester, kind=Kind.BREAKGLASS) as walls:
        found = records.page(walls, tenant_id=one.tenant_id, vault=vault, limit=_SHOWN).customers
    return render_template(
        "operator/glass_customers.html",
        glass=one,
        customers=[
            {"id": ids.public("cus", card.id), "name": card.masked_name, "phone": card.masked_phone}
            for card in found
        ],
    )


@pages.get("/glass/<uuid:glass_id>/<customer_id>")
@permission("glass.use")
def look_at(glass_id: UUID, customer_id: str) -> str:
    """Show one customer in full, with the last contacts."""
    one, vault = _mine(glass_id), scope.services().vault
    wanted = CustomerId(ids.parse("cus", customer_id))
    _note(one, customer_id)
    with scope.within(one.tenant_id, principal_id=one.requester, kind=Kind.BREAKGLASS) as walls:
        card = records.get(walls, tenant_id=one.tenant_id, vault=vault, customer_id=wanted)
        recent = interactions.recent(
            walls, tenant_id=one.tenant_id, vault=vault, customer_id=wanted, limit=10
        )
    return render_template("operator/glass_customer.html", glass=one, card=card, recent=recent)


@pages.get("/glass/<uuid:glass_id>/contacts")
@permission("glass.use")
def look_at_contacts(glass_id: UUID) -> str:
    """Show that there were contacts, and when; their notes stand with each customer."""
    one = _mine(glass_id)
    _note(one, "contacts")
    with scope.within(one.tenant_id, principal_id=one.requester, kind=Kind.BREAKGLASS) as walls:
        found = interactions.latest(walls, tenant_id=one.tenant_id, limit=_SHOWN)
    return render_template("operator/glass_contacts.html", glass=one, contacts=found)


@pages.get("/glass/<uuid:glass_id>/recordings")
@permission("glass.use")
def look_at_recordings(glass_id: UUID) -> str:
    """Show which recordings there are. Nobody listens to them here."""
    one = _mine(glass_id)
    _note(one, "recordings")
    with scope.within(one.tenant_id, principal_id=one.requester, kind=Kind.BREAKGLASS) as walls:
        found = recording.latest(walls, tenant_id=one.tenant_id, limit=_SHOWN)
    return render_template(
        "operator/glass_recordings.html",
        glass=one,
        recordings=[
            {
                "id": ids.public("rec", each.recording_id),
                "call": ids.public("call", each.call_id),
                "started_at": each.started_at,
                "duration_ms": each.duration_ms,
                "is_sealed": each.state == "sealed",
            }
            for each in found
        ],
    )


def open_now() -> list[OpenGlass]:
    """Return the looks that are open, for the banner on every page of the operator."""
    found = [one for one in glass.every(scope.session()) if one.is_open]
    if not found:
        return []
    who = identity.current()
    clients = {one.tenant_id: one.name for one in rounds.clients()}
    names = users.names(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_ids={one.requester for one in found},
    )
    return [
        OpenGlass(
            one.id,
            names.get(one.requester, ""),
            clients.get(one.tenant_id, ""),
            one.until,
            is_mine=one.requester == who.principal_id,
        )
        for one in found
    ]


def seen_in(what: str, look: Callable[[Session, TenantId], T]) -> dict[TenantId, T]:
    """Return what the reader's own open looks show, by company; each is in the company's log before."""
    who = identity.current()
    if "glass.use" not in who.permissions:
        return {}
    found: dict[TenantId, T] = {}
    for one in glass.every(scope.session()):
        if one.is_open and one.requester == who.principal_id:
            _note(one, what)
            with scope.within(one.tenant_id, principal_id=one.requester, kind=Kind.BREAKGLASS) as walls:
                found[one.tenant_id] = look(walls, one.tenant_id)
    return found


def _one(glass_id: UUID) -> Glass:
    found = next((one for one in glass.every(scope.session()) if one.id == glass_id), None)
    if found is None:
        raise GlassMissingError
    return found


def _mine(glass_id: UUID) -> Glass:
    one = _one(glass_id)
    if one.requester != identity.current().principal_id or not one.is_open:
        raise GlassRefusedError
    return one


def _note(one: Glass, what: str) -> None:
    with scope.within(one.tenant_id, principal_id=one.requester) as walls:
        glass.note(walls, glass=one, what=what)
