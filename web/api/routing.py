"""Routing: the traffic model, customer tiers, regions, which queue helps which; a customer's tier."""

from typing import Literal

from pydantic import Field

from core import ids
from core.ids import CustomerId, FlowId, QueueId
from customers import records
from seats.roster import Station
from telephony.routing import settings as routing
from telephony.routing.settings import KeptFor, QueueRouting, Region, RoutingSettings, TierSettings
from telephony.routing.strategy import Model
from web import identity, scope
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Outward, Text
from web.guards import permission
from web.shown import routing as shown

_TAG = "Routing"
_ID = "que_01jd3x5k8f7r6q2w9v4t0n1m3c"
_MODELS = Literal["brand", "brand-region-fixed", "brand-region-progressive", "value"]
_MODEL_WORDS = (
    "`brand`: a queue's agents serve every region and nobody else's callers. `brand-region-fixed`: the region"
    " of the caller, and nobody else. `brand-region-progressive`: the own region first, then wider by"
    " waiting. `value`: as progressive, and weight times wait says who goes first."
)


class TierIn(Inward):
    """A class of customers. What is null is as in the tier above, and at the top as the defaults are."""

    code: Text = Field(max_length=83, examples=["vip-gold"])
    name: Text = Field(max_length=60, examples=["VIP, gold"])
    above: Text = Field(default="", max_length=83, description="The tier it is a level of.", examples=["vip"])
    queue: str | None = Field(
        default=None, max_length=60, description="Where its callers wait, instead of their number's queue."
    )
    target_s: int | None = Field(
        default=None, ge=1, le=3600, description="Promised answer time; 20 at the top."
    )
    target_percent: int | None = Field(
        default=None, ge=1, le=100, description="Share to be answered in that time; 80 at the top."
    )
    head_start_s: int | None = Field(
        default=None, ge=0, le=3600, description="Its callers count as having come so much earlier."
    )
    weight: int | None = Field(default=None, ge=1, le=1000, description="What a second of waiting costs.")
    longest_s: int | None = Field(
        default=None,
        ge=10,
        le=7200,
        description="After it, a caller goes ahead of all who have not waited theirs.",
    )
    widens_at_once: bool | None = Field(default=None, description="May go to every circle from the start.")
    work_order_h: int | None = Field(
        default=None, ge=1, le=8760, description="Within how many hours its work orders are to be done."
    )
    flow: str | None = Field(
        default=None,
        max_length=60,
        description="The published flow its callers go through, instead of their number's.",
    )


class RegionIn(Inward):
    """Where callers live, by how their numbers begin."""

    code: Text = Field(max_length=83, examples=["north"])
    name: Text = Field(max_length=60, examples=["North"])
    prefixes: list[str] = Field(max_length=200, examples=[["+44161", "+44113"]])


class QueueRoutingIn(Inward):
    """What routing knows of a queue."""

    queue: str = Field(max_length=60, examples=[_ID])
    helpers: list[str] = Field(default=[], max_length=20, description="Queues whose agents help out.")
    central: bool = Field(
        default=False, description="Its callers have no region: complaints that head office takes."
    )


class StationIn(Inward):
    """Where an agent stands."""

    agent: int = Field(ge=1, le=999_999, description="The number callers are told.", examples=[1002])
    region: Text = Field(default="", max_length=83, description="Taken first. Empty: every region.")
    duty: Literal["both", "in", "out"] = Field(
        default="both", description="`in`, `out`: a dedicated seat; `both`: a blended one."
    )
    kept_queue: str | None = Field(
        default=None, max_length=60, description="The only queue whose calls they take; null: any of theirs."
    )
    kept_tier: Text = Field(
        default="",
        max_length=83,
        description="The only tier, with its levels, whose calls they take; empty: every tier.",
    )


