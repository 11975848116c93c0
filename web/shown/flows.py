"""Flows as pages and programs see them: who tries one, and what callers did in it."""

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import QueueId
from telephony import queue_hours
from telephony.flows import figures as counted
from telephony.flows import sounds as uploaded
from telephony.flows.figures import FlowFigures
from telephony.flows.interpreter import World
from telephony.flows.model import Flow
from telephony.flows.rehearsal import Scene
from telephony.flows.store import Kept
from telephony.routing import settings
from web import identity, scope

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
        sounds={one.ref: one.name for one in uploaded.all_of(session, tenant_id=tenant_id)},
    )


def figures(session: Session, kept: Kept) -> FlowFigures:
    """Return what callers did in the version they go through now."""
    return counted.of_flow(
        session,
        tenant_id=kept.tenant_id,
        flow_id=kept.flow_id,
        version=kept.version,
        since=clock.now() - COUNTED,
    )
