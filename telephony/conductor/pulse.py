"""The pulse: what live pages show of queues and agents, once a second when something has changed.

A snapshot per tenant goes out as a live message and stays in Redis for late comers; it holds ids, counts
and instants, no personal data, and is never truth.
"""

import asyncio
import datetime as dt
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import redis

from core import clock
from core.ids import OPERATOR, AgentId, QueueId, RoomId, TenantId, public
from core.realtime import Realtime, key
from seats.rules import Activity, activity
from telephony.conductor import in_room
from telephony.conductor.conductor import Conductor
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import InRoom
from telephony.conductor.phases import Phase
from telephony.routing.floor import Agent

TOPIC, PURPOSE = "floor", "floor"
_KEPT_S = 15
_REFRESH_S = 5.0
_TURNS = 10  # beats after which every console has been told again; the page calls 20 s stale
_AT_ONCE = 10
_MOST_WAITING = 50  # of a company, longest first: more nobody looks at one by one
_SPREAD_S = 0.25


class Pulse:
    """Tells live pages about the floor."""

    def __init__(self, conductor: Conductor, realtime: Realtime) -> None:
        self._conductor, self._realtime = conductor, realtime
        self._last = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._tenants: set[TenantId] = set()
        self._told: dict[AgentId, dict[str, Any]] = {}
        self._beats = 0

    async def beat(self) -> None:
        """Tell what has changed; every few seconds tell anyway, so that a page knows it is fresh."""
        now = clock.now()
        self._beats += 1
        snapshots = floor_of_tenants(self._conductor, now)
        shown = self._news(snapshots)
        # the switchboard's own heartbeat: what is fresh and empty for everybody who is not in here
        snapshots[OPERATOR] = {"at": now.isoformat(), "queues": {}, "agents": {}}
        if self._conductor.desk.telling.was_stirred() or (now - self._last).total_seconds() >= _REFRESH_S:
            self._last = now
            for tenant_id in self._tenants - snapshots.keys():
                snapshots[tenant_id] = {"at": now.isoformat(), "queues": {}, "agents": {}}
            self._tenants |= snapshots.keys()
        else:
            snapshots = {}
        # Redis may keep us waiting, and calls may not wait for it
        await asyncio.to_thread(self._tell, snapshots, shown)

    def _news(self, snapshots: dict[TenantId, dict[str, Any]]) -> dict[AgentId, dict[str, Any]]:
        """Return what to tell which agent: what is new to them, and to some of them in turn what is not.

        A thousand consoles told in the same instant would keep those waiting that have news.
        """
        queues = {queue: entry for one in snapshots.values() for queue, entry in one["queues"].items()}
        turn = self._beats % _TURNS
        before, self._told = self._told, {}
        news = {}
        for agent in self._conductor.floor.agents.values():
            mine = {name: queues[name] for queue in agent.skills if (name := str(queue)) in queues}
            if agent.number % _TURNS == turn or before.get(agent.agent_id) != mine:
                news[agent.agent_id] = mine
            self._told[agent.agent_id] = mine
        return news

    def _tell(self, snapshots: dict[TenantId, dict[str, Any]], shown: dict[AgentId, dict[str, Any]]) -> None:
        for tenant_id, snapshot in snapshots.items():
            self._publish(tenant_id, snapshot)
        # a few at a time, with a breath between: hundreds in one go would hold up, here and in the live
        # process, whoever is being rung at that moment
        told = [(f"agent:{agent_id}", {"type": "queues", "queues": mine}) for agent_id, mine in shown.items()]
        groups = [dict(told[first : first + _AT_ONCE]) for first in range(0, len(told), _AT_ONCE)]
        for group in groups:
            self._realtime.publish_all(OPERATOR, group)
            time.sleep(_SPREAD_S / len(groups))

    def _publish(self, tenant_id: TenantId, snapshot: dict[str, Any]) -> None:
        if self._realtime.publish(tenant_id, TOPIC, snapshot):
            envelope = json.dumps({"t": str(tenant_id), "k": TOPIC, "v": snapshot})
            try:
                self._realtime.redis.set(key(tenant_id, PURPOSE, "now"), envelope, ex=_KEPT_S)
            except redis.RedisError:
                return


def now_of(realtime: Realtime, tenant_id: TenantId) -> dict[str, Any] | None:
    """Return the last snapshot of a tenant's floor, or None when there is none fresh enough.

    Where nothing has happened yet there is none; while the switchboard's heart beats, that is an empty floor.
    """
    return now_of_all(realtime, [tenant_id]).get(tenant_id)


