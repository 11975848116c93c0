"""Giving a call on, and asking somebody about it: to whom that may be, and the orders for it.

Who is there is read from the rows and may have changed a moment later; the switchboard, which alone knows,
reserves or refuses, and the console is told. A queue or an agent of another company is not there at all. A
number outside passes the gate of calls out first, which says in a sentence what it refuses.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify
from flask_babel import gettext
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound
from core.ids import AgentId, NumberId, QueueId, TenantId, public
from core.phone import E164, InvalidNumberError, ShortCode, international, is_short_code, parse_dialled
from customers.masking import mask_name
from seats import desk as seating
from seats import roster
from seats.desk import ServingAgent
from seats.rules import CALL_IN_HAND, Activity, activity
from telephony import calls, numbers, queue_hours, queues
from telephony.calls import Leg, Stage
from telephony.orders import Deed, OrderKind
from telephony.outbound import by_hand, limits
from telephony.outbound.gate import Refusal
from telephony.queue_hours import Opening
from telephony.work import WorkItem
from tenants import companies
from web import errors, scope
from web import parts as web_parts
from web.console import desk
from web.console.dial import DialNumberError
from web.console.requests import MalformedRequestError, body
from web.guards import permission

_REFUSED = 403


class TargetNotFoundError(NotFound):
    """No such queue or agent of the company whose call it is."""

    code = "transfer-target"


class QueueClosedError(Conflict):
    """The queue is closed at this hour; `opens` says when it opens next, in the agent's words."""

    code = "transfer-queue-closed"


class TransferToSelfError(Conflict):
    """The agent named themselves."""

    code = "transfer-self"


class TargetBusyError(Conflict):
    """That agent is not free."""

    code = "transfer-busy"


class NotTalkingError(Conflict):
    """The agent does not talk in this call alone: it rings, is over, or somebody is asked about it."""

    code = "transfer-not-talking"


class PausedError(Conflict):
    """The recording is paused: card details are being given."""

    code = "transfer-paused"


class NotAskingError(Conflict):
    """Nobody has been asked about this call, or not so far."""

    code = "transfer-not-asking"


@dataclass(frozen=True, slots=True)
class Colleague:
    """An agent a call may be given to; `doing` is free, busy or away."""

    agent_id: AgentId
    number: int
    name: str
    doing: str


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.get("/calls/<call_id>/targets")(targets)
    pages.post("/calls/<call_id>/transfer")(give)
    pages.post("/calls/<call_id>/consult")(consult)
    pages.post("/calls/<call_id>/conference")(confer)
    pages.post("/calls/<call_id>/number")(read_number)


@permission("calls.take")
def targets(call_id: str) -> Response:
    """Answer with the queues, agents and entries the call in hand may be given to; open ones first."""
    now = clock.now()
    with desk.operator() as session:
        item = _talking(session, call_id)
        everybody = seating.serving(session)
        there = colleagues(everybody, item.tenant_id, item.agent_id)
    free = {one.agent_id for one in there if one.doing == "free"}
    with desk.walls_of(item) as walls:
        call = calls.get(walls, tenant_id=item.tenant_id, call_id=item.call_id, vault=scope.services().vault)
        theirs = queues.all_of(walls, tenant_id=item.tenant_id)
        rented = numbers.all_of(walls, tenant_id=item.tenant_id)
        hours = queue_hours.every(walls, tenant_id=item.tenant_id)
        country = companies.read(walls, tenant_id=item.tenant_id).country
        may_type = limits.rules(walls, tenant_id=item.tenant_id, home=country).may_type
    names = {queue.queue_id: queue.name for queue in theirs}
    serving = {
        queue.queue_id: sum(
            one.agent.id in free and any(skill.queue_id == queue.queue_id for skill in one.skills)
            for one in everybody
        )
        for queue in theirs
    }
    return jsonify(
        queues=[
            {
                "id": str(queue.queue_id),
                "name": queue.name,
                "free": serving[queue.queue_id],
                "is_own": queue.queue_id == call.queue_id,
            }
            | _open_or_not(hours, queue.queue_id, now)
            for queue in sorted(theirs, key=lambda one: not _is_open(hours, one.queue_id, now))
        ],
        agents=[{"number": one.number, "name": one.name, "doing": one.doing} for one in there],
        entries=[
            {
                "id": public("num", one.number_id),
                "number": international(one.digits),
                "queue": names.get(one.queue_id, ""),
            }
            | _entry_open_or_not(hours, one.queue_id, now)
            for one in rented
        ],
        may_type=may_type and any(not is_short_code(one.digits) for one in rented),
    )


@permission("calls.take")
def read_number(call_id: str) -> Response:
    """Answer with a number as it was understood, so that the agent sees whom they bring into the call."""
    with desk.operator() as session:
        item = _talking(session, call_id)
    with desk.walls_of(item) as walls:
        return jsonify(number=international(_typed(walls, item, body().get("number"))))