class RoutingIn(Inward):
    """How calls come to agents."""

    model: _MODELS = Field(default="brand", description=_MODEL_WORDS)
    widen_s: list[int] = Field(
        default=[6, 12, 18],
        min_length=3,
        max_length=3,
        description="After which wait a call goes to its whole queue, to the helping queues in its region, to"
        " those everywhere.",
    )
    sticky_s: int = Field(default=0, ge=0, le=600, description="How long to wait for the agent of last time.")
    sticky_days: int = Field(default=30, ge=1, le=365, description="How long ago last time may be.")
    kept_opens_s: int | None = Field(
        default=None,
        ge=0,
        le=7_200,
        description="After which wait seats kept for others open to a caller for whom nobody else is free;"
        " 0: never; null: as it is.",
    )
    tiers: list[TierIn] = Field(default=[], max_length=routing.MOST_TIERS)
    regions: list[RegionIn] = Field(default=[], max_length=routing.MOST_REGIONS)
    queues: list[QueueRoutingIn] = Field(default=[], max_length=1000)
    agents: list[StationIn] | None = Field(
        default=None, max_length=2000, description="Where these agents stand; the others as they are."
    )


class TierOut(Outward):
    """A class of customers, as it was given."""

    code: str
    name: str
    above: str
    queue: str | None
    target_s: int | None
    target_percent: int | None
    head_start_s: int | None
    weight: int | None
    longest_s: int | None
    widens_at_once: bool | None
    work_order_h: int | None
    flow: str | None


class RegionOut(Outward):
    """A region and its prefixes."""

    code: str
    name: str
    prefixes: list[str]


class QueueRoutingOut(Outward):
    """What routing knows of a queue."""

    queue: str
    helpers: list[str]
    central: bool


class StationOut(Outward):
    """Where an agent stands."""

    agent: int
    region: str
    duty: str
    kept_queue: str | None
    kept_tier: str


class RoutingOut(Outward):
    """How calls come to agents."""

    model: str = Field(description=_MODEL_WORDS)
    widen_s: list[int]
    sticky_s: int
    sticky_days: int
    kept_opens_s: int
    tiers: list[TierOut]
    regions: list[RegionOut]
    queues: list[QueueRoutingOut]
    agents: list[StationOut]


class CustomerTier(Inward):
    """The tier a customer is to be in."""

    tier: Text = Field(max_length=83, description="Its code; empty: in none.", examples=["vip-gold"])


class CustomerTierOut(Outward):
    """The tier a customer is in."""

    tier: str = Field(description="Its code; empty: in none.")


@pages.get("/routing")
@permission("queues.read")
@operation(tag=_TAG, answers={200: RoutingOut}, operation_id="getRouting")
def get_routing() -> tuple[RoutingOut, int, dict[str, str]]:
    """Look at how calls come to agents."""
    found = routing.read(scope.session(), tenant_id=identity.current().tenant_id)
    return _shown(found), 200, preconditions.tag(found.revision)


@pages.put("/routing")
@permission("queues.write")
@operation(tag=_TAG, answers={200: RoutingOut}, operation_id="changeRouting", conditional=True)
def change_routing(json: RoutingIn) -> tuple[RoutingOut, int, dict[str, str]]:
    """Replace it all, unless somebody has changed it since it was read. It counts from the next call on."""
    who, session = identity.current(), scope.session()
    before = routing.read(session, tenant_id=who.tenant_id)
    preconditions.insist(before.revision)
    stations = (
        None if json.agents is None else {one.agent: Station(one.region, one.duty) for one in json.agents}
    )
    saved = shown.change(
        session, tenant_id=who.tenant_id, settings=_settings(json, before), stations=stations
    )
    return _shown(saved), 200, preconditions.tag(saved.revision)


@pages.get("/customers/<customer_id>/tier")
@permission("customers.read")
@operation(tag=_TAG, answers={200: CustomerTierOut}, errors=(404,), operation_id="getCustomerTier")
def get_customer_tier(customer_id: str) -> CustomerTierOut:
    """Return the tier a customer is in: a class of service, nothing of the record."""
    tenant_id, found = identity.current().tenant_id, _customer(customer_id)
    return CustomerTierOut(tier=routing.tier_of(scope.session(), tenant_id=tenant_id, customer_id=found))


