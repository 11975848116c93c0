"""Flows as pages and programs see them: who tries one, and what callers did in it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import FlowId, QueueId
from core.phone import mask
from telephony import queue_hours
from telephony.flows import figures as counted
from telephony.flows import sounds as uploaded
from telephony.flows import store
from telephony.flows.figures import FlowFigures
from telephony.flows.interpreter import World
from telephony.flows.model import Flow
from telephony.flows.rehearsal import Scene
from telephony.flows.store import Kept
from telephony.routing import settings
from web import identity, scope, tampered

COUNTED = dt.timedelta(days=30)


def scene(
    *,
    flow: Flow,
    caller: str,
    is_customer: bool,
    tier: str,
    answers: Mapping[str, str] | None,
    at: dt.datetime,
    has_number: bool,
    knows_pin: bool,
    is_person_free: bool,
    outside: str = "",
    is_room_full: bool = False,
) -> Scene:
    """Return who tries a flow of the company, with its own opening hours and regions."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    routing = settings.read(session, tenant_id=tenant_id)
    hours = {
        name: queue_hours.read(session, tenant_id=tenant_id, queue_id=QueueId(ids.parse("que", name))).hours
        for name in flow.queues()
    }
    world = World(caller=caller, region=routing.region_of(caller) if caller else "", tier=tier, hours=hours)
    return Scene(
        world,
        at,
        is_customer=is_customer,
        tier=tier,
        answers=answers,
        has_number=has_number,
        knows_pin=knows_pin,
        is_person_free=is_person_free,
        outside=outside,
        is_room_full=is_room_full,
        sounds={one.ref: one.name for one in uploaded.all_of(session, tenant_id=tenant_id)},
    )


def found(flow_id: FlowId) -> Kept:
    """Return a flow of the company; phones that do not open ring the alarm, and are left out.

    Raises:
        FlowNotFoundError: not the company's, or removed.
    """
    kept = store.read(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        flow_id=flow_id,
        vault=scope.services().vault,
    )
    if kept.damage:
        tampered.tell(kept.damage)
    return replace(kept, draft=visible(kept.draft))


def visible(flow: Flow) -> Flow:
    """Return a flow as whoever is signed in may see it: only who may change it sees its phones whole."""
    if "queues.write" in identity.current().permissions:
        return flow
    return flow.with_phones({node: mask(phone) for node, phone in flow.phones().items()})


def figures(session: Session, kept: Kept) -> FlowFigures:
    """Return what callers did in the version they go through now."""
    return counted.of_flow(
        session,
        tenant_id=kept.tenant_id,
        flow_id=kept.flow_id,
        version=kept.version,
        since=clock.now() - COUNTED,
    )
