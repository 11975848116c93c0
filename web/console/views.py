"""The console's routes: the page, its state, the pop, and what an agent can do with a call.

Nothing here speaks to the switch: each act leaves an order, and the switchboard alone carries it out.
"""

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from campaigns import plans
from core import clock
from core.clock import elapsed_ms
from core.errors import SeatlineError
from core.ids import CallId, OfferId, TenantId, parse, public
from core.phone import hide
from customers import callbacks, dispositions, interactions, records, reveals
from customers.budgets import Allowed
from customers.errors import DecoyOpenedError
from customers.interactions import Interaction
from customers.records import CustomerCard
from seats import lines
from seats.desk import ServingAgent
from security.gate import UnsignedError
from telephony import calls, drafts, queues, work
from telephony.calls import Call, Leg
from telephony.drafts import Draft
from telephony.errors import (
    DispositionNeededError,
    NotRecordingError,
    NotWrappingUpError,
    WorkItemNotFoundError,
    WrapUpLongestError,
    WrapUpNeededError,
)
from telephony.flows import chosen
from telephony.orders import OrderKind
from telephony.outbound import by_hand
from telephony.outbound.gate import RefusalReason
from telephony.queues import WrapUp
from telephony.routing import settings as routing
from telephony.work import WorkItem
from tenants import users
from web import identity, scope, tables, words
from web.console import (
    agreements,
    desk,
    dial,
    messages,
    outside,
    promises,
    team,
    tickets,
    transfer,
    voicemails,
    waiting,
)
from web.console import line as line_check
from web.console.requests import MalformedRequestError, body
from web.guards import permission
from web.shown import flow_words, steps

pages = Blueprint("console", __name__, url_prefix="/console")
dial.install(pages)
agreements.install(pages)
line_check.install(pages)
tickets.install(pages)
transfer.install(pages)
outside.install(pages)
team.install(pages)
messages.install(pages)
voicemails.install(pages)
waiting.install(pages)

_LONGEST_NOTES = 4000
_COMPLETED_WITHIN = dt.timedelta(days=7)
# what a key may be chosen for, and the usual one; the script knows what each does (front/src/console/keys.ts)
_USUAL = {
    "answer": "a",
    "decline": "d",
    "hold": "p",
    "mute": "m",
    "keypad": "k",
    "pause": "r",
    "hang_up": "h",
    "notes": "n",
    "extend": "e",
    "skip": "q",
    "dial": "c",
    "transfer": "t",
    "swap": "s",
    "merge": "j",
    "leave": "l",
    "drop": "x",
}
_TROUBLES = ("silent", "one-way", "choppy", "echo", "noise", "dropped", "other")
# what a browser may report of a line, and the most of it that can be true
_FIGURES = {
    "mos": 5,
    "loss_percent": 100,
    "rtt_ms": 60_000,
    "jitter_ms": 60_000,
    "packets_in": 1e9,
    "packets_out": 1e9,
}


@pages.get("/")
@permission("console.open")
def page() -> str:
    """Show the desk, or the choice of a seat when no shift is open."""
    with desk.operator() as session:
        one = desk.serving(session)
        if one.presence is None:
            choices = desk.choices(session, one)
            return render_template(
                "console/start.html",
                agent=one.agent,
                choices=choices,
                problem="",
                agreements=agreements.waiting(one),
            )
        seat = one.sitting.label if one.sitting else None
        today = desk.today(session)
        item = work.in_hand(session, agent_id=one.agent.id)
        checked = lines.last(session, agent_id=one.agent.id)
    shown = {"name": identity.current().name, "number": one.agent.number, "seat": seat}
    statuses = list(desk.choosable(one.clients).items())
    return render_template(
        "console/desk.html",
        agent=shown,
        statuses=statuses,
        ticket_kinds=tickets.KINDS,
        troubles=[(what, steps.trouble(what)) for what in _TROUBLES],
        dispositions=[],
        wrap_s=0,
        shortcuts=_shortcuts(),
        line=line_check.shown(checked),
        measures_line=line_check.is_measured(),
        refusals=_refusals(),
        popped=_popped_already(item),
        last_calls=_last_calls(),
        unfinished=_unfinished(one),
        callbacks=_callbacks(one),
        voicemails=voicemails.shown(one),
        heard_for=list(words.HEARD_FOR.items()),
        agreements=agreements.waiting(one),
        today=today,
        leads=bool(one.leads),
        writes=messages.addressees(one),
    )


