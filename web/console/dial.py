"""Dialling by hand: a number typed in, somebody promised a call back, somebody spoken to before.

The gate decides, as it does for campaigns; what it refuses is said in a sentence. The agent needs no more
than the right to take calls, and calls only for companies whose queues they serve. Numbers of callers are
taken from the call itself, so the agent never sees what is masked.
"""

import datetime as dt
from contextlib import AbstractContextManager
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, jsonify
from flask_babel import gettext
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Invalid
from core.ids import AgentId, CallId, QueueId, TenantId, parse, public
from core.phone import E164, InvalidNumberError, ShortCode, parse_dialled, time_zones
from seats.desk import ServingAgent
from seats.rules import Activity, activity
from telephony import calls, telephones, work
from telephony.errors import WorkItemNotFoundError
from telephony.orders import OrderKind
from telephony.outbound import by_hand
from telephony.outbound.gate import Clearance, Refusal, RefusalReason
from tenants import companies
from web import errors, scope
from web.console import desk, promises, voicemails
from web.console.requests import MalformedRequestError, body
from web.guards import permission

_REFUSED = 403


class NotFreeToDialError(Conflict):
    """The agent has something in hand, or their phone cannot be reached."""

    code = "dial-not-free"


class AtTelephoneError(Conflict):
    """The agent's calls ring at their own telephone: nothing is dialled from the console."""

    code = "at-telephone"


class DialNumberError(Invalid):
    """What was typed is no telephone number; it is never repeated."""

    code = "dial-number"


class QueueNotServedError(Conflict):
    """The agent serves no queue in whose name this could be called."""

    code = "dial-not-served"


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.post("/dial")(dial)
    pages.post("/calls/<call_id>/dial")(dial_again)
    pages.post("/callbacks/<company>/<callback>/dial")(dial_back)
    pages.post("/voicemails/<company>/<call_id>/dial")(dial_after_message)


@permission("calls.take")
def dial() -> tuple[Response, int] | Response:
    """Call a number for one of the agent's queues."""
    typed, queue = body().get("number"), body().get("queue")
    if not isinstance(typed, str) or not isinstance(queue, str):
        raise MalformedRequestError(field="number, queue")
    with desk.operator() as session:
        one = _ready(session)
        skill = next((skill for skill in one.skills if str(skill.queue_id) == queue), None)
        if skill is None:
            raise QueueNotServedError
        with _walls(skill.client_tenant_id) as walls:
            country = companies.read(walls, tenant_id=skill.client_tenant_id).country
            try:
                to = parse_dialled(typed, region=country)
            except InvalidNumberError as error:
                raise DialNumberError(field="number") from error
            answer = _call(walls, one.agent.id, skill.client_tenant_id, skill.queue_id, to, is_typed=True)
        return _answer(session, one, skill.client_tenant_id, to, answer)


@permission("calls.take")
def dial_again(call_id: str) -> tuple[Response, int] | Response:
    """Call somebody the agent has just talked to, for the same queue."""
    with desk.operator() as session:
        one = _ready(session)
        item = desk.recent_of_call(session, call_id)
        with _walls(item.tenant_id) as walls:
            to, queue_id = _party(walls, one, item.tenant_id, item.call_id)
            answer = _call(walls, one.agent.id, item.tenant_id, queue_id, to)
        return _answer(session, one, item.tenant_id, to, answer)


@permission("calls.take")
def dial_back(company: str, callback: str) -> tuple[Response, int] | Response:
    """Call somebody who was promised a call, by the agent or by one of their queue who is not there."""
    tenant_id = TenantId(parse("ten", company))
    with desk.operator() as session:
        one = _ready(session)
        if tenant_id not in one.clients:
            raise WorkItemNotFoundError
        with _walls(tenant_id) as walls:
            promise = promises.take(session, walls, one, tenant_id, parse("cb", callback)).callback
            to, queue_id = _party(walls, one, tenant_id, CallId(promise.subject_ref))
            answer = _call(walls, one.agent.id, tenant_id, queue_id, to, promised_for=promise.due_at)
        return _answer(session, one, tenant_id, to, answer)


