"""Routing as pages and programs change it: the company's settings, and where its agents stand.

Settings are the company's rows, agents' stations the operator's; see `shown.queues` for the order in which
the two are written.
"""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from core.ids import AgentId, TenantId
from seats import roster
from seats.roster import Station
from telephony import orders
from telephony.errors import RoutingSettingError
from telephony.orders import OrderKind
from telephony.routing import settings as routing
from telephony.routing.settings import RoutingSettings
from web import renting


def stations(*, tenant_id: TenantId) -> Mapping[int, Station]:
    """Return where the company's agents stand, by their numbers."""
    with renting.operators() as floor:
        found = roster.members(floor, client_tenant_id=tenant_id, queue_id=None)
    return {one.agent.number: one.station for one in found}


def agents(*, tenant_id: TenantId) -> Mapping[int, AgentId]:
    """Return who works for the company, by their numbers."""
    with renting.operators() as floor:
        found = roster.members(floor, client_tenant_id=tenant_id, queue_id=None)
    return {one.agent.number: one.agent.id for one in found}


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    settings: RoutingSettings,
    stations: Mapping[int, Station] | None,
) -> RoutingSettings:
    """Write the company's routing, and where its agents stand; None: as it is.

    Raises:
        RoutingChangedError, RoutingSettingError, NotAssignedError, AgentDetailsError: nothing is changed.
    """
    codes = {one.code for one in settings.regions} | {""}
    if stations and not {one.region for one in stations.values()} <= codes:
        raise RoutingSettingError(field="agent_region")
    saved = routing.write(session, tenant_id=tenant_id, settings=settings)
    with renting.operators(changes=True) as floor:
        for agent_id in roster.station(floor, client_tenant_id=tenant_id, stations=stations or {}):
            orders.leave(floor, OrderKind.SERVES, agent_id=agent_id)
    return saved
