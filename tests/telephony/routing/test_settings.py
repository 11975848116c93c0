"""A company's routing settings: what stands, what is refused, what a level leaves to the tier above it."""

from dataclasses import replace
from uuid import UUID

import pytest

from core import ids
from core.ids import AgentId, CustomerId, FlowId, QueueId, TenantId, UserId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import queues
from telephony.errors import RoutingChangedError, RoutingSettingError
from telephony.flows import store
from telephony.flows.model import Flow
from telephony.models import RoutingSettingsRow
from telephony.routing import settings as routing
from telephony.routing.settings import KeptFor, QueueRouting, Region, RoutingSettings, TierSettings, check
from telephony.routing.strategy import Model

# the seven levels of service with what each promises; VIPs have three of their own
SEVEN = (
    TierSettings("vip", "VIP", target_s=5, target_percent=95, weight=9, widens_at_once=True, work_order_h=4),
    TierSettings("vip-diamond", "VIP, diamond", above="vip", target_s=3, work_order_h=2),
    TierSettings("vip-gold", "VIP, gold", above="vip", work_order_h=3),
    TierSettings("vip-silver", "VIP, silver", above="vip"),
    TierSettings("group", "Company customers", target_s=10, target_percent=90, weight=7, work_order_h=8),
    TierSettings(
        "roaming", "Guests from elsewhere", target_s=12, target_percent=88, weight=6, work_order_h=12
    ),
    TierSettings("contract", "Contract", target_s=15, target_percent=85, weight=5, work_order_h=24),
    TierSettings("prepaid", "Prepaid deposit", target_s=20, target_percent=80, weight=3, work_order_h=36),
    TierSettings("easy", "Pay as you go", target_s=30, target_percent=75, weight=2, work_order_h=48),
    TierSettings(
        "other-network", "Other networks", target_s=40, target_percent=70, weight=1, work_order_h=72
    ),
)
QUEUE, OTHER = QueueId(UUID(int=1)), QueueId(UUID(int=2))
AGENT, FLOW = AgentId(UUID(int=7)), FlowId(UUID(int=9))


def test_seven_tiers_and_their_levels_each_say_flow_promise_and_deadline() -> None:
    settings = RoutingSettings(tiers=(replace(SEVEN[0], queue_id=QUEUE), *SEVEN[1:]))
    check(settings, {QUEUE})
    diamond, gold = settings.whole("vip-diamond"), settings.whole("vip-gold")
    assert (diamond.queue_id, diamond.target_s, diamond.target_percent, diamond.work_order_h) == (
        QUEUE,
        3,
        95,
        2,
    )
    assert (gold.queue_id, gold.target_s, gold.target_percent, gold.work_order_h) == (QUEUE, 5, 95, 3)
    tier, queue_id = settings.tier("vip-gold")
    assert (tier.target_ms, tier.weight, tier.widen_ms, queue_id) == (5_000, 9, (0, 0, 0), QUEUE)
    assert settings.whole("easy").longest_s == 300
    assert settings.whole("nobody") == routing.TOP
    assert len({settings.whole(one.code).target_percent for one in settings.tiers}) == 7


def test_a_level_goes_through_its_own_flow_or_that_of_its_tier() -> None:
    silver, easy = FlowId(UUID(int=10)), "easy"
    tiers = (replace(SEVEN[0], flow_id=FLOW), *SEVEN[1:3], replace(SEVEN[3], flow_id=silver), *SEVEN[4:])
    settings = RoutingSettings(tiers=tiers)
    check(settings, set(), {FLOW, silver})
    assert settings.flows == {"vip": FLOW, "vip-diamond": FLOW, "vip-gold": FLOW, "vip-silver": silver}
    assert settings.whole(easy).flow_id is None


