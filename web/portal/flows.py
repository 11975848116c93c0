"""Flows: what callers hear and choose, as an outline; tried, published, brought back, led into by numbers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from pydantic import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids
from core.ids import FlowId, NumberId, TenantId
from core.phone import international
from seats.roster import Member
from security.vault import Vault
from telephony import conference, numbers, queues
from telephony.errors import (
    FlowChangedError,
    FlowFaultyError,
    FlowInUseError,
    FlowNotPublishedError,
    NumberChangedError,
    TooManyFlowsError,
)
from telephony.flows import model, rehearsal, sounds, store
from telephony.flows.figures import FlowFigures
from telephony.flows.lint import Finding
from telephony.flows.model import Flow
from telephony.flows.store import LONGEST_NAME, Kept
from telephony.flows.trace import Outcome
from telephony.routing import settings as routing
from web import edits, identity, renting, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import flow_words, outline
from web.shown import flows as shown
from web.shown import queues as queue_words

_LONGEST_FIELD = 2000
_KEYS = re.compile(r"[0-9*#]{0,20}", re.ASCII)
_INVALID, _CONFLICT = 422, 409


@dataclass(frozen=True, slots=True)
class Typed:
    """A step's form as somebody sent it, and what is wrong with it; by default as the draft has it."""

    given: Mapping[str, str] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@pages.get("/flows")
@permission("queues.read")
def flow_list() -> str:
    """Show the company's flows, and whose callers go through each: of which numbers, of which tiers."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    led = numbers.all_of(session, tenant_id=tenant_id)
    settled = routing.read(session, tenant_id=tenant_id)
    return render_template(
        "portal/flows.html",
        flows=[
            {
                "href": path_of(one.flow_id),
                "name": one.name,
                "version": one.version,
                "changed_at": one.changed_at,
                "numbers": [international(each.digits) for each in led if each.flow_id == one.flow_id],
                "tiers": [each.name for each in settled.tiers if settled.flows.get(each.code) == one.flow_id],
            }
            for one in store.all_of(session, tenant_id=tenant_id)
        ],
        may_write=may_write(),
    )


@pages.post("/flows")
@permission("queues.write")
def add_flow() -> BaseResponse:
    """Make a flow with nothing in it but a welcome."""
    name = _name(request.form.get("name", "")) or gettext("New flow")
    draft, _ = outline.added(Flow(language=_language()), "say")
    try:
        made = store.make(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            name=name,
            draft=draft,
            vault=scope.services().vault,
        )
    except TooManyFlowsError:
        said.refused(gettext("There are as many flows as there may be. Remove one that is not used."))
        return redirect(url_for("portal.flow_list"), 303)
    return redirect(path_of(made.flow_id), 303)


@pages.get("/flows/<flow_id>")
@permission("queues.read")
def one_flow(flow_id: str) -> str:
    """Show a flow as an outline, with the form of the node that is chosen."""
    return _page(find(flow_id), request.args.get("node", ""), Typed())


@pages.post("/flows/<flow_id>/node")
@permission("queues.write")
def save_flow_node(flow_id: str) -> BaseResponse:
    """Keep one node as it is written in its form; others that somebody has changed meanwhile stay theirs."""
    kept, key = find(flow_id), request.form.get("node", "")
    before = kept.draft.nodes.get(key)
    if before is None:
        said.refused(gettext("This step is not there any more."))
        return redirect(path_of(kept.flow_id), 303)
    given = {name: value[:_LONGEST_FIELD] for name, value in request.form.items()}
    if given.get("seen") != outline.mark(before):
        return make_response(_again(kept, key, Typed(given, fault=somebody_else())), _CONFLICT)
    try:
        node = outline.read(before, given)
    except ValidationError as error:
        return make_response(_again(kept, key, Typed(given, outline.faults(error))), _INVALID)
    if node != before:
        draft = kept.draft.model_copy(update={"nodes": {**kept.draft.nodes, key: node}})
        kept = save(kept, draft)
    if is_part():
        return make_response(step_part(kept, key))
    said.done(_kept_in_draft())
    if given.get("then") == "drawing":
        return redirect(drawing_of(kept.flow_id, key), 303)
    return redirect(path_of(kept.flow_id, key), 303)


@pages.post("/flows/<flow_id>/add")
@permission("queues.write")
def add_flow_node(flow_id: str) -> BaseResponse:
    """Put a new node into a way out of another."""
    kept = find(flow_id)
    after, _, way = request.form.get("after", "").partition(" ")
    try:
        draft, key = outline.added(kept.draft, request.form.get("kind", ""), after=after, way=way)
    except ValidationError:
        said.refused(gettext("There are as many steps as there may be."))
        return redirect(path_of(kept.flow_id), 303)
    return _save(kept, draft, node=key)


@pages.post("/flows/<flow_id>/take")
@permission("queues.write")
def take_flow_node(flow_id: str) -> BaseResponse:
    """Take a node out; what led to it leads on to where it led."""
    kept, key = find(flow_id), request.form.get("node", "")
    if key in kept.draft.nodes:
        kept = save(kept, outline.without(kept.draft, key))
        if not is_part():
            said.done(_kept_in_draft())
    return make_response(step_part(kept, "")) if is_part() else redirect(path_of(kept.flow_id), 303)


@pages.post("/flows/<flow_id>/settings")
@permission("queues.write")
def save_flow_settings(flow_id: str) -> BaseResponse:
    """Keep a flow's name and the language it speaks."""
    kept = find(flow_id)
    name = _name(request.form.get("name", "")) or kept.name
    return _save(kept, kept.draft.model_copy(update={"language": _language()}), node="", name=name)