@pages.post("/shift")
@permission("presence.write")
def begin_shift() -> BaseResponse | tuple[str, int]:
    """Begin a shift on the chosen seat."""
    with desk.operator() as session:
        try:
            desk.begin_shift(session, desk.seat_of(request.form.get("seat", "")))
        except desk.NoSeatFreeError:
            one = desk.serving(session)
            problem = gettext("That seat is taken. Choose another one.")
            choices = desk.choices(session, one)
            return render_template(
                "console/start.html",
                agent=one.agent,
                choices=choices,
                problem=problem,
                agreements=agreements.waiting(one),
            ), 409
    return redirect("/console/", 303)


@pages.get("/state")
@permission("console.open")
def state() -> Response:
    """Answer with what the script draws."""
    with desk.operator() as session:
        return jsonify(desk.state(session))


@pages.get("/idle")
@permission("console.open")
def idle() -> Response:
    """Show what stands in the middle while no call is up."""
    with desk.operator() as session:
        one, today = desk.serving(session), desk.today(session)
    shown = make_response(
        render_template(
            "console/idle.html",
            agent={"name": identity.current().name},
            today=today,
            last_calls=_last_calls(),
            unfinished=_unfinished(one),
            callbacks=_callbacks(one),
            voicemails=voicemails.shown(one),
            heard_for=list(words.HEARD_FOR.items()),
            agreements=agreements.waiting(one),
        )
    )
    # between two calls, when nobody waits for it: the next one may be another company's
    if len(one.clients) > 1:
        shown.headers["Clear-Site-Data"] = '"cache"'
    return shown


@pages.get("/offers/<offer_id>")
@permission("customers.pop")
def pop(offer_id: str) -> str:
    """Show the customer of the call in hand, masked."""
    with desk.operator() as session:
        item = desk.soon(offer_id, lambda: desk.item_of(session, offer_id))
    return render_template("console/pop.html", **_popped(offer_id, item))


@pages.post("/offers/<offer_id>/painted")
@permission("customers.pop")
def painted(offer_id: str) -> tuple[str, int]:
    """Write down when the pop stood on the screen."""
    at = clock.now()
    with desk.operator() as session:
        item = desk.item_of(session, offer_id)
        work.painted(session, offer_id=item.offer_id, agent_id=item.agent_id, at=at)
    with desk.walls_of(item) as session:
        calls.mark(session, tenant_id=item.tenant_id, call_id=item.call_id, instants={"popped_at": at})
    return "", 204


@pages.post("/offers/<offer_id>/reveal/<field>")
@permission("customers.pop")
def reveal(offer_id: str, field: str) -> Response:
    """Show one field in full for a purpose, and write both into the client's access log."""
    purpose = body().get("purpose")
    with desk.operator() as session:
        item = desk.item_of(session, offer_id)
    vault = scope.services().vault
    with desk.walls_of(item) as session:
        call = calls.get(session, tenant_id=item.tenant_id, call_id=item.call_id, vault=vault)
        if call.customer_id is None:
            raise WorkItemNotFoundError
        value = reveals.reveal_to_agent(
            session,
            tenant_id=item.tenant_id,
            vault=vault,
            customer_id=call.customer_id,
            field=field,
            principal_id=identity.current().principal_id,
            call_id=item.call_id,
            purpose=purpose if isinstance(purpose, str) else "",
        )
    return jsonify({"value": value})


@pages.post("/offers/<offer_id>/decline")
@permission("calls.take")
def decline(offer_id: str) -> tuple[str, int]:
    """Decline an offer: the caller goes back to the head of the queue."""
    with desk.operator() as session:
        item = desk.item_of(session, offer_id)
        desk.order(session, OrderKind.DECLINE, agent_id=item.agent_id, offer_id=item.offer_id)
    return "", 202


