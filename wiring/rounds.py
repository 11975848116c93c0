"""One second of dialling, for all campaigns of all companies: run by the periodic table."""

from collections import defaultdict
from uuid import UUID

from campaigns import dialling, pacing, plans
from campaigns.events import LIVE_TOPIC
from campaigns.pacing import Demand
from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, QueueId
from seats import desk
from seats.rules import Activity
from security.gate import Scope
from wiring.assemble import House

_log = log.get(__name__)


def pace(house: House) -> None:
    """Start the calls of this second, for every campaign that is running.

    Free agents are the operator's and are shared out among all companies; each campaign then dials in a
    transaction of its own company, and the trouble of one holds up no other.
    """
    at = clock.now()
    with house.gate.open(Scope.system(OPERATOR)) as session:
        running = plans.rounds(session)
        floor = desk.serving(session) if running else []
    free: dict[QueueId, set[UUID]] = defaultdict(set)
    for agent in floor:
        if agent.presence is not None and agent.presence.state == Activity.AVAILABLE:
            for skill in agent.skills:
                free[skill.queue_id].add(agent.agent.id)
    shared = pacing.share(
        [Demand(one.campaign_id, frozenset(free[one.queue_id])) for one in running], turn=int(at.timestamp())
    )
    for one in running:
        try:
            with house.gate.open(Scope.system(one.tenant_id)) as session:
                done = dialling.round_of(
                    session,
                    tenant_id=one.tenant_id,
                    vault=house.vault,
                    campaign_id=one.campaign_id,
                    free=len(shared[one.campaign_id]),
                    at=clock.now(),
                )
        except SeatlineError as error:
            _log.warning("campaign-round-failed", campaign=str(one.campaign_id), error=error.code)
            continue
        if done.has_news:
            house.realtime.publish(one.tenant_id, LIVE_TOPIC, {})