@pytest.mark.parametrize("what", ["drafted", "removed", "another company's"])
def test_a_tiers_flow_is_one_of_the_company_that_callers_can_go_through(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, what: str
) -> None:
    owner = tenant_b if what == "another company's" else tenant_a
    with gate.open(Scope.system(owner)) as session:
        queue = ids.public("que", queues.open_queue(session, tenant_id=owner, name="Parcels").queue_id)
        draft = Flow.model_validate({"nodes": {"start": {"kind": "queue", "queue": queue}}})
        made = store.make(session, tenant_id=owner, name="A flow", draft=draft, vault=vault)
        flow_id, by = made.flow_id, UserId(new_id())
        if what != "drafted":
            store.publish(session, tenant_id=owner, flow_id=flow_id, revision=1, by=by, vault=vault)
        if what == "removed":
            store.remove(session, tenant_id=owner, flow_id=flow_id, revision=2)
    settings = RoutingSettings(tiers=(TierSettings("vip", "VIP", flow_id=made.flow_id),))
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(RoutingSettingError) as refused:
        routing.write(session, tenant_id=tenant_a, settings=settings)
    assert refused.value.details["field"] == "tier_flow"


def test_settings_name_flows_only_where_there_are_any_so_that_an_earlier_release_reads_them(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        queue = ids.public("que", queues.open_queue(session, tenant_id=tenant_a, name="Parcels").queue_id)
        draft = Flow.model_validate({"nodes": {"start": {"kind": "queue", "queue": queue}}})
        made = store.make(session, tenant_id=tenant_a, name="A flow", draft=draft, vault=vault)
        by = UserId(new_id())
        store.publish(session, tenant_id=tenant_a, flow_id=made.flow_id, revision=1, by=by, vault=vault)
        tiers = (TierSettings("vip", "VIP", flow_id=made.flow_id), TierSettings("easy", "Easy"))
        routing.write(session, tenant_id=tenant_a, settings=RoutingSettings(tiers=tiers))
        row = session.get(RoutingSettingsRow, tenant_a)
        assert row is not None
        assert ["flow_id" in one for one in row.document["tiers"]] == [True, False]
        assert routing.read(session, tenant_id=tenant_a).tiers == tiers
        (found,) = routing.tiers_through(session, tenant_id=tenant_a, flow_id=made.flow_id)
        assert found.code == "vip"


def test_the_longest_prefix_of_all_regions_decides() -> None:
    settings = RoutingSettings(
        Model.FIXED,
        regions=(Region("uk", "Kingdom", ("+44",)), Region("north", "North", ("+44161", "+44113"))),
    )
    assert settings.region_of("+441614960000") == "north"
    assert settings.region_of("+447700900123") == "uk"
    assert settings.region_of("+33142685300") == settings.region_of("") == ""


REFUSED = {
    "widen_s": RoutingSettings(widen_s=(6, 5, 18)),
    "sticky_s": RoutingSettings(sticky_s=601),
    "sticky_days": RoutingSettings(sticky_days=0),
    "tiers": RoutingSettings(tiers=(TierSettings("a", "A"), TierSettings("a", "B"))),
    "tier_code": RoutingSettings(tiers=(TierSettings("A tier", "A"),)),
    "tier_name": RoutingSettings(tiers=(TierSettings("a", " "),)),
    "tier_above": RoutingSettings(
        tiers=(TierSettings("a", "A"), TierSettings("b", "B", above="a"), TierSettings("c", "C", above="b"))
    ),
    "tier_queue": RoutingSettings(tiers=(TierSettings("a", "A", queue_id=OTHER),)),
    "tier_target": RoutingSettings(tiers=(TierSettings("a", "A", target_s=0),)),
    "tier_percent": RoutingSettings(tiers=(TierSettings("a", "A", target_percent=101),)),
    "tier_head_start": RoutingSettings(tiers=(TierSettings("a", "A", head_start_s=-1),)),
    "tier_weight": RoutingSettings(tiers=(TierSettings("a", "A", weight=0),)),
    "tier_longest": RoutingSettings(tiers=(TierSettings("a", "A", longest_s=9),)),
    "tier_work_order": RoutingSettings(tiers=(TierSettings("a", "A", work_order_h=0),)),
    "tier_flow": RoutingSettings(tiers=(TierSettings("a", "A", flow_id=FLOW),)),
    "regions": RoutingSettings(regions=(Region("a", "A", ()), Region("a", "B", ()))),
    "region_code": RoutingSettings(regions=(Region("", "A", ()),)),
    "region_name": RoutingSettings(regions=(Region("a", "\n", ()),)),
    "region_prefixes": RoutingSettings(regions=(Region("a", "A", ("0161",)),)),
    "queues": RoutingSettings(queues=(QueueRouting(QUEUE, (QUEUE,)),)),
    "kept": RoutingSettings(kept=(KeptFor(AGENT, tier="vip"),)),
    "kept_opens_s": RoutingSettings(kept_opens_s=7_201),
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_cannot_stand_is_named(field: str) -> None:
    with pytest.raises(RoutingSettingError) as refused:
        check(REFUSED[field], {QUEUE})
    assert refused.value.details["field"] == field


@pytest.mark.parametrize(
    "kept", [(KeptFor(AGENT),), (KeptFor(AGENT, OTHER),), (KeptFor(AGENT, QUEUE), KeptFor(AGENT, QUEUE))]
)
def test_a_seat_is_kept_once_and_for_something_that_is_there(kept: tuple[KeptFor, ...]) -> None:
    with pytest.raises(RoutingSettingError):
        check(RoutingSettings(kept=kept), {QUEUE})


def test_kept_seats_open_after_five_minutes_unless_said_otherwise_and_never_in_settings_saved_before(
    gate: Gate, tenant_a: TenantId
) -> None:
    assert RoutingSettings().policy.opens_ms == 300_000
    with gate.open(Scope.system(tenant_a)) as session:
        written = routing.write(session, tenant_id=tenant_a, settings=RoutingSettings(kept_opens_s=90))
        assert routing.read(session, tenant_id=tenant_a).policy.opens_ms == 90_000
        row = session.get(RoutingSettingsRow, tenant_a)
        assert row is not None
        row.document = {name: value for name, value in row.document.items() if name != "kept_opens_s"}
        session.flush()
        assert routing.read(session, tenant_id=tenant_a).kept_opens_s == 0
        assert written.revision == 1


def test_a_seat_kept_for_a_tier_is_kept_for_its_levels() -> None:
    tiers = (
        TierSettings("vip", "VIP"),
        TierSettings("vip-gold", "Gold", "vip"),
        TierSettings("easy", "Easy"),
    )
    policy = RoutingSettings(tiers=tiers, kept=(KeptFor(AGENT, tier="vip"),)).policy
    assert [policy.kept[AGENT].takes(QUEUE, one.code) for one in tiers] == [True, True, False]


def test_a_prefix_belongs_to_one_region() -> None:
    with pytest.raises(RoutingSettingError):
        check(RoutingSettings(regions=(Region("a", "A", ("+44",)), Region("b", "B", ("+44",)))), set())


def test_settings_are_kept_whole_and_two_who_save_at_once_are_told(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        assert routing.read(session, tenant_id=tenant_a) == RoutingSettings()
        queue = queues.open_queue(session, tenant_id=tenant_a, name="Deliveries").queue_id
        wanted = RoutingSettings(
            Model.VALUE,
            (5, 10, 15),
            sticky_s=20,
            sticky_days=7,
            kept=(KeptFor(AGENT, queue), KeptFor(AgentId(UUID(int=8)), tier=SEVEN[0].code)),
            tiers=(replace(SEVEN[0], queue_id=queue), *SEVEN[1:]),
            regions=(Region("north", "North", ("+44161",)),),
            queues=(QueueRouting(queue, is_central=True),),
        )
        saved = routing.write(session, tenant_id=tenant_a, settings=wanted)
        assert (routing.read(session, tenant_id=tenant_a), saved.revision) == (wanted, 1)
        with pytest.raises(RoutingChangedError):
            routing.write(session, tenant_id=tenant_a, settings=wanted)
        assert routing.write(session, tenant_id=tenant_a, settings=saved).revision == 2


def test_a_customer_is_in_one_tier_or_in_none(gate: Gate, tenant_a: TenantId) -> None:
    customer = CustomerId(new_id())
    with gate.open(Scope.system(tenant_a)) as session:
        routing.write(session, tenant_id=tenant_a, settings=RoutingSettings(tiers=SEVEN))
        for tier in ("vip-gold", "easy", ""):
            routing.put_in_tier(session, tenant_id=tenant_a, customer_id=customer, tier=tier)
            assert routing.tier_of(session, tenant_id=tenant_a, customer_id=customer) == tier
        with pytest.raises(RoutingSettingError):
            routing.put_in_tier(session, tenant_id=tenant_a, customer_id=customer, tier="nobody")