@pages.post("/offers/<offer_id>/answer")
@permission("calls.take")
def answer(offer_id: str) -> tuple[str, int]:
    """Answer where the simulator stands in for the phone."""
    with desk.operator() as session:
        item = desk.item_of(session, offer_id)
        desk.order(session, OrderKind.ANSWER, agent_id=item.agent_id, offer_id=item.offer_id)
    return "", 202


@pages.post("/calls/<call_id>/hold")
@permission("calls.take")
def hold(call_id: str) -> tuple[str, int]:
    """Put the caller on hold, or take them back."""
    wanted = body().get("on")
    if not isinstance(wanted, bool):
        raise MalformedRequestError(field="on")
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        desk.order(session, OrderKind.HOLD, agent_id=item.agent_id, call_id=item.call_id, on=wanted)
    return "", 202


@pages.post("/calls/<call_id>/rejoin")
@permission("calls.take")
def rejoin(call_id: str) -> tuple[str, int]:
    """Bring the agent's phone back into the call it has lost, by a reload."""
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        if item.state != "talking":
            raise WorkItemNotFoundError
        desk.order(session, OrderKind.REJOIN, agent_id=item.agent_id, call_id=item.call_id)
    return "", 202


@pages.post("/calls/<call_id>/hang-up")
@permission("calls.take")
def hang_up(call_id: str) -> tuple[str, int]:
    """Hang up where the simulator stands in for the phone, or the phone has lost its line."""
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        desk.order(session, OrderKind.HANG_UP, agent_id=item.agent_id, call_id=item.call_id)
    return "", 202


@pages.post("/calls/<call_id>/wrap-up")
@permission("calls.wrap")
def wrap_up(call_id: str) -> tuple[str, int]:
    """Close a call with an outcome and notes; the agent is free from then on."""
    written = _written()
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        if item.state != "wrap_up":
            raise NotWrappingUpError
        if item.needs_disposition and not written.disposition:
            raise DispositionNeededError
        with desk.walls_of(item) as walls:
            if written.disposition:
                dispositions.require_whole(walls, tenant_id=item.tenant_id, code=written.disposition)
            calls.wrap_up(
                walls,
                tenant_id=item.tenant_id,
                call_id=item.call_id,
                disposition=written.disposition,
                notes=written.notes.strip(),
                callback_at=written.callback_at,
                vault=scope.services().vault,
                leg_id=item.offer_id,
            )
            if not calls.handed_over(
                walls, tenant_id=item.tenant_id, call_id=item.call_id, leg_id=item.offer_id
            ):  # the draft is theirs who have the call now
                drafts.drop(walls, tenant_id=item.tenant_id, call_id=item.call_id)
            _keep_promises(walls, item)
        desk.order(session, OrderKind.WRAPPED, agent_id=item.agent_id, call_id=item.call_id)
    return "", 204


@pages.post("/calls/<call_id>/outcome")
@permission("calls.wrap")
def complete(call_id: str) -> tuple[str, int]:
    """Give the outcome of a call whose wrap-up ended without the one it needs; what was noted stays."""
    code = body().get("disposition")
    if not isinstance(code, str) or not code:
        raise MalformedRequestError(field="disposition")
    with desk.operator() as session:
        one = desk.serving(session)
        items = _unfinished_items(session, one)
    vault, wanted = scope.services().vault, parse("call", call_id)
    item = next((each for each in items if each.call_id == wanted), None)
    if item is None:
        raise WorkItemNotFoundError
    with desk.walls_of(item) as walls:
        if not _is_unfinished(
            calls.get(walls, tenant_id=item.tenant_id, call_id=item.call_id, vault=vault), item
        ):
            raise WorkItemNotFoundError
        dispositions.require_whole(walls, tenant_id=item.tenant_id, code=code)
        line = interactions.of_subject(walls, tenant_id=item.tenant_id, vault=vault, subject_ref=item.call_id)
        calls.wrap_up(
            walls,
            tenant_id=item.tenant_id,
            call_id=item.call_id,
            disposition=code,
            notes=(line.note if line else None) or "",
            vault=vault,
        )
    return "", 204


