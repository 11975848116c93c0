"""The front page: the running bill, the queues now, the last calls; and the parts that keep them live."""

import zoneinfo
from dataclasses import dataclass
from typing import Any

from flask import render_template

from billing import credit
from billing import invoices as billing
from billing.payments import attempts
from core import clock, ids
from seats import desk, roster
from telephony import calls as telephony
from telephony import numbers, queues
from tenants import apikeys, staff
from tenants.webhooks import endpoints
from web import i18n, identity, renting, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import alarms, bills, calls, floors, invoices, webhooks
from web.shown import payments as shown
from web.shown.webhooks import Hook


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do before the first call: queue, number, agents, serve, second-step.

    `href` is where it is done; empty where the operator does it.
    """

    name: str
    href: str
    is_done: bool


_LAST_CALLS = 6
_PREVIEW = "/portal/invoices/preview"


@pages.get("/")
@permission("portal.open")
def home() -> str:
    """Show how the company stands."""
    bill = _bill()
    today = clock.now().astimezone(zoneinfo.ZoneInfo(i18n.zone())).date()
    return render_template(
        "portal/home.html",
        today=bill["bill"].today if bill["bill"] else today,
        **bill,
        **_queues(),
        **(last := _calls()),
        **_invoice(),
        steps=[] if last["calls"] else _steps(),
        troubles=_troubles(),
        hooks=_hooks(),
        is_on_hold=credit.held(scope.session(), tenant_id=identity.current().tenant_id) is not None,
        narrowed_keys=_narrowed_keys(),
        alarms=alarms.waiting(),
    )


@pages.get("/live/bill")
@permission("usage.read")
def live_bill() -> str:
    """Return the running bill's card anew."""
    return render_template("portal/_bill.html", **_bill())


@pages.get("/live/queues")
@permission("live.read")
def live_queues() -> str:
    """Return the queues' card anew."""
    return render_template("portal/_queues.html", **_queues())


@pages.get("/live/seats")
@permission("live.read")
def live_seats() -> str:
    """Return the card of people at work anew."""
    return render_template("portal/_seats.html", **_queues(), **_invoice())


@pages.get("/live/calls")
@permission("calls.read")
def live_calls() -> str:
    """Return the last calls' card anew."""
    return render_template("portal/_calls.html", **_calls())


def _bill() -> dict[str, Any]:
    who = identity.current()
    preview = _PREVIEW if "invoices.read" in who.permissions else ""
    found = bills.running(
        scope.session(),
        tenant_id=who.tenant_id,
        preview_url=preview,
        budget_minor=who.company.budget_minor,
    )
    return {"bill": found}


def _queues() -> dict[str, Any]:
    floor = floors.now(
        scope.session(), tenant_id=identity.current().tenant_id, realtime=scope.services().realtime
    )
    return {
        "queues": floor.queues,
        "queues_at": floor.at,
        "is_fresh": floor.is_fresh,
        "seat_use": floor.seat_use,
    }


def _calls() -> dict[str, Any]:
    who, vault = identity.current(), scope.services().vault
    found = telephony.page(scope.session(), tenant_id=who.tenant_id, vault=vault, limit=_LAST_CALLS)
    shown = calls.rows(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=vault,
        calls=found.calls,
        language=i18n.language(),
        currency=who.company.currency,
    )
    return {"calls": shown}


def _steps() -> list[Step]:
    """Return what a company needs before its first call, until it has it; for who can see to it."""
    who, session = identity.current(), scope.session()
    if not {"numbers.rent", "queues.write"} <= who.permissions:
        return []
    made = queues.all_of(session, tenant_id=who.tenant_id)
    rented = numbers.all_of(session, tenant_id=who.tenant_id)
    with renting.operators() as floor:
        agents = roster.members(floor, client_tenant_id=who.tenant_id, queue_id=None)
        is_served = any(desk.agents_for_queue(floor, queue_id=one.queue_id) for one in made)
    needed = [
        Step("queue", "/portal/queues/new", is_done=bool(made)),
        Step("number", "/portal/numbers", is_done=bool(rented)),
        Step("serve" if agents else "agents", "/portal/queues" if agents else "", is_done=is_served),
    ]
    if all(one.is_done for one in needed):
        return []
    has_step = staff.has_second_step(session, tenant_id=who.tenant_id, user_id=who.user_id)
    return [*needed, Step("second-step", "/settings", is_done=has_step)]


def _invoice() -> dict[str, Any]:
    """Return the newest finalised invoice, for those who may see invoices."""
    who = identity.current()
    if "invoices.read" not in who.permissions:
        return {"invoice": None}
    found = billing.every(scope.session(), tenant_id=who.tenant_id)
    newest = next((one for one in found if one.number), None)
    listed = newest and invoices.listed(newest, zone=who.company.zone, base="/portal/invoices")
    return {"invoice": listed}


def _narrowed_keys() -> list[str]:
    """Return the names of keys that open less than they were made for, for who may make others."""
    who = identity.current()
    if "keys.write" not in who.permissions:
        return []
    return [key.name for key in apikeys.narrowed(scope.session(), tenant_id=who.tenant_id)]


def _hooks() -> list[Hook]:
    """Return the webhooks that fail or were switched off, for who may see webhooks."""
    who = identity.current()
    if "webhooks.read" not in who.permissions:
        return []
    found = endpoints.troubled(scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault)
    return [webhooks.hook(one) for one in found]


def _troubles() -> list[shown.PaymentRow]:
    """Return the payments that failed or wait for somebody, for who may see invoices."""
    who = identity.current()
    if "invoices.read" not in who.permissions:
        return []
    found = attempts.troubled(scope.session(), tenant_id=who.tenant_id)
    return [
        shown.payment(one, invoice_url=f"/portal/invoices/{ids.public('inv', one.invoice_id)}")
        for one in found
    ]