@permission("calls.take")
def dial_after_message(company: str, call_id: str) -> tuple[Response, int] | Response:
    """Call somebody who has left a message for a queue of the agent's, which is theirs once they may."""
    tenant_id, left_in = TenantId(parse("ten", company)), CallId(parse("call", call_id))
    with desk.operator() as session:
        one = _ready(session)
        if tenant_id not in one.clients:
            raise WorkItemNotFoundError
        with _walls(tenant_id) as walls:
            voicemails.insist(walls, one, tenant_id, left_in)
            to, queue_id = _party(walls, one, tenant_id, left_in)
            answer = _call(walls, one.agent.id, tenant_id, queue_id, to)
            if isinstance(answer, Clearance):  # refused, it stays for whoever can call later
                voicemails.take(walls, one, tenant_id, left_in)
        return _answer(session, one, tenant_id, to, answer)


def _walls(tenant_id: TenantId) -> AbstractContextManager[Session]:
    # a transaction of its own: what the gate decided stays, whatever becomes of the request
    return desk.walls(tenant_id)


def _ready(session: Session) -> ServingAgent:
    """Return the agent, on a shift and with nothing in hand.

    Raises:
        NotFreeToDialError: they have, or their phone is away.
        AtTelephoneError: their calls ring outside.
    """
    one = desk.serving(session)
    if one.presence is None:
        raise desk.NoShiftError
    is_there = activity(one.presence.state) in {Activity.AVAILABLE, Activity.AWAY}
    if not is_there or work.in_hand(session, agent_id=one.agent.id) is not None:
        raise NotFreeToDialError
    if telephones.chosen(session, agent_id=one.agent.id):
        raise AtTelephoneError
    return one


def _party(walls: Session, one: ServingAgent, tenant_id: TenantId, call_id: CallId) -> tuple[E164, QueueId]:
    """Return the other party of a call, and the queue to call them for: the call's own if it is served."""
    found = calls.get(walls, tenant_id=tenant_id, call_id=call_id, vault=scope.services().vault)
    served = [skill.queue_id for skill in one.skills if skill.client_tenant_id == tenant_id]
    if not served:
        raise QueueNotServedError
    if not found.caller:
        raise DialNumberError(field="number")
    return E164(found.caller), found.queue_id if found.queue_id in served else served[0]


def _call(
    walls: Session,
    agent_id: AgentId,
    tenant_id: TenantId,
    queue_id: QueueId,
    to: E164 | ShortCode,
    *,
    promised_for: dt.datetime | None = None,
    is_typed: bool = False,
) -> Clearance | Refusal:
    return by_hand.dial(
        walls,
        tenant_id=tenant_id,
        agent_id=agent_id,
        to=to,
        queue_id=queue_id,
        home=companies.read(walls, tenant_id=tenant_id).zone,
        promised_for=promised_for,
        is_typed=is_typed,
        vault=scope.services().vault,
        at=clock.now(),
    )


def _answer(
    session: Session,
    one: ServingAgent,
    tenant_id: TenantId,
    to: E164 | ShortCode,
    answer: Clearance | Refusal,
) -> tuple[Response, int] | Response:
    if isinstance(answer, Refusal):
        return errors.say(_problem(tenant_id, to, answer))
    # the duty of the clearance leaves the same order a moment later; the second one finds it known
    desk.order(session, OrderKind.DIAL, tenant_id=tenant_id, attempt_id=answer.attempt_id)
    if one.presence and activity(one.presence.state) is Activity.AWAY:
        desk.remember_next(CallId(answer.attempt_id), one.presence.state)
    return jsonify(call_id=public("call", answer.attempt_id)), 202


def _problem(tenant_id: TenantId, to: E164 | ShortCode, refusal: Refusal) -> errors.Problem:
    made = errors.make(f"dial-{refusal.reason}", _REFUSED, kind="refused")
    if refusal.reason is not RefusalReason.OUTSIDE_HOURS:
        return made
    with _walls(tenant_id) as walls:
        home = companies.read(walls, tenant_id=tenant_id).zone
    zone = by_hand.strictest_zone(time_zones(E164(to)), home=home, window=by_hand.LAWFUL, at=clock.now())
    there = clock.now().astimezone(ZoneInfo(zone))
    advice = gettext(
        "It is %(time)s where this number rings. Calls may be made from 08:00 to 21:00 there, and around the"
        " time for which somebody has asked to be called.",
        time=f"{there:%H:%M}",
    )
    return errors.Problem(made.status, made.code, made.title, advice)
