"""A team leader at the console: who does what in the companies they lead, and what they may do about it.

A leader sees a company here only while it lets them do something. What they do is written into that
company's own log first, inside its walls; then the order is left; the switchboard asks for the grant again.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import clock
from core.errors import Conflict, Refused
from core.ids import AgentId, CallId, QueueId, TenantId, parse, public
from seats import desk as seating
from seats import roster, statuses
from seats.desk import ServingAgent
from seats.roster import Lead
from security import evidence
from telephony import calls, queues
from telephony.conductor import pulse
from telephony.conductor.leading import SIGNED_OUT
from telephony.orders import OrderKind
from web import scope, words
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission
from web.shown import messages

SENT_HOME_FOR = ("shift-over", "left", "trouble", "conduct")
"""Why a leader signs somebody out; `words.SENT_HOME_FOR` says it."""
_STATES = ("call", "hold", "wrap", "ready", "away")


class NotALeaderError(Refused):
    """The company does not let this agent do that."""

    code = "not-a-leader"


class CallMovedOnError(Conflict):
    """The call is not there any more, or not where it was."""

    code = "call-moved-on"


@dataclass(frozen=True, slots=True)
class Person:
    """An agent as their leader sees them; `call` is the public id of the one they talk in."""

    number: int
    state: str
    for_s: float
    call: str
    is_me: bool
    queues: Sequence[tuple[str, str]]
    """Whose callers they take, by public id and name."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller who waits; queue by name."""

    call: str
    queue_id: str
    queue: str
    for_s: float


@dataclass(frozen=True, slots=True)
class Team:
    """One company's floor, as of `at`; None: the switchboard has not spoken lately."""

    company: str
    name: str
    at: dt.datetime | None
    may: frozenset[Lead]
    people: Sequence[Person]
    waiting: Sequence[Waiting]
    queues: Sequence[tuple[str, str]]


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.get("/team")(board)
    pages.post("/team/acts")(act)


@permission("calls.take")
def board() -> str:
    """Show the teams this agent leads, as they are now."""
    with desk.operator() as session:
        one = desk.serving(session)
        there = seating.serving(session) if one.leads else []
    serve = {each.agent.number: [skill.queue_id for skill in each.skills] for each in there}
    return render_template(
        "console/team.html",
        teams=[_team(one, tenant_id, serve) for tenant_id in sorted(one.leads)],
        Lead=Lead,
        home=[(why, words.SENT_HOME_FOR[why]) for why in SENT_HOME_FOR],
    )


@permission("calls.take")
def act() -> tuple[Response, int]:
    """Do one thing of a team leader's, if the company lets this agent."""
    wanted = body()
    deed, company = wanted.get("act"), wanted.get("company")
    if not isinstance(deed, str) or not isinstance(company, str):
        raise MalformedRequestError(field="act, company")
    tenant_id = TenantId(parse("ten", company))
    with desk.operator() as session:
        one = desk.serving(session)
        if one.presence is None:
            raise desk.NoShiftError
        if deed == "leave":  # whatever has become of the grant: out one always comes
            about = {"agent_id": one.agent.id, "tenant_id": tenant_id}
            desk.order(session, OrderKind.WATCH, **about, call_id="", ear="")
            return jsonify({}), 202
        if deed not in set(Lead) or Lead(deed) not in one.leads.get(tenant_id, frozenset()):
            raise NotALeaderError
        match deed:
            case Lead.FORCE:
                _force(session, one, tenant_id, wanted)
            case Lead.ASSIGN:
                _assign(session, one, tenant_id, wanted)
            case Lead.BROADCAST:
                _write(one, tenant_id, wanted)
            case _:
                _about_a_call(session, one, tenant_id, deed, wanted)
    return jsonify({}), 202


def _about_a_call(
    session: Session, one: ServingAgent, tenant_id: TenantId, deed: str, wanted: Mapping[str, Any]
) -> None:
    call_id = CallId(parse("call", str(wanted.get("call", ""))))
    details: dict[str, object] = {"agent_id": one.agent.id, "tenant_id": tenant_id, "call_id": call_id}
    with desk.walls(tenant_id) as walls:
        call = calls.get(walls, tenant_id=tenant_id, call_id=call_id, vault=scope.services().vault)
        if call.ended_at:
            raise CallMovedOnError
        said: dict[str, Any] = {"leader": one.agent.number}
        match deed:
            case Lead.MOVE:
                queue = queues.get(
                    walls, tenant_id=tenant_id, queue_id=QueueId(parse("que", str(wanted.get("queue", ""))))
                )
                details["queue_id"] = queue.queue_id
                kind, action = OrderKind.MOVE, "team.caller-moved"
                said["queue"] = public("que", queue.queue_id)
            case Lead.TAKE_OVER:
                kind, action = OrderKind.TAKE_OVER, "team.call-taken"
            case _:
                details["ear"] = deed
                kind, action = OrderKind.WATCH, "team.call-heard"
                said["how"] = deed
        evidence.record(walls, action, "call", call_id, **said)
    desk.order(session, kind, **details)