@permission("calls.take")
def give(call_id: str) -> tuple[Response | str, int] | Response:
    """Give the call in hand to a queue, to a free agent, to a number outside, or back to an entry."""
    asked = body()
    with desk.operator() as session:
        item = _may_give(session, call_id)
        if "number" in asked:
            return _bring_in(session, item, asked["number"], is_given=True)
        if isinstance(entry := asked.get("entry"), str):
            desk.order(
                session,
                OrderKind.TRANSFER,
                agent_id=item.agent_id,
                call_id=item.call_id,
                number_id=_entry(item, entry),
            )
        elif isinstance(queue := asked.get("queue"), str):
            try:
                to_queue = _queue(item, queue)
            except QueueClosedError as closed:
                return errors.say(_closed(closed))
            desk.order(
                session,
                OrderKind.TRANSFER,
                agent_id=item.agent_id,
                call_id=item.call_id,
                queue_id=to_queue,
            )
        else:
            to = _colleague(session, item, asked.get("agent"))
            desk.order(
                session, OrderKind.TRANSFER, agent_id=item.agent_id, call_id=item.call_id, to_agent_id=to
            )
    return "", 202


@permission("calls.take")
def consult(call_id: str) -> tuple[Response | str, int] | Response:
    """Ask a free agent, or a number outside, about the call in hand; the caller hears music."""
    asked = body()
    with desk.operator() as session:
        item = _may_give(session, call_id)
        if "number" in asked:
            return _bring_in(session, item, asked["number"], is_given=False)
        to = _colleague(session, item, asked.get("agent"))
        desk.order(session, OrderKind.CONSULT, agent_id=item.agent_id, call_id=item.call_id, to_agent_id=to)
    return "", 202


@permission("calls.take")
def confer(call_id: str) -> tuple[str, int]:
    """Swap, merge, leave, drop or end, once a second agent has been asked."""
    wanted = body().get("deed")
    if wanted not in set(Deed):
        raise MalformedRequestError(field="deed")
    with desk.operator() as session:
        item = _talking(session, call_id)
        asked = asked_of(item)
        if asked is None or (asked.stage is Stage.RINGING and wanted not in {Deed.DROP, Deed.END}):
            raise NotAskingError
        desk.order(
            session, OrderKind.CONFER, agent_id=item.agent_id, call_id=item.call_id, deed=Deed(wanted).value
        )
    return "", 202


def parts(item: WorkItem) -> list[Leg]:
    """Return who has which part of the call in hand, where more than one agent has had to do with it."""
    with desk.walls_of(item) as walls:
        return calls.legs(walls, tenant_id=item.tenant_id, call_id=item.call_id)


def asked_of(item: WorkItem) -> Leg | None:
    """Return the part of the agent who is asked about the call in hand, by this one; None: nobody is."""
    return next(
        (leg for leg in parts(item) if leg.is_asked and leg.leg_id != item.offer_id),
        None,
    )


def colleagues(everybody: list[ServingAgent], tenant_id: TenantId, me: AgentId) -> list[Colleague]:
    """Return who is signed in and serves this company, free ones first, names as initials."""
    vault = scope.services().vault
    found = [
        Colleague(
            one.agent.id,
            one.agent.number,
            mask_name(roster.display_name(vault, one.agent.name)),
            _doing(one),
        )
        for one in everybody
        if one.presence and tenant_id in one.clients and one.agent.id != me
    ]
    return sorted(found, key=lambda one: ({"free": 0, "busy": 1}.get(one.doing, 2), one.number))


def _doing(one: ServingAgent) -> str:
    doing = activity(one.presence.state) if one.presence else Activity.OFFLINE
    if doing is Activity.AVAILABLE:
        return "free"
    return "busy" if doing in CALL_IN_HAND or doing is Activity.WRAP_UP else "away"


def _talking(session: Session, call_id: str) -> WorkItem:
    """Return the item of the call the agent talks in.

    Raises:
        NotTalkingError: it is not that far, or over.
    """
    item = desk.item_of_call(session, call_id)
    if item.state != "talking":
        raise NotTalkingError
    return item


def _may_give(session: Session, call_id: str) -> WorkItem:
    """Return the item of a call the agent may give on now.

    Raises:
        NotTalkingError: it is not theirs alone.
        PausedError: card details are being given.
    """
    item = _talking(session, call_id)
    with desk.walls_of(item) as walls:
        legs = calls.legs(walls, tenant_id=item.tenant_id, call_id=item.call_id)
        is_paused = calls.is_paused(walls, tenant_id=item.tenant_id, call_id=item.call_id)
    if any(leg.is_asked for leg in legs):
        raise NotTalkingError
    if is_paused:
        raise PausedError
    return item