@pages.post("/calls/<call_id>/skip")
@permission("calls.wrap")
def skip(call_id: str) -> tuple[str, int]:
    """Leave an optional wrap-up; what is written so far is kept."""
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        if item.state != "wrap_up":
            raise NotWrappingUpError
        if item.wrap_up is not WrapUp.OPTIONAL:
            raise WrapUpNeededError
        desk.order(session, OrderKind.WRAPPED, agent_id=item.agent_id, call_id=item.call_id)
    return "", 202


@pages.post("/calls/<call_id>/extend")
@permission("calls.wrap")
def extend(call_id: str) -> tuple[str, int]:
    """Give the wrap-up another minute, up to its longest."""
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        if item.state != "wrap_up":
            raise NotWrappingUpError
        if not item.can_extend:
            raise WrapUpLongestError
        desk.order(session, OrderKind.EXTEND, agent_id=item.agent_id, call_id=item.call_id)
    return "", 202


@pages.get("/calls/<call_id>/draft")
@permission("calls.wrap")
def draft(call_id: str) -> Response:
    """Answer with what the agent has written about the call in hand so far."""
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
    with desk.walls_of(item) as walls:
        kept = drafts.read(
            walls,
            tenant_id=item.tenant_id,
            call_id=item.call_id,
            vault=scope.services().vault,
            leg_id=item.offer_id,
        )
    return jsonify(
        disposition=kept.disposition,
        notes=kept.notes,
        callback_at=kept.callback_at.isoformat() if kept.callback_at else None,
        saved_at=kept.saved_at.isoformat() if kept.saved_at else None,
    )


@pages.post("/calls/<call_id>/draft")
@permission("calls.wrap")
def keep_draft(call_id: str) -> Response:
    """Keep what the agent has written so far; it survives a reload, and the end of the wrap-up."""
    written = _written()
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        if item.state not in {"talking", "wrap_up"}:
            raise WorkItemNotFoundError
    with desk.walls_of(item) as walls:
        legs = calls.legs(walls, tenant_id=item.tenant_id, call_id=item.call_id)
        if any(leg.is_asked and leg.leg_id == item.offer_id for leg in legs):
            raise WorkItemNotFoundError  # who is asked writes nothing: the notes are another agent's
        at = drafts.save(
            walls,
            tenant_id=item.tenant_id,
            call_id=item.call_id,
            draft=written,
            vault=scope.services().vault,
            leg_id=item.offer_id,
        )
    return jsonify(saved_at=at.isoformat())


@pages.post("/calls/<call_id>/recording")
@permission("calls.take")
def pause(call_id: str) -> tuple[str, int]:
    """Keep what is said out of the recording while card details are given, or in it again."""
    wanted = body().get("paused")
    if not isinstance(wanted, bool):
        raise MalformedRequestError(field="paused")
    with desk.operator() as session:
        item = desk.item_of_call(session, call_id)
        with desk.walls_of(item) as walls:
            call = calls.get(
                walls, tenant_id=item.tenant_id, call_id=item.call_id, vault=scope.services().vault
            )
        if item.state != "talking" or call.recording_state != "capturing":
            raise NotRecordingError
        desk.order(session, OrderKind.PAUSE, agent_id=item.agent_id, call_id=item.call_id, on=wanted)
    return "", 202


@pages.post("/calls/<call_id>/problem")
@permission("calls.take")
def report_problem(call_id: str) -> tuple[str, int]:
    """Write down with the call that its line was bad, and what the browser measured."""
    said = body()
    what, figures = said.get("what"), said.get("figures")
    if what not in _TROUBLES or not isinstance(figures, dict):
        raise MalformedRequestError(field="what, figures")
    with desk.operator() as session:
        item, agent = desk.recent_of_call(session, call_id), desk.agent(session)
    with desk.walls_of(item) as walls:
        calls.report_problem(
            walls,
            tenant_id=item.tenant_id,
            call_id=item.call_id,
            by=identity.current().principal_id,
            agent=agent.number,
            details={"what": what, **_measured(figures)},
        )
    return "", 204


