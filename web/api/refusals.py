"""What walls refused to the company's people and programs, by the hour."""

import datetime as dt

from pydantic import Field

from core import clock
from security.refusals import KINDS, bound
from tenants import refusals
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Moment, Outward
from web.guards import permission


class RefusalsQuery(Inward):
    """How far back."""

    hours: int = Field(default=24, ge=1, le=720, description="So many hours back from now.", examples=[24])


class RefusalCount(Outward):
    """How often a wall refused one kind of thing in one hour."""

    hour: Moment = Field(description="When the hour began.")
    kind: str = Field(description="More will be added.", examples=["api-key"])
    times: int = Field(examples=[12])
    rings_from: int | None = Field(
        description="From how many in an hour it is an alarm; 1: the first one is.", examples=[100]
    )


class RefusalCounts(Outward):
    """The latest hour first; hours in which nothing was refused are left out."""

    data: list[RefusalCount]


@pages.get("/refusals")
@permission("alarms.read")
@operation(tag="Alarms", answers={200: RefusalCounts}, operation_id="listRefusals")
def list_refusals(query: RefusalsQuery) -> RefusalCounts:
    """List how often walls refused your people and programs something, by hour and kind; never who it was."""
    tenant_id = identity.current().tenant_id
    since = clock.now() - dt.timedelta(hours=query.hours)
    return RefusalCounts(
        data=[
            RefusalCount(
                hour=one.hour,
                kind=one.kind,
                times=one.times,
                rings_from=1 if KINDS[one.kind].rings else bound(one.kind, one.company_id),
            )
            for one in refusals.page(scope.session(), tenant_id=tenant_id, since=since)
        ]
    )
