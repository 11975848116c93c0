"""Routing: the traffic model, customer tiers, regions, which queue helps which, where agents stand."""

from collections.abc import Mapping, Sequence

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import FlowId, QueueId
from seats.roster import BOTH, DUTIES, Station
from telephony import queues
from telephony.errors import RoutingChangedError, RoutingSettingError
from telephony.flows import store
from telephony.queues import Queue
from telephony.routing import settings as routing
from telephony.routing.settings import KeptFor, QueueRouting, Region, RoutingSettings, TierSettings
from telephony.routing.strategy import Model
from web import edits, identity, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import routing as shown

_SPARE = 2  # empty lines at the end of each list
_LONGEST_NUMBER = 6
_NUMBERS = ("target_s", "target_percent", "head_start_s", "weight", "longest_s", "work_order_h")


@pages.get("/routing")
@permission("queues.read")
def routing_page() -> str:
    """Show how the company's calls come to its agents."""
    found = routing.read(scope.session(), tenant_id=identity.current().tenant_id)
    return _page(_typed(found), revision=found.revision)


@pages.post("/routing")
@permission("queues.write")
def save_routing() -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    now = routing.read(session, tenant_id=tenant_id)
    typed_now = _typed(now)
    fields = _fields({*typed_now, *(name for name in request.form if _is_ours(name))})
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    try:
        shown.change(
            session, tenant_id=tenant_id, settings=_settings(given, revision), stations=_stations(given)
        )
    except RoutingChangedError:
        return edits.conflicting(
            gettext("Routing"),
            edits.differences(fields, yours=given, theirs=typed_now),
            action=url_for("portal.save_routing"),
            revision=now.revision,
            back=url_for("portal.routing_page"),
            nav="routing",
        )
    except RoutingSettingError as error:
        session.expire_all()
        return make_response(_page(given, revision=revision, fault=_fault(error)), 422)
    said.done(gettext("Saved. It counts from the next call on."))
    return redirect(url_for("portal.routing_page"), 303)


def _page(given: Mapping[str, str], *, revision: int, fault: str = "") -> str:
    found = _queues()
    return render_template(
        "portal/routing.html",
        given=given,
        revision=revision,
        fault=fault,
        models=_models(),
        tiers=range(_count(given, "tier")),
        regions=range(_count(given, "region")),
        codes=[
            given[f"region-{at}-code"]
            for at in range(_count(given, "region"))
            if given.get(f"region-{at}-code")
        ],
        queues=[(ids.public("que", one.queue_id), one.name) for one in found],
        flows=_flows(),
        agents=sorted(shown.stations(tenant_id=identity.current().tenant_id)),
        duties=_duties(),
        kept=_kept_choices(given, found),
        may_write="queues.write" in identity.current().permissions,
    )


def _models() -> Sequence[tuple[str, str, str]]:
    return [
        (
            Model.BRAND.value,
            gettext("By queue"),
            gettext("Every agent of a queue serves every region. No queue helps another."),
        ),
        (
            Model.FIXED.value,
            gettext("By queue and region, fixed"),
            gettext("Callers go to their own region’s agents only, until their longest wait."),
        ),
        (
            Model.PROGRESSIVE.value,
            gettext("By queue and region, wider by waiting"),
            gettext("Own region first; who waits goes on to the whole queue, then to those that help out."),
        ),
        (
            Model.VALUE.value,
            gettext("By value"),
            gettext("As before, and the tier’s weight times the wait says who goes first."),
        ),
    ]


def _duties() -> Sequence[tuple[str, str]]:
    return [
        ("both", gettext("calls in and out")),
        ("in", gettext("calls in only")),
        ("out", gettext("calls out only")),
    ]


def _kept_choices(given: Mapping[str, str], found: Sequence[Queue]) -> Sequence[tuple[str, str]]:
    """Return what a seat can be kept for: a queue, or a tier with its levels."""
    tiers = (
        (given.get(f"tier-{at}-code", ""), given.get(f"tier-{at}-name", ""))
        for at in range(_count(given, "tier"))
    )
    return [
        *((ids.public("que", one.queue_id), gettext("queue %(name)s", name=one.name)) for one in found),
        *((f"tier:{code}", gettext("tier %(name)s", name=name)) for code, name in tiers if code),
    ]


def _queues() -> list[Queue]:
    return queues.all_of(scope.session(), tenant_id=identity.current().tenant_id)


def _flows() -> Sequence[tuple[str, str]]:
    """Return the flows callers can go through, by name."""
    found = store.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return [(ids.public("flow", one.flow_id), one.name) for one in found if one.version]