@pages.post("/callbacks/<company>/<callback>/kept")
@permission("calls.wrap")
def kept(company: str, callback: str) -> tuple[str, int]:
    """Say that a promised call has been made."""
    tenant_id, callback_id = TenantId(parse("ten", company)), parse("cb", callback)
    with desk.operator() as session:
        one = desk.serving(session)
        if tenant_id not in one.clients:
            raise WorkItemNotFoundError
        with desk.walls(tenant_id) as walls:
            with contextlib.suppress(WorkItemNotFoundError):  # said twice: it is theirs, and kept
                promises.take(session, walls, one, tenant_id, callback_id)
            if not callbacks.keep(walls, tenant_id=tenant_id, callback_id=callback_id, agent_id=one.agent.id):
                raise WorkItemNotFoundError
    return "", 204


@pages.post("/status")
@permission("presence.write")
def status() -> tuple[str, int]:
    """Change the status, now or after the call in hand."""
    wish = body()
    asked, said = wish.get("status"), wish.get("reason") or ""
    value = "available" if asked is None else f"{asked}:{said}" if said else str(asked)
    wanted, _, reason = value.partition(":")
    with desk.operator() as session:
        one = desk.serving(session)
        if value not in desk.choosable(one.clients):
            raise MalformedRequestError(field="status")
        agent = one.agent
        if item := work.in_hand(session, agent_id=agent.id):
            desk.remember_next(item.offer_id, None if asked is None else value)
            desk.remember_next(item.call_id, None)
        desk.order(session, OrderKind.STATUS, agent_id=agent.id, status=wanted, reason=reason)
    return "", 202


@pages.post("/shortcuts")
@permission("self.write")
def keep_shortcuts() -> tuple[str, int]:
    """Keep the keys the agent has chosen, with the agent."""
    form = body()
    is_on, keys, family = form.get("is_on"), form.get("keys"), form.get("family", users.FAMILIES[0])
    if not isinstance(is_on, bool) or not isinstance(keys, dict) or not isinstance(family, str):
        raise MalformedRequestError(field="is_on, keys, family")
    if not keys.keys() <= _USUAL.keys() or not all(isinstance(key, str) for key in keys.values()):
        raise MalformedRequestError(field="keys")
    pressed = {**_USUAL, **{deed: key.lower() for deed, key in keys.items()}}
    if len(set(pressed.values())) != len(pressed):  # two deeds by one key, be it a usual one
        raise MalformedRequestError(field="keys")
    who = identity.current()
    users.set_shortcuts(
        scope.session(),
        tenant_id=who.tenant_id,
        user_id=who.user_id,
        shortcuts=users.Shortcuts(is_on, {deed: key.lower() for deed, key in keys.items()}, family),
    )
    return "", 204


@pages.post("/sign-out")
@permission("presence.write")
def end_shift() -> tuple[str, int]:
    """End the shift: the seat is free, the phone's password is worth nothing any more."""
    with desk.operator() as session:
        desk.order(session, OrderKind.SIGN_OUT, agent_id=desk.agent(session).id)
    return "", 202


def _shortcuts() -> dict[str, Any]:
    who = identity.current()
    kept = users.shortcuts(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id)
    return {"is_on": kept.is_on, "keys": dict(kept.keys), "family": kept.family, "usual": _USUAL}