def now_of_all(realtime: Realtime, tenant_ids: Iterable[TenantId]) -> dict[TenantId, dict[str, Any]]:
    """Return `now_of` some tenants, asked for in one go; those without a fresh one are left out."""
    asked = list(tenant_ids)
    pipe = realtime.redis.pipeline(transaction=False)
    for tenant_id in (*asked, OPERATOR):
        pipe.get(key(tenant_id, PURPOSE, "now"))
    try:
        *kept, beat = pipe.execute()
    except redis.RedisError:
        return {}
    empty = _opened(OPERATOR, beat)
    found = {tenant_id: _opened(tenant_id, raw) or empty for tenant_id, raw in zip(asked, kept, strict=True)}
    return {tenant_id: snapshot for tenant_id, snapshot in found.items() if snapshot is not None}


def _opened(tenant_id: TenantId, raw: object) -> dict[str, Any] | None:
    if not isinstance(raw, bytes):
        return None
    envelope = json.loads(raw)
    if envelope.get("t") != str(tenant_id) or envelope.get("k") != TOPIC:
        return None
    snapshot: dict[str, Any] = envelope["v"]
    return snapshot


def floor_of_tenants(conductor: Conductor, now: dt.datetime) -> dict[TenantId, dict[str, Any]]:
    """Return per tenant: its queues (waiting, since when the longest waits, on calls), agents, who waits.

    Agents stand there by state, and one by one by the number callers are told, which does not say who it is.
    """
    queues: dict[TenantId, dict[QueueId, dict[str, Any]]] = defaultdict(dict)
    waiting: dict[TenantId, list[dict[str, Any]]] = defaultdict(list)
    states: dict[TenantId, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for call in conductor.live:
        arrival = call.arrival
        entry = queues[arrival.tenant_id].setdefault(
            arrival.queue_id, {"waiting": 0, "since": None, "talking": 0}
        )
        if call.phase is Phase.QUEUED:  # one that rings at an agent waits for nobody else
            entry["waiting"] += 1
            since = (call.queued_at or arrival.arrived_at).isoformat()
            entry["since"] = min(entry["since"] or since, since)
            about = {"call": public("call", call.call_id), "queue": str(arrival.queue_id), "since": since}
            waiting[arrival.tenant_id].append(about)
        elif call.phase in {Phase.ANNOUNCING, Phase.TALKING}:
            entry["talking"] += 1
    rooms = _rooms(conductor.live)
    people: dict[TenantId, list[dict[str, Any]]] = defaultdict(list)
    working = {call.call_id: call.arrival.tenant_id for call in conductor.live}
    talking = {
        call.offer.agent_id: public("call", call.call_id)
        for call in conductor.live
        if call.offer and call.phase is Phase.TALKING
    }
    for agent in conductor.floor.agents.values():
        shown_to = {agent.seat_renter} if agent.seat_renter else set(agent.clients)
        if agent.call_id in working:
            shown_to = {working[agent.call_id]}
        for tenant_id in shown_to:
            if tenant_id is not None:
                states[tenant_id][_shown(agent)] += 1
                one = {"number": agent.number, "state": _shown(agent), "since": agent.since.isoformat()}
                if conductor.desk.wrap_ups.is_overdue(agent.agent_id, now):
                    one["is_overdue"] = True
                if agent.agent_id in talking:
                    one["call"] = talking[agent.agent_id]
                people[tenant_id].append(one)
    return {
        tenant_id: {
            "at": now.isoformat(),
            "queues": {str(queue): entry for queue, entry in queues.get(tenant_id, {}).items()},
            "agents": dict(states.get(tenant_id, {})),
            "people": people.get(tenant_id, []),
            "waiting": sorted(waiting.get(tenant_id, []), key=lambda one: one["since"])[:_MOST_WAITING],
            "rooms": rooms.get(tenant_id, {}),
        }
        for tenant_id in {*queues, *states}
    }


def _rooms(live: Iterable[LiveCall]) -> dict[TenantId, dict[str, dict[str, Any]]]:
    """Return the conference rooms of each tenant in which somebody is: who hears the others, and is heard."""
    inside: dict[tuple[TenantId, RoomId], dict[str, InRoom]] = defaultdict(dict)
    for call in live:
        if call.phase is Phase.ROOM and call.room:
            inside[call.arrival.tenant_id, call.room.room_id][public("call", call.call_id)] = call.room
    found: dict[TenantId, dict[str, dict[str, Any]]] = defaultdict(dict)
    for (tenant_id, room_id), people in inside.items():
        found[tenant_id][str(room_id)] = {
            "locked": in_room.is_locked([*people.values()]),
            "talks": in_room.may_talk([*people.values()]),
            "people": {name: {"self": one.mutes_self, "muted": one.is_muted} for name, one in people.items()},
        }
    return found


def _shown(agent: Agent) -> str:
    """Return one of call, hold, wrap, ready, away: what a strip of seats shows."""
    match activity(agent.state):
        case Activity.TALKING | Activity.RINGING | Activity.RESERVED | Activity.DIALLING:
            return "call"
        case Activity.HOLDING:
            return "hold"
        case Activity.WRAP_UP:
            return "wrap"
        case Activity.AVAILABLE:
            return "ready"
        case _:
            return "away"