@pages.post("/flows/<flow_id>/publish")
@permission("queues.write")
def publish_flow(flow_id: str) -> BaseResponse:
    """Let callers go through the draft that the page shows."""
    return _publish(
        find(flow_id),
        store.publish,
        faulty=gettext("Not published: callers would get stuck. See what is marked in the outline."),
    )


@pages.post("/flows/<flow_id>/back")
@permission("queues.write")
def bring_flow_back(flow_id: str) -> BaseResponse:
    """Publish an earlier version again."""
    version = whole(request.form.get("version", ""), longest=9) or 0
    return _publish(
        find(flow_id),
        partial(store.bring_back, version=version),
        faulty=gettext("Not brought back: a queue it leads to has been closed since."),
    )


@pages.post("/flows/<flow_id>/remove")
@permission("queues.write")
def remove_flow(flow_id: str) -> BaseResponse:
    """Remove a flow no number leads into, and no tier's callers go through."""
    kept = find(flow_id)
    try:
        store.remove(
            scope.session(),
            tenant_id=kept.tenant_id,
            flow_id=kept.flow_id,
            revision=edits.revision(request.form),
        )
    except (FlowInUseError, FlowChangedError) as error:
        in_use = isinstance(error, FlowInUseError)
        said.refused(
            gettext("Numbers or tiers use this flow. Lead their callers elsewhere first.")
            if in_use
            else somebody_else()
        )
        return redirect(path_of(kept.flow_id), 303)
    said.done(gettext("%(name)s is removed.", name=kept.name))
    return redirect(url_for("portal.flow_list"), 303)


@pages.post("/flows/<flow_id>/number")
@permission("queues.write")
def lead_flow_number(flow_id: str) -> BaseResponse:
    """Lead a number into this flow, or out of it."""
    kept = find(flow_id)
    number_id = NumberId(ids.parse("num", request.form.get("number", "")))
    into = kept.flow_id if request.form.get("led") == "in" else None
    try:
        led = store.lead_number(
            scope.session(),
            tenant_id=kept.tenant_id,
            number_id=number_id,
            flow_id=into,
            revision=edits.revision(request.form),
        )
    except FlowNotPublishedError:
        said.refused(gettext("Publish the flow first."))
    except NumberChangedError:
        said.refused(gettext("Somebody else has changed this number. Look at it again."))
    else:
        renting.tell_switchboard()
        number = international(led.digits)
        said.done(
            gettext("Callers of %(number)s go through this flow.", number=number)
            if into
            else gettext("Callers of %(number)s go straight to its queue.", number=number)
        )
    return redirect(path_of(kept.flow_id), 303)


@pages.get("/flows/<flow_id>/try")
@permission("queues.read")
def try_flow(flow_id: str) -> str:
    """Try a flow without a telephone: what a caller hears, key by key."""
    kept = find(flow_id)
    inputs = [
        one for one in request.args.getlist("keys")[: rehearsal.MOST_INPUTS - 1] if _KEYS.fullmatch(one)
    ]
    typed = request.args.get("typed", "")
    if "typed" in request.args and _KEYS.fullmatch(typed):
        inputs.append(typed)
    outside = request.args.get("outside", "")
    outside = outside if outside in model.ToNumber.WAYS else ""
    scene = shown.scene(
        flow=kept.draft,
        caller="",
        is_customer=request.args.get("customer") == "yes",
        tier="",
        answers={} if request.args.get("program") == "yes" else None,
        at=clock.now(),
        has_number=request.args.get("withheld") != "yes",
        knows_pin=request.args.get("pin") == "yes",
        is_person_free=request.args.get("away") != "yes",
        outside=outside,
        is_room_full=request.args.get("full") == "yes",
    )
    made = rehearsal.rehearse(kept.draft, scene, inputs)
    node = kept.draft.nodes.get(made.passages[-1].node) if made.passages else None
    return render_template(
        "portal/_flow_try.html" if is_part() else "portal/flow_try.html",
        name=kept.name,
        back=path_of(kept.flow_id),
        action=url_for("portal.try_flow", flow_id=flow_id),
        inputs=inputs,
        passages=[
            {
                "way": flow_words.way(one.way) if one.way else "",
                "kind": flow_words.kind(one.kind),
                "name": one.title or one.node,
                "heard": one.heard,
                "node": one.node,
                "taken": one.way,
            }
            for one in made.passages
        ],
        end=made.end.value,
        detail=(queue_names() | room_names()).get(made.detail, made.detail),
        choices=[(key, one.label) for key, one in node.keys.items()]
        if isinstance(node, model.Menu | model.ToQueue)
        else [],
        is_customer=request.args.get("customer") == "yes",
        knows_pin=request.args.get("pin") == "yes",
        is_away=request.args.get("away") == "yes",
        is_full=request.args.get("full") == "yes",
        is_withheld=request.args.get("withheld") == "yes",
        outside=outside,
        outside_ways=[(way, flow_words.way(way)) for way in model.ToNumber.WAYS],
        has_program=request.args.get("program") == "yes",
    )