def _popped(offer_id: str, item: WorkItem) -> dict[str, Any]:
    """Return what console/pop.html shows of the call in hand."""
    vault, tenant_id = scope.services().vault, item.tenant_id
    with desk.walls_of(item) as walls:
        call = desk.soon(
            offer_id, lambda: calls.get(walls, tenant_id=tenant_id, call_id=item.call_id, vault=vault)
        )
        client = desk.client(tenant_id, walls)
        # a call out bears the id of its attempt
        campaign = (
            plans.of_attempt(walls, tenant_id=tenant_id, attempt_id=call.call_id)
            if call.direction == calls.OUTBOUND
            else None
        )
        script = (
            queues.get(walls, tenant_id=tenant_id, queue_id=call.queue_id).script
            if call.direction == calls.INBOUND
            else ""
        )
        choices = (
            chosen.of_call(walls, tenant_id=tenant_id, call_id=item.call_id)
            if call.direction == calls.INBOUND
            else []
        )
        card, recent, promised, waiting, tier, before = None, [], [], [], "", None
        if call.customer_id:
            card = records.get(walls, tenant_id=tenant_id, vault=vault, customer_id=call.customer_id)
            recent = interactions.recent(
                walls, tenant_id=tenant_id, vault=vault, customer_id=call.customer_id, limit=10
            )
            promised = callbacks.open_of_customer(walls, tenant_id=tenant_id, customer_id=call.customer_id)
            waiting = tickets.waiting(walls, item, call.customer_id)
            tier = routing.name_of_tier(walls, tenant_id=tenant_id, customer_id=call.customer_id)
            before = calls.last_talk(
                walls, tenant_id=tenant_id, customer_id=call.customer_id, besides=item.call_id
            )
    labels = dispositions.labels(client.dispositions, identity.current().language)
    said = [(one.key, one.title or flow_words.kind(one.kind)) for one in choices]
    return {
        "offer": _offer(offer_id, call, client.name) | _spoken_before(before, item) | {"chose": said},
        "promised": [one.due_at for one in promised],
        "tickets": waiting,
        "campaign": campaign.settings.name if campaign else "",
        "script": campaign.settings.script if campaign else script,
        "greeting": _greeting(
            client.name,
            client.languages.get(call.number_id, "en"),
            called=None if call.direction == calls.INBOUND else (card.name if card else ""),
        ),
        "customer": _customer(card, recent, labels, offer_id, tier, client.allowed) if card else None,
        "purposes": [(code, words.LOOKS[code]) for code in reveals.PURPOSES],
        "watermark": f"{identity.current().name} · {client.name}",
        "seen_at": clock.now(),
    }


def _popped_already(item: WorkItem | None) -> dict[str, Any] | None:
    """Return the record of what is in hand when the page is loaded: a reload in a call leaves no blank."""
    if item is None:
        return None
    try:
        return _popped(public("off", item.offer_id), item)
    except DecoyOpenedError:
        raise
    except SeatlineError:  # the page asks again by itself
        return None


def _written() -> Draft:
    form = body()
    disposition, notes = form.get("disposition") or None, form.get("notes", "")
    due = form.get("callback_at") or None
    if not isinstance(disposition, str | None) or not isinstance(notes, str) or len(notes) > _LONGEST_NOTES:
        raise MalformedRequestError(field="disposition, notes")
    try:
        callback_at = dt.datetime.fromisoformat(due) if due else None
    except (TypeError, ValueError) as error:
        raise MalformedRequestError(field="callback_at") from error
    if callback_at and (callback_at.tzinfo is None or tables.day_of(str(callback_at.date())) is None):
        raise MalformedRequestError(field="callback_at")
    return Draft(disposition=disposition, notes=notes, callback_at=callback_at)


def _measured(figures: dict[str, Any]) -> dict[str, object]:
    """Return the known figures that are numbers within reason; anything else is left out."""
    return {
        name: round(float(value), 2)
        for name, most in _FIGURES.items()
        if isinstance(value := figures.get(name), int | float) and 0 <= value <= most
    }


def _offer(offer_id: str, call: Call, company: str) -> dict[str, Any]:
    return {
        "id": offer_id,
        "company": company,
        "queue": call.queue_name,
        "number": call.dialled,
        "caller": desk.masked(call.tenant_id, call.caller),
        "region": "",
        "inbound": call.direction == calls.INBOUND,
        "waited_since": call.queued_at or call.arrived_at,
    }


def _spoken_before(before: calls.Talk | None, item: WorkItem) -> dict[str, Any]:
    """Return who talked with the customer last: a number callers are told, or this agent."""
    if before is None:
        return {"last_agent": None, "last_was_you": False, "last_at": None}
    return {
        "last_agent": before.agent_number,
        "last_was_you": before.agent_id == item.agent_id,
        "last_at": before.at,
    }


def _greeting(company: str, language: str, *, called: str | None) -> str:
    """Return what the agent says first; `called`: whom they have called ("" unknown), None when they were."""
    name = identity.current().name
    first = name.split()[0]
    if called is None:
        if language == "zh":
            return f"您好，{company}，我是{name}，请问有什么可以帮您？"
        return f"Good day, {company}, this is {first}. How can I help?"
    if language == "zh":
        asks = f"，请问是{called}吗？" if called else "。"
        return f"您好，我是{company}的{name}{asks}"
    asks = f" Am I speaking with {called}?" if called else ""
    return f"Good day, this is {first} of {company}.{asks}"


