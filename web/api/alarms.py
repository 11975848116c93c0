"""Alarms: what happened that somebody has to look at, and taking note of it."""

from typing import Any

from pydantic import Field

from core import ids
from core.ids import AlarmId
from tenants import alarms
from tenants.alarms import Alarm
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Listed, Moment, Outward, PageQuery
from web.guards import permission

_LIST = "alarms"


class AlarmShown(Outward):
    """Something that happened."""

    id: str = Field(examples=["alm_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    kind: str = Field(description="More will be added.", examples=["decoy-opened"])
    about: str = Field(description="What it is about; empty when that has no id.")
    details: dict[str, Any] = Field(description="Ids, codes and amounts.")
    raised_at: Moment
    last_at: Moment = Field(description="When it was raised last.")
    times: int = Field(description="How often it was raised until somebody acknowledged it.")
    acknowledged_at: Moment | None


class Alarms(Listed):
    """A page of alarms, newest first."""

    data: list[AlarmShown]


@pages.get("/alarms")
@permission("alarms.read")
@operation(tag="Alarms", answers={200: Alarms}, operation_id="listAlarms")
def list_alarms(query: PageQuery) -> Alarms:
    """List the company's alarms, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = alarms.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit + 1,
        after=AlarmId(ids.parse("alm", after[0])) if after else None,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Alarms(
        data=[_shown(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("alm", shown[-1].id), of=_LIST) if has_more else None,
    )


@pages.post("/alarms/<alarm_id>/acknowledge")
@permission("alarms.write")
@operation(tag="Alarms", answers={200: AlarmShown}, errors=(404, 409), operation_id="acknowledgeAlarm")
def acknowledge_alarm(alarm_id: str) -> AlarmShown:
    """Take note of an alarm. Doing it twice changes nothing; the same thing again raises a new one."""
    who = identity.current()
    return _shown(
        alarms.acknowledge(
            scope.session(),
            tenant_id=who.tenant_id,
            alarm_id=AlarmId(id_in_path("alm", alarm_id)),
            by=who.principal_id,
        )
    )


def _shown(one: Alarm) -> AlarmShown:
    return AlarmShown(
        id=ids.public("alm", one.id),
        kind=one.kind,
        about=one.subject,
        details=dict(one.details),
        raised_at=one.raised_at,
        last_at=one.last_at,
        times=one.times,
        acknowledged_at=one.acknowledged_at,
    )
