"""A company's routing as it has settled it: the traffic model, tiers, regions, which queue helps which.

One document with a revision, read and written whole, because its parts name each other. A tier may stand
under another one: what it leaves open is as in the tier above.
"""

import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import AgentId, CustomerId, FlowId, QueueId, TenantId
from security import evidence
from telephony import queues
from telephony.errors import RoutingChangedError, RoutingSettingError
from telephony.models import CustomerTierRow, FlowRow, RoutingSettingsRow
from telephony.routing.strategy import COMMON, Kept, Model, Policy, Tier

MOST_TIERS, MOST_REGIONS, MOST_PREFIXES, MOST_KEPT = 40, 200, 200, 2_000
LONGEST_NAME = 60
_CODE = re.compile(r"[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,3}", re.ASCII)
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}", re.ASCII)
_STEP_S, _TARGET_S, _LONGEST_S, _START_S = (0, 3_600), (1, 3_600), (10, 7_200), (0, 3_600)
_WEIGHT, _PERCENT, _HOURS = (1, 1_000), (1, 100), (1, 8_760)


@dataclass(frozen=True, slots=True)
class TierSettings:
    """A class of customers; what is None is as in the tier above, and in the topmost as `TOP` has it.

    Attributes:
        code: small letters, digits and hyphens; one of a kind.
        name: what people call it.
        above: the code of the tier it is a level of, or "".
        queue_id: where its callers wait, instead of the queue their number leads to.
        target_s: promised answer time, 1 to 3600.
        target_percent: of its calls to be answered within that, 1 to 100.
        head_start_s: its callers count as having come so much earlier, 0 to 3600.
        weight: what a second of waiting costs, 1 to 1000, in the value model.
        longest_s: after which it goes ahead of everybody who has not waited theirs, 10 to 7200.
        widens_at_once: may go to every circle from the first second.
        work_order_h: within how many hours a work order of its customers is to be done, 1 to 8760.
        flow_id: what its callers go through, instead of the flow their number leads into; a published one.
    """

    code: str
    name: str
    above: str = ""
    queue_id: QueueId | None = None
    target_s: int | None = None
    target_percent: int | None = None
    head_start_s: int | None = None
    weight: int | None = None
    longest_s: int | None = None
    widens_at_once: bool | None = None
    work_order_h: int | None = None
    flow_id: FlowId | None = None


TOP = TierSettings(
    "",
    "",
    target_s=20,
    target_percent=80,
    head_start_s=0,
    weight=1,
    longest_s=300,
    widens_at_once=False,
    work_order_h=48,
)


@dataclass(frozen=True, slots=True)
class Region:
    """Where callers live, by how their numbers begin; the longest prefix of all regions decides."""

    code: str
    name: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueRouting:
    """What routing knows of a queue: which queues help out, and whether its callers have no region."""

    queue_id: QueueId
    helpers: tuple[QueueId, ...] = ()
    is_central: bool = False


@dataclass(frozen=True, slots=True)
class KeptFor:
    """An agent whose seat is kept for the calls of a queue, or of a tier and its levels, or both."""

    agent_id: AgentId
    queue_id: QueueId | None = None
    tier: str = ""