def _customer(
    card: CustomerCard,
    recent: list[Interaction],
    labels: dict[str, str],
    offer_id: str,
    tier: str,
    allowed: Allowed,
) -> dict[str, Any]:
    def field(name: str, label: str, shown: str | None, *, may_open: bool = True) -> dict[str, Any]:
        url = f"/console/offers/{offer_id}/reveal/{name}" if shown and may_open else None
        return {"label": label, "shown": shown or "—", "reveal_url": url}

    week = clock.now().timestamp() - 7 * 24 * 3600
    return {
        "name": card.name,
        "since": card.created_at.date(),
        "tags": [tier] if tier else [],
        "calls_this_week": sum(
            one.kind == interactions.CALL and one.started_at.timestamp() > week for one in recent
        ),
        "fields": [
            field(
                "phone",
                gettext("Phone"),
                hide(card.phone) if allowed.hides_numbers else card.masked_phone,
                may_open=not allowed.hides_numbers,
            ),
            field("email", gettext("E-mail"), card.masked_email),
            field("postcode", gettext("Postcode"), card.masked_postcode),
        ],
        "interactions": [
            {
                "at": one.started_at,
                "kind": one.kind,
                "title": _KINDS[one.kind]() if one.kind in _KINDS else one.kind,
                "text": one.note or "",
                "outcome": labels.get(one.disposition or "", one.disposition or ""),
            }
            for one in recent
        ],
    }


_KINDS: dict[str, Callable[[], str]] = {
    interactions.CALL: lambda: str(gettext("Call")),
    calls.HANDED_OVER: lambda: str(gettext("Call, handed over")),
}


def _refusals() -> dict[str, str]:
    """Return what the gate of calls out says when it refuses, by the name under which the script looks."""
    return {
        f"refused_{reason.value.replace('-', '_')}": str(words.PROBLEMS[f"dial-{reason.value}"].title)
        for reason in RefusalReason
    }


def _last_calls() -> list[dict[str, Any]]:
    """Return what the agent has just done; of whom, they see nothing any more."""
    with desk.operator() as session:
        done = work.done_by(session, agent_id=desk.agent(session).id, limit=5)
    found: dict[CallId, Call] = {}
    parts: dict[OfferId, Leg] = {}
    for tenant_id in {item.tenant_id for item in done}:
        wanted = [item.call_id for item in done if item.tenant_id == tenant_id]
        # of a company that has shut them out, not even that there were calls
        with contextlib.suppress(UnsignedError), desk.walls(tenant_id) as session:
            vault = scope.services().vault
            theirs = calls.these(session, tenant_id=tenant_id, call_ids=wanted, vault=vault)
            found |= {call.call_id: call for call in theirs}
            for call in theirs:
                legs = calls.legs(session, tenant_id=tenant_id, call_id=call.call_id)
                parts |= {leg.leg_id: leg for leg in legs}
    shown = []
    for item in done:
        offered = desk.client(item.tenant_id).dispositions
        labels = dispositions.labels(offered, identity.current().language)
        if item.call_id in found:
            shown.append(_last_call(item, found[item.call_id], parts.get(item.offer_id), labels))
    return shown


def _unfinished_items(session: Session, one: ServingAgent) -> list[WorkItem]:
    """Return the agent's closed wrap-ups of the last week that wanted an outcome, of companies they serve."""
    since = clock.now() - _COMPLETED_WITHIN
    found = work.unfinished(session, agent_id=one.agent.id, since=since)
    return [item for item in found if item.tenant_id in one.clients]


def _is_unfinished(call: Call, item: WorkItem) -> bool:
    """Whether nobody has given the outcome, and it is this agent who owes it: they had the call last."""
    return call.disposition is None and call.wrapped_at is not None and call.agent_id == item.agent_id


