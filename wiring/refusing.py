"""Carrying refusals from Redis, and refused calls from the gate's decisions, into tables; and ringing.

This hour and the last one, because counting does not wait for us. Nothing is added up here: what Redis or the
decisions hold is what is kept, so a run that is done twice, or after a crash, changes nothing.
"""

from collections import defaultdict
from uuid import UUID

from core import clock
from core.ids import OPERATOR, TenantId
from security import refusals as counting
from security.gate import Scope
from security.refusals import HOUR, NOBODY, Count
from telephony.outbound import refused
from tenants import companies, refusals
from wiring.assemble import House


def carry(house: House) -> None:
    """Keep what was counted.

    Raises:
        redis.RedisError: Redis is away; what it holds is carried when it is back.
    """
    hour = counting.hour_of(clock.now())
    found = [one for when in (hour - HOUR, hour) for one in counting.counted(house.realtime.redis, hour=when)]
    with house.gate.open(Scope.system(OPERATOR)) as session:
        served = {OPERATOR, *(client.tenant_id for client in companies.served(session))}
    _keep(house, [one for one in found if one.company_id == NOBODY or one.company_id in served])


def of_calls(house: House) -> None:
    """Keep how many calls the gate has refused for what looks like toll fraud."""
    hour = counting.hour_of(clock.now())
    with house.gate.open(Scope.system(OPERATOR)) as session:
        served = [client.tenant_id for client in companies.served(session)]
        refusals.sweep(session, tenant_id=OPERATOR)
    found = []
    for tenant_id in served:
        with house.gate.open(Scope.system(tenant_id)) as session:
            refusals.sweep(session, tenant_id=tenant_id)
            by_hour = refused.guarded(session, tenant_id=tenant_id, since=hour - HOUR)
        found += [Count(when, "call-out", tenant_id, times) for when, times in by_hour.items()]
    _keep(house, found)


def _keep(house: House, counts: list[Count]) -> None:
    """Keep each company's within its own walls, then all of them within the operator's."""
    by_company: dict[UUID, list[Count]] = defaultdict(list)
    for one in counts:
        by_company[one.company_id].append(one)
    for company_id, theirs in by_company.items():
        if company_id not in {NOBODY, OPERATOR}:
            with house.gate.open(Scope.system(TenantId(company_id))) as session:
                refusals.keep(session, tenant_id=TenantId(company_id), counts=theirs)
    if counts:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            refusals.keep(session, tenant_id=OPERATOR, counts=counts)