def _typed(one: RoutingSettings) -> dict[str, str]:
    """Return settings as the form has them: a number as its digits, None as nothing."""
    typed = {
        "model": one.model.value,
        "sticky": str(one.sticky_s),
        "days": str(one.sticky_days),
        "opens": str(one.kept_opens_s),
        **{f"widen-{at}": str(step) for at, step in enumerate(one.widen_s)},
    }
    for at in range(len(one.tiers) + _SPARE):
        tier = one.tiers[at] if at < len(one.tiers) else TierSettings("", "")
        typed |= {
            f"tier-{at}-code": tier.code,
            f"tier-{at}-name": tier.name,
            f"tier-{at}-above": tier.above,
            f"tier-{at}-queue": ids.public("que", tier.queue_id) if tier.queue_id else "",
            f"tier-{at}-flow": ids.public("flow", tier.flow_id) if tier.flow_id else "",
            f"tier-{at}-once": {None: "", True: "yes", False: "no"}[tier.widens_at_once],
            **{f"tier-{at}-{name}": _digits(getattr(tier, name)) for name in _NUMBERS},
        }
    for at in range(len(one.regions) + _SPARE):
        region = one.regions[at] if at < len(one.regions) else Region("", "", ())
        typed |= {
            f"region-{at}-code": region.code,
            f"region-{at}-name": region.name,
            f"region-{at}-prefixes": " ".join(region.prefixes),
        }
    known = {queue.queue_id: queue for queue in one.queues}
    for queue in _queues():
        kept, public = known.get(queue.queue_id), ids.public("que", queue.queue_id)
        typed[f"{public}-helper"] = ids.public("que", kept.helpers[0]) if kept and kept.helpers else ""
        typed[f"{public}-central"] = "yes" if kept and kept.is_central else ""
    for number, station in shown.stations(tenant_id=identity.current().tenant_id).items():
        typed |= {f"agent-{number}-region": station.region, f"agent-{number}-duty": station.duty}
    kept_for = {kept.agent_id: kept for kept in one.kept}
    for number, agent_id in shown.agents(tenant_id=identity.current().tenant_id).items():
        typed[f"agent-{number}-kept"] = _kept_typed(kept_for.get(agent_id))
    return typed


def _kept_typed(one: KeptFor | None) -> str:
    if one is None:
        return ""
    return f"tier:{one.tier}" if one.tier else ids.public("que", one.queue_id) if one.queue_id else ""


def _kept(given: Mapping[str, str]) -> tuple[KeptFor, ...]:
    found = []
    for number, agent_id in shown.agents(tenant_id=identity.current().tenant_id).items():
        if not (what := given.get(f"agent-{number}-kept", "")):
            continue
        kind, _, tier = what.partition(":")
        found.append(
            KeptFor(agent_id, tier=tier) if kind == "tier" else KeptFor(agent_id, queue_id=_queue(what))
        )
    return tuple(found)


def _settings(given: Mapping[str, str], revision: int) -> RoutingSettings:
    try:
        model = Model(given.get("model", ""))
    except ValueError as error:
        raise RoutingSettingError(field="model") from error
    steps = [_number(given, f"widen-{at}", "widen_s") for at in range(3)]
    return RoutingSettings(
        model,
        (steps[0], steps[1], steps[2]),
        _number(given, "sticky", "sticky_s"),
        _number(given, "days", "sticky_days"),
        tuple(_tier(given, at) for at in range(_count(given, "tier")) if given.get(f"tier-{at}-code")),
        tuple(
            Region(
                given[f"region-{at}-code"],
                given.get(f"region-{at}-name", ""),
                tuple(given.get(f"region-{at}-prefixes", "").replace(",", " ").split()),
            )
            for at in range(_count(given, "region"))
            if given.get(f"region-{at}-code")
        ),
        tuple(
            QueueRouting(queue.queue_id, (helper,) if helper else (), is_central)
            for queue in _queues()
            for public in (ids.public("que", queue.queue_id),)
            for helper, is_central in (
                (_queue(given.get(f"{public}-helper", "")), given.get(f"{public}-central") == "yes"),
            )
            if helper or is_central
        ),
        _kept(given),
        _number(given, "opens", "kept_opens_s"),
        revision,
    )