def _unfinished(one: ServingAgent) -> list[dict[str, Any]]:
    """Return the agent's calls that wait for an outcome, newest first, with what may be chosen."""
    with desk.operator() as session:
        items = _unfinished_items(session, one)
    vault, language, shown = scope.services().vault, identity.current().language, []
    for tenant_id in {item.tenant_id for item in items}:
        theirs = {item.call_id: item for item in items if item.tenant_id == tenant_id}
        with contextlib.suppress(UnsignedError), desk.walls(tenant_id) as session:
            found = calls.these(session, tenant_id=tenant_id, call_ids=list(theirs), vault=vault)
            offered = desk.client(tenant_id, session).dispositions
            above = {each.parent for each in offered}
            labels = dispositions.labels(offered, language)
            outcomes = [(each.code, labels[each.code]) for each in offered if each.code not in above]
            shown += [
                {
                    "ended_at": call.ended_at,
                    "who": desk.masked(call.tenant_id, call.caller),
                    "queue": call.queue_name,
                    "company": desk.company_name(tenant_id),
                    "url": f"/console/calls/{public('call', call.call_id)}/outcome",
                    "outcomes": outcomes,
                }
                for call in found
                if _is_unfinished(call, theirs[call.call_id])
            ]
    return sorted(shown, key=lambda each: each["ended_at"], reverse=True)


def _keep_promises(walls: Session, item: WorkItem) -> None:
    """Whom the agent has just called and talked to, has had the call they were promised for about now."""
    vault, tenant_id = scope.services().vault, item.tenant_id
    made = calls.get(walls, tenant_id=tenant_id, call_id=item.call_id, vault=vault)
    if made.direction != calls.OUTBOUND:
        return
    soon = clock.now() + by_hand.AROUND
    mine = callbacks.open_of_agent(walls, tenant_id=tenant_id, agent_id=item.agent_id)
    due = {
        CallId(one.subject_ref): one.callback_id
        for one in mine
        if one.due_at <= soon and one.subject_ref != item.call_id
    }
    for promised_in in calls.these(walls, tenant_id=tenant_id, call_ids=list(due), vault=vault):
        if promised_in.caller == made.caller:
            callbacks.keep(
                walls, tenant_id=tenant_id, callback_id=due[promised_in.call_id], agent_id=item.agent_id
            )


def _callbacks(one: ServingAgent) -> list[dict[str, Any]]:
    """Return whom the agent has to call back, soonest first."""
    shown = []
    with desk.operator() as session:
        for tenant_id in one.clients:
            with desk.walls(tenant_id) as walls:
                promised = promises.of(session, walls, one, tenant_id)
            for each in promised:
                call, due_at = each.call, each.callback.due_at
                address = f"{public('ten', tenant_id)}/{public('cb', each.callback.callback_id)}"
                shown.append(
                    {
                        "due_at": due_at,
                        "is_due": due_at <= clock.now(),
                        "is_own": each.is_own,
                        "company": desk.company_name(tenant_id),
                        "who": desk.masked(call.tenant_id, call.caller),
                        "queue": call.queue_name,
                        "kept_url": f"/console/callbacks/{address}/kept",
                        "dial_url": f"/console/callbacks/{address}/dial" if call.caller else "",
                    }
                )
    return sorted(shown, key=lambda each: each["due_at"])


def _last_call(item: WorkItem, call: Call, part: Leg | None, labels: dict[str, str]) -> dict[str, Any]:
    wrapped = item.closed_at or clock.now()
    # who gave the call away gave an outcome of their own; who was only asked gave none
    is_own = part is not None and part.how is not calls.Left.ENDED
    said = part.disposition if part and is_own else call.disposition
    unsaid = steps.left(part.how) if part and is_own else gettext("None given")
    talk_ms = (
        elapsed_ms(part.joined_at, part.left_at) if part and part.left_at and is_own else call.talk_ms or 0
    )
    return {
        "id": public("call", call.call_id),
        "dial_url": f"/console/calls/{public('call', call.call_id)}/dial" if call.caller else "",
        "ended_at": item.ended_at or item.offered_at,
        "inbound": call.direction == calls.INBOUND,
        "who": desk.masked(call.tenant_id, call.caller),
        "company": desk.company_name(item.tenant_id),
        "queue": call.queue_name,
        "outcome": labels.get(said or "", unsaid),
        "talk_s": talk_ms / 1000,
        "wrap_s": (wrapped - item.ended_at).total_seconds() if item.ended_at else 0,
    }