@dataclass(frozen=True)
class RoutingSettings:
    """All of it; times in seconds. Kept seats open to whom else has waited for `kept_opens_s`; 0: never."""

    model: Model = Model.BRAND
    widen_s: tuple[int, int, int] = (6, 12, 18)
    sticky_s: int = 0
    sticky_days: int = 30
    tiers: tuple[TierSettings, ...] = ()
    regions: tuple[Region, ...] = ()
    queues: tuple[QueueRouting, ...] = ()
    kept: tuple[KeptFor, ...] = ()
    kept_opens_s: int = 300
    revision: int = field(default=0, compare=False)

    @property
    def needs_region(self) -> bool:
        """Whether a caller's region bears on who may serve them."""
        return self.model is not Model.BRAND and bool(self.regions)

    @property
    def asks_who_calls(self) -> bool:
        """Whether the customer's row bears on it: their tier, or who served them last."""
        return bool(self.tiers) or self.sticky_s > 0

    @cached_property
    def policy(self) -> Policy:
        """What the decision needs of it."""
        first, second, third = (1_000 * step for step in self.widen_s)
        return Policy(
            self.model,
            (first, second, third),
            {one.queue_id: one.helpers for one in self.queues if one.helpers},
            frozenset(one.queue_id for one in self.queues if one.is_central),
            1_000 * self.sticky_s,
            {one.agent_id: Kept(one.queue_id, self._levels(one.tier)) for one in self.kept},
            1_000 * self.kept_opens_s,
        )

    def _levels(self, tier: str) -> frozenset[str]:
        """Return a tier and its levels by their codes; of no tier nothing."""
        return (
            frozenset({tier, *(one.code for one in self.tiers if one.above == tier)}) if tier else frozenset()
        )

    @cached_property
    def _prefixes(self) -> Mapping[str, str]:
        return {prefix: one.code for one in self.regions for prefix in one.prefixes}

    def region_of(self, number: str) -> str:
        """Return the code of a caller's region by their number in E.164; empty when no prefix fits."""
        known = self._prefixes
        return next((known[number[:n]] for n in range(len(number), 1, -1) if number[:n] in known), "")

    def whole(self, code: str) -> TierSettings:
        """Return a tier with nothing left open; of an unknown one, what holds without any."""
        by_code = {one.code: one for one in self.tiers}
        found, above = by_code.get(code), TOP
        if found is None:
            return TOP
        if found.above in by_code and found.above != code:
            above = self.whole(found.above)
        values = asdict(found)
        return TierSettings(
            **{name: getattr(above, name) if value is None else value for name, value in values.items()}
        )

    @cached_property
    def _tiers(self) -> Mapping[str, tuple[Tier, QueueId | None]]:
        return {one.code: (_tier(self.whole(one.code)), self.whole(one.code).queue_id) for one in self.tiers}

    def tier(self, code: str) -> tuple[Tier, QueueId | None]:
        """Return what the decision needs of a tier, and the queue its callers wait in, if one of its own."""
        return self._tiers.get(code, (COMMON, None))

    @cached_property
    def flows(self) -> Mapping[str, FlowId]:
        """Which flow the callers of tiers go through, by the tiers' codes: their own, or that above."""
        whole = {one.code: self.whole(one.code).flow_id for one in self.tiers}
        return {code: flow_id for code, flow_id in whole.items() if flow_id}


UNSETTLED = RoutingSettings()


def read(session: Session, *, tenant_id: TenantId) -> RoutingSettings:
    """Return the company's settings; of one that has settled nothing, by brand with no tiers."""
    row = session.get(RoutingSettingsRow, tenant_id, populate_existing=True)
    return _read(row.document, row.revision) if row else UNSETTLED


def write(session: Session, *, tenant_id: TenantId, settings: RoutingSettings) -> RoutingSettings:
    """Replace the company's settings, if they still are at the revision of `settings` (0: there are none).

    Raises:
        RoutingChangedError: somebody saved since; nothing was written.
        RoutingSettingError: `field` names what cannot stand.
    """
    check(
        settings,
        {one.queue_id for one in queues.all_of(session, tenant_id=tenant_id)},
        _to_be_had(session, tenant_id, {one.flow_id for one in settings.tiers if one.flow_id}),
    )
    row = session.get(RoutingSettingsRow, tenant_id, with_for_update=True, populate_existing=True)
    if (row.revision if row else 0) != settings.revision:
        raise RoutingChangedError(revision=row.revision if row else 0)
    revision, document = settings.revision + 1, _document(settings)
    if row is None:
        made = (
            insert(RoutingSettingsRow)
            .values(tenant_id=tenant_id, revision=revision, document=document, changed_at=clock.now())
            .on_conflict_do_nothing()
            .returning(RoutingSettingsRow.revision)
        )
        if session.execute(made).scalar() is None:  # somebody else was first in this moment
            raise RoutingChangedError(revision=1)
    else:
        row.revision, row.document, row.changed_at = revision, document, clock.now()
        session.flush()
    evidence.record(
        session, "routing.changed", "ten", tenant_id, revision=revision, model=settings.model.value
    )
    return _read(document, revision)


def put_in_tier(session: Session, *, tenant_id: TenantId, customer_id: CustomerId, tier: str) -> None:
    """Put a customer in a tier; an empty one takes them out.

    Raises:
        RoutingSettingError: no such tier.
    """
    if not tier:
        session.execute(
            delete(CustomerTierRow).where(
                CustomerTierRow.tenant_id == tenant_id, CustomerTierRow.customer_id == customer_id
            )
        )
        return
    if tier not in {one.code for one in read(session, tenant_id=tenant_id).tiers}:
        raise RoutingSettingError(field="tier")
    put = insert(CustomerTierRow).values(tenant_id=tenant_id, customer_id=customer_id, tier=tier)
    session.execute(
        put.on_conflict_do_update(
            index_elements=[CustomerTierRow.tenant_id, CustomerTierRow.customer_id], set_={"tier": tier}
        )
    )