def _force(session: Session, one: ServingAgent, tenant_id: TenantId, wanted: Mapping[str, Any]) -> None:
    status, reason, number = wanted.get("status"), wanted.get("reason", ""), wanted.get("agent")
    is_known = (
        status == "available"
        or (status == "away" and reason in statuses.COMMON)
        or (status == SIGNED_OUT and reason in SENT_HOME_FOR)
    )
    if not is_known or not isinstance(number, int):
        raise MalformedRequestError(field="status, agent")
    target = _signed_in(session, tenant_id, number)
    if target.agent.id == one.agent.id:
        raise CallMovedOnError
    with desk.walls(tenant_id) as walls:
        said: dict[str, Any] = {"leader": one.agent.number, "agent": number}
        if status == SIGNED_OUT:
            evidence.record(walls, "team.signed-out", "ten", tenant_id, **said, why=reason)
        else:
            evidence.record(walls, "team.status-set", "ten", tenant_id, **said, now=reason or "available")
    desk.order(
        session,
        OrderKind.FORCE,
        agent_id=one.agent.id,
        tenant_id=tenant_id,
        to_agent_id=AgentId(target.agent.id),
        status=status,
        reason=reason,
    )


def _assign(session: Session, one: ServingAgent, tenant_id: TenantId, wanted: Mapping[str, Any]) -> None:
    """Put an agent into a queue, out of one, or both; what they talk in goes on."""
    number, to, out_of = wanted.get("agent"), wanted.get("queue", ""), wanted.get("from", "")
    if not isinstance(number, int) or not isinstance(to, str) or not isinstance(out_of, str):
        raise MalformedRequestError(field="agent, queue, from")
    if not (to or out_of):
        raise MalformedRequestError(field="queue")
    target = _signed_in(session, tenant_id, number)
    queue_id = QueueId(parse("que", to)) if to else None
    from_id = QueueId(parse("que", out_of)) if out_of else None
    with desk.walls(tenant_id) as walls:
        if queue_id and not queues.get(walls, tenant_id=tenant_id, queue_id=queue_id).is_open:
            raise CallMovedOnError
        roster.put(session, agent_id=target.agent.id, client_tenant_id=tenant_id, to=queue_id, out_of=from_id)
        said: dict[str, Any] = {"leader": one.agent.number, "agent": number, "queue": to, "from": out_of}
        evidence.record(walls, "team.agent-moved", "ten", tenant_id, **said)
    desk.order(session, OrderKind.SERVES, agent_id=target.agent.id)


def _write(one: ServingAgent, tenant_id: TenantId, wanted: Mapping[str, Any]) -> None:
    """Write to the company's agents, or to those of one queue."""
    text, to = wanted.get("text"), wanted.get("queue", "")
    if not isinstance(text, str) or not isinstance(to, str):
        raise MalformedRequestError(field="text, queue")
    queue_id = QueueId(parse("que", to)) if to else None
    with desk.walls(tenant_id) as walls:
        messages.send(walls, tenant_id=tenant_id, text=text, queue_id=queue_id, from_agent=one.agent.number)


def _signed_in(session: Session, tenant_id: TenantId, number: int) -> ServingAgent:
    """Return who of a company's agents has this number and is there.

    Raises:
        CallMovedOnError: they are not.
    """
    for other in seating.serving(session):
        if other.agent.number == number and other.presence and tenant_id in other.clients:
            return other
    raise CallMovedOnError


def _team(one: ServingAgent, tenant_id: TenantId, serve: Mapping[int, Sequence[QueueId]]) -> Team:
    found = pulse.now_of(scope.services().realtime, tenant_id)
    known, now = desk.client(tenant_id).queue_names, clock.now()
    names = {str(queue_id): name for queue_id, name in known.items()}
    snapshot: Mapping[str, Any] = found or {}
    return Team(
        public("ten", tenant_id),
        desk.company_name(tenant_id),
        dt.datetime.fromisoformat(snapshot["at"]) if found else None,
        one.leads[tenant_id],
        sorted(
            (
                Person(
                    int(each["number"]),
                    each["state"] if each["state"] in _STATES else "away",
                    _for_s(each["since"], now),
                    each.get("call", ""),
                    int(each["number"]) == one.agent.number,
                    _by_name({at: known[at] for at in serve.get(int(each["number"]), ()) if at in known}),
                )
                for each in snapshot.get("people", ())
            ),
            key=lambda person: (_STATES.index(person.state), person.number),
        ),
        [
            Waiting(
                each["call"],
                public("que", UUID(each["queue"])),
                names.get(each["queue"], ""),
                _for_s(each["since"], now),
            )
            for each in snapshot.get("waiting", ())
        ],
        _by_name(known),
    )


def _by_name(names: Mapping[QueueId, str]) -> list[tuple[str, str]]:
    return sorted(
        ((public("que", queue_id), name) for queue_id, name in names.items()), key=lambda pair: pair[1]
    )


def _for_s(since: str, now: dt.datetime) -> float:
    return max(0.0, (now - dt.datetime.fromisoformat(since)).total_seconds())