def path_of(flow_id: FlowId, node: str = "") -> str:
    """Return the address of a flow's outline, with a step's form open."""
    return url_for("portal.one_flow", flow_id=ids.public("flow", flow_id)) + _chosen(node, "#step")


def drawing_of(flow_id: FlowId, node: str = "") -> str:
    """Return the address of a flow's drawing, with a step chosen."""
    return url_for("portal.draw_flow", flow_id=ids.public("flow", flow_id)) + _chosen(node)


def is_part() -> bool:
    """Whether the drawing asks for a part of a page, and not for a whole one."""
    return request.headers.get("HX-Request") == "true"


def find(flow_id: str) -> Kept:
    """Return a flow of the company by the id in an address.

    Raises:
        FlowNotFoundError: not the company's, or removed.
    """
    return shown.found(FlowId(ids.parse("flow", flow_id)))


def save(kept: Kept, draft: Flow, *, name: str = "") -> Kept:
    """Replace the draft as it was read; callers notice nothing."""
    return store.save(
        scope.session(),
        tenant_id=kept.tenant_id,
        flow_id=kept.flow_id,
        revision=kept.revision,
        name=name or kept.name,
        draft=draft,
        vault=scope.services().vault,
    )


def step_part(kept: Kept, key: str, typed: Typed | None = None) -> str:
    """Return a step's form alone."""
    return render_template("portal/_flow_step.html", **_step_form(kept, key, typed or Typed()))


def somebody_else() -> str:
    """Say that two edit the same flow."""
    return str(gettext("Somebody else has changed the flow meanwhile. Look at it again, then save."))


def queue_names() -> dict[str, str]:
    """Return the company's queues by their public ids."""
    found = queues.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return {ids.public("que", one.queue_id): one.name for one in found}


def room_names() -> dict[str, str]:
    """Return the company's conference rooms by their public ids."""
    found = conference.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return {one.ref: one.name for one in found}


def may_write() -> bool:
    """Whether who is signed in may change flows."""
    return "queues.write" in identity.current().permissions


class _Publishing(Protocol):
    """How a version comes to be published."""

    def __call__(
        self,
        session: Session,
        /,
        *,
        tenant_id: TenantId,
        flow_id: FlowId,
        revision: int,
        by: UUID,
        vault: Vault,
    ) -> Kept:
        """Publish, unless somebody has changed the draft since, or callers would get stuck."""


def _publish(kept: Kept, publishing: _Publishing, *, faulty: str) -> BaseResponse:
    try:
        saved = publishing(
            scope.session(),
            tenant_id=kept.tenant_id,
            flow_id=kept.flow_id,
            revision=edits.revision(request.form),
            by=identity.current().principal_id,
            vault=scope.services().vault,
        )
    except FlowChangedError:
        said.refused(somebody_else())
    except FlowFaultyError:
        said.refused(faulty)
    else:
        renting.tell_switchboard()
        said.done(
            gettext(
                "Version %(version)s is published: it counts from the next call on.", version=saved.version
            )
        )
    is_drawn = request.form.get("then") == "drawing"
    return redirect(drawing_of(kept.flow_id) if is_drawn else path_of(kept.flow_id), 303)


def _save(kept: Kept, draft: Flow, *, node: str, name: str = "") -> BaseResponse:
    saved = save(kept, draft, name=name)
    said.done(_kept_in_draft())
    return redirect(path_of(saved.flow_id, node), 303)


def _again(kept: Kept, key: str, typed: Typed) -> str:
    """Show a step's form again, as it was typed."""
    return step_part(kept, key, typed) if is_part() else _page(kept, key, typed)