@pages.put("/customers/<customer_id>/tier")
@permission("customers.write")
@operation(tag=_TAG, answers={200: CustomerTierOut}, errors=(404,), operation_id="setCustomerTier")
def set_customer_tier(customer_id: str, json: CustomerTier) -> CustomerTierOut:
    """Put a customer in a tier, or take them out of it."""
    tenant_id, found = identity.current().tenant_id, _customer(customer_id)
    routing.put_in_tier(scope.session(), tenant_id=tenant_id, customer_id=found, tier=json.tier)
    return CustomerTierOut(tier=json.tier)


def _customer(public: str) -> CustomerId:
    """Return whom an address names; nothing of the record is opened, so there is no look to log."""
    found = CustomerId(id_in_path("cus", public))
    records.insist(scope.session(), tenant_id=identity.current().tenant_id, customer_id=found)
    return found


def _queue(public: str) -> QueueId:
    return QueueId(ids.parse("que", public))


def _kept(json: RoutingIn, before: RoutingSettings) -> tuple[KeptFor, ...]:
    """Return for whom seats are kept: of the agents that are given as given, of the others as they were."""
    known = shown.agents(tenant_id=identity.current().tenant_id)
    given = {known[one.agent]: one for one in json.agents or () if one.agent in known}
    return (
        *(one for one in before.kept if one.agent_id not in given),
        *(
            KeptFor(agent_id, _queue(one.kept_queue) if one.kept_queue else None, one.kept_tier)
            for agent_id, one in given.items()
            if one.kept_queue or one.kept_tier
        ),
    )


def _settings(json: RoutingIn, before: RoutingSettings) -> RoutingSettings:
    first, second, third = json.widen_s
    return RoutingSettings(
        Model(json.model),
        (first, second, third),
        json.sticky_s,
        json.sticky_days,
        tuple(
            TierSettings(
                **one.model_dump(exclude={"queue", "flow"}),
                queue_id=_queue(one.queue) if one.queue else None,
                flow_id=FlowId(ids.parse("flow", one.flow)) if one.flow else None,
            )
            for one in json.tiers
        ),
        tuple(Region(one.code, one.name, tuple(one.prefixes)) for one in json.regions),
        tuple(
            QueueRouting(_queue(one.queue), tuple(_queue(helper) for helper in one.helpers), one.central)
            for one in json.queues
        ),
        _kept(json, before),
        before.kept_opens_s if json.kept_opens_s is None else json.kept_opens_s,
        before.revision,
    )


def _shown(one: RoutingSettings) -> RoutingOut:
    stations = shown.stations(tenant_id=identity.current().tenant_id)
    known = shown.agents(tenant_id=identity.current().tenant_id)
    kept = {kept_for.agent_id: kept_for for kept_for in one.kept}
    return RoutingOut(
        model=one.model.value,
        widen_s=list(one.widen_s),
        sticky_s=one.sticky_s,
        sticky_days=one.sticky_days,
        kept_opens_s=one.kept_opens_s,
        tiers=[
            TierOut(
                code=tier.code,
                name=tier.name,
                above=tier.above,
                queue=ids.public("que", tier.queue_id) if tier.queue_id else None,
                target_s=tier.target_s,
                target_percent=tier.target_percent,
                head_start_s=tier.head_start_s,
                weight=tier.weight,
                longest_s=tier.longest_s,
                widens_at_once=tier.widens_at_once,
                work_order_h=tier.work_order_h,
                flow=ids.public("flow", tier.flow_id) if tier.flow_id else None,
            )
            for tier in one.tiers
        ],
        regions=[RegionOut(code=r.code, name=r.name, prefixes=list(r.prefixes)) for r in one.regions],
        queues=[
            QueueRoutingOut(
                queue=ids.public("que", queue.queue_id),
                helpers=[ids.public("que", helper) for helper in queue.helpers],
                central=queue.is_central,
            )
            for queue in one.queues
        ],
        agents=[
            StationOut(
                agent=number,
                region=station.region,
                duty=station.duty,
                kept_queue=ids.public("que", found.queue_id) if found and found.queue_id else None,
                kept_tier=found.tier if found else "",
            )
            for number, station in sorted(stations.items())
            for found in (kept.get(known[number]),)
        ],
    )