def _bring_in(
    session: Session, item: WorkItem, typed: object, *, is_given: bool
) -> tuple[Response | str, int] | Response:
    """Clear a number outside for the call in hand, and leave its order; or say why it may not be called."""
    vault = scope.services().vault
    # a transaction of its own: what the gate decided stays, whatever becomes of the request
    with desk.walls(item.tenant_id) as walls:
        to = _typed(walls, item, typed)
        answer = by_hand.bring_in(
            walls,
            tenant_id=item.tenant_id,
            agent_id=item.agent_id,
            call=calls.get(walls, tenant_id=item.tenant_id, call_id=item.call_id, vault=vault),
            to=to,
            is_given=is_given,
            home=companies.read(walls, tenant_id=item.tenant_id).zone,
            vault=vault,
            at=clock.now(),
        )
    if isinstance(answer, Refusal):
        return errors.say(errors.make(f"dial-{answer.reason}", _REFUSED, kind="refused"))
    # the duty of the clearance leaves the same order a moment later; the second one finds it known
    desk.order(session, OrderKind.DIAL, tenant_id=item.tenant_id, attempt_id=answer.attempt_id)
    return jsonify(number=international(to)), 202


def _typed(walls: Session, item: WorkItem, typed: object) -> E164 | ShortCode:
    """Return the number an agent has typed, read as in the company's country.

    Raises:
        DialNumberError: it is none.
    """
    if not isinstance(typed, str):
        raise MalformedRequestError(field="number")
    try:
        return parse_dialled(typed, region=companies.read(walls, tenant_id=item.tenant_id).country)
    except InvalidNumberError as error:
        raise DialNumberError(field="number") from error


def _entry(item: WorkItem, asked: str) -> NumberId:
    """Return one of the numbers of the company whose call it is; any other one is not there.

    Raises:
        TargetNotFoundError: another company's, or none.
    """
    with desk.walls_of(item) as walls:
        rented = numbers.all_of(walls, tenant_id=item.tenant_id)
    found = next((one for one in rented if public("num", one.number_id) == asked), None)
    if found is None:
        raise TargetNotFoundError
    return found.number_id


def _queue(item: WorkItem, asked: str) -> QueueId:
    """Return a queue of the company whose call it is, open now; any other company's is not there.

    Raises:
        TargetNotFoundError: another company's, or none.
        QueueClosedError: nobody takes its calls at this hour.
    """
    with desk.walls_of(item) as walls:
        found = next(
            (one for one in queues.all_of(walls, tenant_id=item.tenant_id) if str(one.queue_id) == asked),
            None,
        )
        if found is None:
            raise TargetNotFoundError
        opening = queue_hours.read(walls, tenant_id=item.tenant_id, queue_id=found.queue_id)
    now = clock.now()
    if not opening.is_open(now):
        raise QueueClosedError(opens=_opens(opening, now))
    return found.queue_id


def _closed(error: QueueClosedError) -> errors.Problem:
    """Return the refusal with the hour at which the queue opens again."""
    problem = errors.problem_of(error)
    opens = error.details["opens"]
    if not opens:
        return problem
    told = gettext("It opens %(time)s. The caller is still with you.", time=opens)
    return dataclasses.replace(problem, advice=told)


def _is_open(hours: Mapping[QueueId, Opening], queue_id: QueueId, at: dt.datetime) -> bool:
    return queue_id not in hours or hours[queue_id].is_open(at)


def _open_or_not(hours: Mapping[QueueId, Opening], queue_id: QueueId, at: dt.datetime) -> dict[str, Any]:
    """Return what the list says of a queue's hours: open, or closed and when it opens."""
    opening = hours.get(queue_id, queue_hours.ALWAYS)
    return {"is_open": opening.is_open(at), "opens": _opens(opening, at)}


def _entry_open_or_not(
    hours: Mapping[QueueId, Opening], queue_id: QueueId, at: dt.datetime
) -> dict[str, Any]:
    """Return the same of a number, whose callers go on to another queue outside the hours of its own."""
    own = _open_or_not(hours, queue_id, at)
    beyond = hours.get(queue_id, queue_hours.ALWAYS).leads_to
    return (
        _open_or_not(hours, beyond, at)
        if beyond and not own["is_open"] and _is_open(hours, beyond, at)
        else own
    )


def _opens(opening: Opening, at: dt.datetime) -> str:
    """Return when a closed queue opens next, in the agent's zone and words; empty: open, or not for weeks."""
    instant = opening.opens_at(at)
    return web_parts.minute(instant) if instant else ""


def _colleague(session: Session, item: WorkItem, number: object) -> AgentId:
    """Return a free agent who serves the company whose call it is.

    Raises:
        TargetNotFoundError: nobody of this number serves it, or is there.
        TransferToSelfError: the agent's own number.
        TargetBusyError: they are not free.
    """
    if not isinstance(number, int):
        raise MalformedRequestError(field="queue, agent, number, entry")
    if desk.agent(session).number == number:
        raise TransferToSelfError
    there = colleagues(seating.serving(session), item.tenant_id, item.agent_id)
    found = next((one for one in there if one.number == number), None)
    if found is None:
        raise TargetNotFoundError
    if found.doing != "free":
        raise TargetBusyError
    return found.agent_id