def tier_of(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> str:
    """Return the code of a customer's tier; empty: in none."""
    row = session.get(CustomerTierRow, (tenant_id, customer_id), populate_existing=True)
    return row.tier if row else ""


def tiers_of(
    session: Session, *, tenant_id: TenantId, customer_ids: Collection[CustomerId]
) -> Mapping[CustomerId, str]:
    """Return the codes of the tiers that customers are in; who is in none is left out."""
    rows = session.execute(
        select(CustomerTierRow.customer_id, CustomerTierRow.tier).where(
            CustomerTierRow.tenant_id == tenant_id, CustomerTierRow.customer_id.in_(customer_ids)
        )
    )
    return {CustomerId(customer_id): tier for customer_id, tier in rows}


def name_of_tier(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> str:
    """Return what a customer's tier is called; empty: in none, or in one that is there no more."""
    code = tier_of(session, tenant_id=tenant_id, customer_id=customer_id)
    tiers = read(session, tenant_id=tenant_id).tiers if code else ()
    return next((one.name for one in tiers if one.code == code), "")


def tiers_through(session: Session, *, tenant_id: TenantId, flow_id: FlowId) -> Sequence[TierSettings]:
    """Return the tiers whose callers go through a flow, their levels included."""
    settings = read(session, tenant_id=tenant_id)
    return [one for one in settings.tiers if settings.flows.get(one.code) == flow_id]


def work_order_due(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId, at: dt.datetime
) -> dt.datetime | None:
    """Return by when a work order of a customer, opened then, is to be done; None: they are in no tier."""
    code = tier_of(session, tenant_id=tenant_id, customer_id=customer_id)
    settings = read(session, tenant_id=tenant_id)
    if code not in {one.code for one in settings.tiers}:
        return None
    hours = settings.whole(code).work_order_h
    return at + dt.timedelta(hours=hours) if hours else None


def check(
    settings: RoutingSettings, queue_ids: set[QueueId], flow_ids: Collection[FlowId] = frozenset()
) -> None:
    """Insist that settings can stand, with these queues and these published flows.

    Raises:
        RoutingSettingError: `field` names what cannot.
    """
    _insist(list(settings.widen_s) == sorted(settings.widen_s), "widen_s")
    for step in settings.widen_s:
        _within(step, _STEP_S, "widen_s")
    _within(settings.sticky_s, (0, 600), "sticky_s")
    _within(settings.sticky_days, (1, 365), "sticky_days")
    _check_tiers(settings.tiers, queue_ids, flow_ids)
    _check_regions(settings.regions)
    named = [one.queue_id for one in settings.queues]
    _insist(len(set(named)) == len(named), "queues")
    for one in settings.queues:
        _insist({one.queue_id, *one.helpers} <= queue_ids and one.queue_id not in one.helpers, "queues")
    _insist(len({one.agent_id for one in settings.kept}) == len(settings.kept) <= MOST_KEPT, "kept")
    _within(settings.kept_opens_s, (0, 7_200), "kept_opens_s")
    codes = {one.code for one in settings.tiers}
    for kept in settings.kept:
        _insist(kept.queue_id is not None or bool(kept.tier), "kept")
        _insist(kept.queue_id is None or kept.queue_id in queue_ids, "kept")
        _insist(not kept.tier or kept.tier in codes, "kept")


def _check_tiers(
    tiers: Sequence[TierSettings], queue_ids: set[QueueId], flow_ids: Collection[FlowId]
) -> None:
    codes = [one.code for one in tiers]
    _insist(len(codes) <= MOST_TIERS and len(set(codes)) == len(codes), "tiers")
    above = {one.code: one.above for one in tiers}
    for one in tiers:
        _insist(bool(_CODE.fullmatch(one.code)), "tier_code")
        _check_name(one.name, "tier_name")
        # one level below another, and no deeper: nobody reads a tree in a hurry
        _insist(not one.above or (one.above in above and not above[one.above]), "tier_above")
        _insist(one.queue_id is None or one.queue_id in queue_ids, "tier_queue")
        _insist(one.flow_id is None or one.flow_id in flow_ids, "tier_flow")
        for value, bounds, name in (
            (one.target_s, _TARGET_S, "tier_target"),
            (one.target_percent, _PERCENT, "tier_percent"),
            (one.head_start_s, _START_S, "tier_head_start"),
            (one.weight, _WEIGHT, "tier_weight"),
            (one.longest_s, _LONGEST_S, "tier_longest"),
            (one.work_order_h, _HOURS, "tier_work_order"),
        ):
            if value is not None:
                _within(value, bounds, name)


def _check_regions(regions: Sequence[Region]) -> None:
    codes = [one.code for one in regions]
    _insist(len(codes) <= MOST_REGIONS and len(set(codes)) == len(codes), "regions")
    prefixes = [prefix for one in regions for prefix in one.prefixes]
    _insist(len(set(prefixes)) == len(prefixes), "region_prefixes")
    for one in regions:
        _insist(bool(_CODE.fullmatch(one.code)), "region_code")
        _check_name(one.name, "region_name")
        _insist(len(one.prefixes) <= MOST_PREFIXES, "region_prefixes")
        _insist(all(_PREFIX.fullmatch(prefix) for prefix in one.prefixes), "region_prefixes")


def _check_name(name: str, what: str) -> None:
    _insist(bool(name.strip()) and len(name) <= LONGEST_NAME and name.isprintable(), what)


def _within(value: int, bounds: tuple[int, int], what: str) -> None:
    _insist(bounds[0] <= value <= bounds[1], what)


def _insist(stands: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not stands:
        raise RoutingSettingError(field=what)


def _tier(one: TierSettings) -> Tier:
    return Tier(
        one.code,
        target_ms=1_000 * (one.target_s or 0),
        head_start_ms=1_000 * (one.head_start_s or 0),
        weight=one.weight or 1,
        longest_ms=1_000 * (one.longest_s or 0),
        widen_ms=(0, 0, 0) if one.widens_at_once else None,
    )


def _to_be_had(session: Session, tenant_id: TenantId, flow_ids: set[FlowId]) -> set[FlowId]:
    """Return which of these flows callers can go through; none of them is removed before this is settled."""
    found = session.scalars(
        select(FlowRow.id)
        .where(
            FlowRow.tenant_id == tenant_id,
            FlowRow.id.in_(flow_ids),
            FlowRow.removed_at.is_(None),
            FlowRow.version > 0,
        )
        .order_by(FlowRow.id)
        .with_for_update(read=True)
    )
    return {FlowId(one) for one in found}


def _document(settings: RoutingSettings) -> dict[str, Any]:
    document = asdict(settings)
    del document["revision"]
    for one in document["tiers"]:
        one["queue_id"] = str(one["queue_id"]) if one["queue_id"] else None
        # named only where there is one: a release that knows no flows of tiers reads the others
        if flow_id := one.pop("flow_id"):
            one["flow_id"] = str(flow_id)
    for one in document["queues"]:
        one["queue_id"], one["helpers"] = str(one["queue_id"]), [str(queue) for queue in one["helpers"]]
    for one in document["kept"]:
        one["agent_id"] = str(one["agent_id"])
        one["queue_id"] = str(one["queue_id"]) if one["queue_id"] else None
    return document


def _read(document: Mapping[str, Any], revision: int) -> RoutingSettings:
    first, second, third = document["widen_s"]
    return RoutingSettings(
        Model(document["model"]),
        (first, second, third),
        document["sticky_s"],
        document["sticky_days"],
        tuple(_read_tier(one) for one in document["tiers"]),
        tuple(Region(one["code"], one["name"], tuple(one["prefixes"])) for one in document["regions"]),
        tuple(
            QueueRouting(
                QueueId(UUID(one["queue_id"])),
                tuple(QueueId(UUID(queue)) for queue in one["helpers"]),
                one["is_central"],
            )
            for one in document["queues"]
        ),
        tuple(
            KeptFor(
                AgentId(UUID(one["agent_id"])),
                QueueId(UUID(one["queue_id"])) if one["queue_id"] else None,
                one["tier"],
            )
            for one in document.get("kept", ())  # settings saved before seats could be kept have none
        ),
        # those saved before kept seats could open were told that they never do
        document.get("kept_opens_s", 0),
        revision,
    )


def _read_tier(one: Mapping[str, Any]) -> TierSettings:
    queue_id, flow_id = one["queue_id"], one.get("flow_id")
    return TierSettings(
        **{
            **one,
            "queue_id": QueueId(UUID(queue_id)) if queue_id else None,
            "flow_id": FlowId(UUID(flow_id)) if flow_id else None,
        }
    )
