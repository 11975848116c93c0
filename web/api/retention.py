"""For how many days a company keeps what; what the next night removes, and what the last ones did."""

import datetime as dt

from pydantic import Field

from core.errors import NotFound
from tenants import retention
from tenants.retention import KeptKind
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Moment, Outward
from web.guards import permission
from wiring import retaining


class RuleShown(Outward):
    """For how long one kind is kept."""

    kind: KeptKind
    days: int | None = Field(description="Whole days of the company's zone; null: as long as it is here.")
    least: int = Field(description="The fewest days that may be set, by law or by us.")
    most: int
    next_at: Moment | None = Field(description="The night that carries it out; null when nothing is set.")
    removes: int = Field(description="How many things go then, as it stands now.")


class NightShown(Outward):
    """What one night removed."""

    day: dt.date
    is_over: bool
    is_held: bool = Field(description="A legal hold on the company let it remove nothing.")
    removed: dict[str, int]


class Retention(Outward):
    """Every rule, and the last thirty nights."""

    rules: list[RuleShown]
    nights: list[NightShown]


class NewRule(Inward):
    """For how many days a kind is kept."""

    days: int | None = Field(description="Null: for as long as the company is here.", examples=[90])


@pages.get("/retention")
@permission("privacy.read")
@operation(tag="Privacy", answers={200: Retention}, operation_id="getRetention")
def get_retention() -> Retention:
    """See for how long what is kept, what the next night removes, and what the last ones did."""
    return _shown()


@pages.put("/retention/<kind>")
@permission("privacy.write")
@operation(tag="Privacy", answers={200: Retention}, errors=(404,), operation_id="setRetention")
def put_retention(kind: str, json: NewRule) -> Retention:
    """Set for how many days one kind is kept. It holds from the first night that begins a day later."""
    who = identity.current()
    try:
        which = KeptKind(kind)
    except ValueError as error:
        raise NotFound from error
    retention.put(
        scope.session(),
        tenant_id=who.tenant_id,
        kind=which,
        days=json.days,
        country=who.company.country,
        by=who.principal_id,
    )
    return _shown()


def _shown() -> Retention:
    who, session, services = identity.current(), scope.session(), scope.services()
    found = retaining.outlook(
        session,
        tenant_id=who.tenant_id,
        storage=services.storage,
        recording_dir=services.settings.recording_dir,
    )
    return Retention(
        rules=[
            RuleShown(
                kind=one.kind,
                days=one.days,
                least=one.least,
                most=one.most,
                next_at=one.next_at,
                removes=one.removes,
            )
            for one in found
        ],
        nights=[
            NightShown(
                day=one.on_day,
                is_over=one.ended_at is not None,
                is_held=one.is_held,
                removed=dict(one.counts),
            )
            for one in retention.runs(session, tenant_id=who.tenant_id)
        ],
    )