def _step_form(kept: Kept, key: str, typed: Typed) -> dict[str, Any]:
    """Return what the form of a step shows."""
    node = kept.draft.nodes.get(key)
    return {
        "action": path_of(kept.flow_id),
        "chosen": {
            "key": key,
            "kind": node.kind,
            "word": flow_words.kind(node.kind),
            "ways": [(way, flow_words.way(way)) for way in node.WAYS],
            "seen": outline.mark(node),
        }
        if node
        else None,
        "given": typed.given or (outline.typed(node) if node else {}),
        "errors": typed.errors,
        "fault": typed.fault,
        "nodes": [(name, one.title or name) for name, one in kept.draft.nodes.items()],
        "queues": list(queue_names().items()),
        "rooms": list(room_names().items()),
        "agents": [(str(one.agent.number), str(one.agent.number)) for one in _people()],
        "sounds": [(one.ref, one.name) for one in sounds.all_of(scope.session(), tenant_id=kept.tenant_id)],
        "keys": model.KEYS,
        "cases": range(1, max(outline.MOST_CASES, len(getattr(node, "cases", ()))) + 1),
        "may_write": may_write(),
    }


def _people() -> list[Member]:
    return queue_words.members(tenant_id=identity.current().tenant_id, queue_id=None)


def _page(kept: Kept, key: str, typed: Typed) -> str:
    session, draft = scope.session(), kept.draft
    findings = store.findings(session, tenant_id=kept.tenant_id, flow=draft, flow_id=kept.flow_id)
    counted = shown.figures(session, kept) if kept.version else None
    rented = numbers.all_of(session, tenant_id=kept.tenant_id)
    return render_template(
        "portal/flow.html",
        flow={
            "id": ids.public("flow", kept.flow_id),
            "name": kept.name,
            "version": kept.version,
            "language": draft.language,
        },
        drawing=drawing_of(kept.flow_id, key if key in draft.nodes else ""),
        revision=kept.revision,
        outline=outline.outline(draft, findings=findings, figures=counted),
        calls=counted.calls if counted else 0,
        served=counted.outcomes.get(Outcome.SERVED, 0) if counted else 0,
        left=counted.outcomes.get(Outcome.LEFT, 0) if counted else 0,
        ratings=_ratings(draft, counted) if counted else [],
        forbidding=sum(one.forbids for one in findings),
        places=_places(draft, findings),
        kinds=[(kind, flow_words.kind(kind)) for kind in outline.KINDS],
        versions=store.versions(session, tenant_id=kept.tenant_id, flow_id=kept.flow_id)[:10],
        numbers=[
            {
                "id": ids.public("num", one.number_id),
                "number": international(one.digits),
                "is_led": one.flow_id == kept.flow_id,
                "elsewhere": one.flow_id not in {None, kept.flow_id},
                "revision": one.revision,
            }
            for one in rented
        ],
        tiers=[
            one.name for one in routing.tiers_through(session, tenant_id=kept.tenant_id, flow_id=kept.flow_id)
        ],
        **_step_form(kept, key, typed),
    )


def _ratings(draft: Flow, counted: FlowFigures) -> list[dict[str, Any]]:
    """Return what callers have rated at each step that asks them to, in the version they go through."""
    told = []
    for one in counted.nodes:
        node = draft.nodes.get(one.node)
        if one.mean_rating is None:
            continue
        given = sum(one.ratings.values())
        best = node.most if isinstance(node, model.Survey) else max(one.ratings)
        told.append(
            {
                "name": (node.title if node else "") or one.node,
                "mean": str(one.mean_rating),
                "best": best,
                "given": given,
                "asked": one.came,
                "counts": [
                    {"rating": rating, "count": count, "percent": 100 * count / given}
                    for rating, count in ((each, one.ratings.get(each, 0)) for each in range(best, 0, -1))
                ],
            }
        )
    return told


def _places(draft: Flow, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return every way a new node can be put into, those that lead nowhere first."""
    open_ways = [(one.node, one.way) for one in findings if one.way and one.fault.value == "dead-end"]
    led = [
        (key, way)
        for key, node in draft.nodes.items()
        for way in node.ways()
        if not way.startswith("rated-") and (key, way) not in open_ways
    ]
    return [
        (f"{key} {way}", f"{draft.nodes[key].title or key}, {flow_words.way(way)}")
        for key, way in [*open_ways, *led]
        if key in draft.nodes
    ]


def _name(text: str) -> str:
    name = " ".join(text.split())[:LONGEST_NAME]
    return name if name.isprintable() else ""


def _language() -> model.Language:
    return "zh" if request.form.get("language") == "zh" else "en"


def _chosen(node: str, part: str = "") -> str:
    return f"?{urlencode({'node': node})}{part}" if node else ""


def _kept_in_draft() -> str:
    return str(gettext("Saved in the draft. Callers notice nothing until it is published."))