def _tier(given: Mapping[str, str], at: int) -> TierSettings:
    numbers = {
        name: _number(given, f"tier-{at}-{name}", f"tier_{name.rsplit('_', 1)[0]}")
        for name in _NUMBERS
        if given.get(f"tier-{at}-{name}")
    }
    return TierSettings(
        given[f"tier-{at}-code"],
        given.get(f"tier-{at}-name", ""),
        given.get(f"tier-{at}-above", ""),
        _queue(given.get(f"tier-{at}-queue", "")),
        widens_at_once={"yes": True, "no": False}.get(given.get(f"tier-{at}-once", "")),
        flow_id=FlowId(ids.parse("flow", flow)) if (flow := given.get(f"tier-{at}-flow", "")) else None,
        **numbers,
    )


def _stations(given: Mapping[str, str]) -> dict[int, Station]:
    return {
        number: Station(
            given.get(f"agent-{number}-region", ""),
            duty if (duty := given.get(f"agent-{number}-duty", BOTH)) in DUTIES else BOTH,
        )
        for number in shown.stations(tenant_id=identity.current().tenant_id)
        if f"agent-{number}-duty" in given
    }


def _queue(public: str) -> QueueId | None:
    return QueueId(ids.parse("que", public)) if public else None


def _digits(value: int | None) -> str:
    return "" if value is None else str(value)


def _number(given: Mapping[str, str], name: str, field: str) -> int:
    found = whole(given.get(name, ""), longest=_LONGEST_NUMBER)
    if found is None:
        raise RoutingSettingError(field=field)
    return found


def _count(given: Mapping[str, str], what: str) -> int:
    """Return how many lines of a list the form has, filled or not."""
    most = routing.MOST_TIERS + routing.MOST_REGIONS
    return next((at for at in range(most) if f"{what}-{at}-code" not in given), most)


def _is_ours(name: str) -> bool:
    return name.startswith(("tier-", "region-")) and not name.endswith(("-was", "-side", "-yours", "-theirs"))


def _fields(names: set[str]) -> list[edits.Field]:
    """Return the fields of the form, each with the word for it."""
    words = {
        "model": gettext("Traffic model"),
        "sticky": gettext("Wait for the agent of last time (seconds)"),
        "days": gettext("Last time is at most so many days ago"),
        "opens": gettext("Kept seats open to others after (seconds)"),
        "widen-0": gettext("To the whole queue after (seconds)"),
        "widen-1": gettext("To helping queues in the region after (seconds)"),
        "widen-2": gettext("To helping queues everywhere after (seconds)"),
    }
    return [edits.Field(name, words.get(name, name)) for name in sorted(names)]


def _fault(error: RoutingSettingError) -> str:
    """Return what cannot stand, in words."""
    words = {
        "model": gettext("Choose one of the models."),
        "widen_s": gettext("Each step comes no earlier than the one before, from 0 to 3600 seconds."),
        "sticky_s": gettext("The agent of last time is waited for from 0 to 600 seconds."),
        "sticky_days": gettext("Last time is 1 to 365 days ago."),
        "kept_opens_s": gettext("Kept seats open after 1 to 7200 seconds of waiting, or never (0)."),
        "tiers": gettext("Two tiers have the same code, or there are more than 40."),
        "tier_code": gettext("A tier’s code has small letters, digits and hyphens."),
        "tier_name": gettext("A tier’s name has 1 to 60 signs."),
        "tier_above": gettext("A tier stands below one that stands below none."),
        "tier_queue": gettext("A tier’s queue is one of yours."),
        "tier_flow": gettext("A tier’s flow is one of yours that is published."),
        "tier_target": gettext(
            "A tier’s callers are answered within 1 to 3600 seconds, 1 to 100 percent of them."
        ),
        "tier_percent": gettext(
            "A tier’s callers are answered within 1 to 3600 seconds, 1 to 100 percent of them."
        ),
        "tier_head_start": gettext("A head start is 0 to 3600 seconds."),
        "tier_weight": gettext("A weight is 1 to 1000."),
        "tier_longest": gettext("The longest wait is 10 to 7200 seconds."),
        "tier_work_order": gettext("Work orders are done within 1 to 8760 hours."),
        "regions": gettext("Two regions have the same code, or there are more than 200."),
        "region_code": gettext("A region’s code has small letters, digits and hyphens."),
        "region_name": gettext("A region’s name has 1 to 60 signs."),
        "region_prefixes": gettext("A prefix is + and digits, and belongs to one region."),
        "queues": gettext("A queue is helped by another one of yours."),
        "kept": gettext("A seat is kept for one of your queues or tiers."),
        "agent_region": gettext("An agent stands in one of the regions, or in all."),
    }
    return str(words.get(str(error.details.get("field"))) or gettext("This cannot be."))
