"""Flows, for programs: what callers hear and choose before they wait for a person."""

from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from core import clock, ids
from core.ids import FlowId, NumberId, SoundId
from telephony import sound_files
from telephony.flows import rehearsal, sounds, store
from telephony.flows.lint import Finding, FlowFault
from telephony.flows.model import Flow
from telephony.flows.rehearsal import MOST_INPUTS
from telephony.flows.store import LONGEST_NAME, Kept
from telephony.flows.trace import Outcome
from web import identity, renting, scope, uploads
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward, Text
from web.guards import permission
from web.shown import flows as shown

_TAG = "Flows"
_ID = "flow_01jd3x5k8f7r6q2w9v4t0n1m3c"


class FlowGiven(Inward):
    """A flow as its editor has it; it need not be finished."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME, examples=["Main menu"])
    flow: Flow = Field(description="Nodes by key; each says which nodes it leads to.")


class FlowFinding(Outward):
    """What is wrong with a flow, and where."""

    fault: FlowFault = Field(examples=["dead-end"])
    node: str = Field(examples=["menu"])
    way: str = Field(description="Which way out of the node, if it is about one.", examples=["key-2"])
    forbids: bool = Field(description="Whether it cannot be published so.")


class FlowEntry(Outward):
    """A flow in a list."""

    id: str = Field(examples=[_ID])
    name: str
    version: int = Field(description="The version callers go through; 0 before the first.")
    changed_at: Instant


class FlowsList(Outward):
    """Every flow of the company, by name."""

    data: list[FlowEntry]


class FlowShown(FlowEntry):
    """A flow with its draft."""

    flow: Flow = Field(description="The draft: callers go through `version` until it is published.")
    findings: list[FlowFinding]


class FlowVersionShown(Outward):
    """One version that callers go, or went, through."""

    version: int
    published_at: Instant
    brought_back: int | None = Field(description="The earlier version it repeats.")
    flow: Flow


class FlowVersions(Outward):
    """All that was published, newest first."""

    data: list[FlowVersionShown]


class FlowTrial(Inward):
    """A caller who tries a flow without a telephone."""

    keys: list[Annotated[str, Field(max_length=20, pattern=r"^[0-9*#]*$")]] = Field(
        default=[],
        max_length=MOST_INPUTS,
        description="What they press each time they are asked; empty: nothing.",
        examples=[["1", "4471#"]],
    )
    caller: Annotated[str, Field(max_length=16, pattern=r"^(\+[0-9]{3,15})?$")] = Field(
        default="", description="E.164; empty: withheld. Nobody is called or looked up."
    )
    customer: bool = Field(default=False, description="Whether a look-up finds them.")
    tier: Annotated[str, Field(max_length=40)] = ""
    person_free: bool = Field(default=True, description="Whether an agent asked for by number is free.")
    outside: Literal["", "no_answer", "busy", "otherwise"] = Field(
        default="", description="By which way a number outside sends them on; empty: it takes them."
    )
    pin: bool = Field(default=False, description="Whether what they type for a PIN is right.")
    room_full: bool = Field(default=False, description="Whether conference rooms are full.")
    answers: dict[str, Annotated[str, Field(max_length=80)]] | None = Field(
        default=None, max_length=20, description="What a webhook answers. Null: nothing in time."
    )


class FlowPassage(Outward):
    """A node the caller came by."""

    node: str
    kind: str = Field(examples=["menu"])
    title: str
    way: str = Field(description="The way out of the node before.", examples=["key-1"])
    heard: list[str]


class FlowRehearsed(Outward):
    """Where the caller got to."""

    passages: list[FlowPassage]
    end: rehearsal.End = Field(
        description="`waits`: for the next key. `outside`: at a number outside.", examples=["queue"]
    )
    detail: str = Field(description="The queue, or why it failed.")


class FlowNodeFigures(Outward):
    """What calls did at one node."""

    node: str
    came: int = Field(description="Calls that came by it, once each.")
    left: int = Field(description="Of these, callers who hung up there.")
    ways: dict[str, int] = Field(description="How often each way out was taken.")
    ratings: dict[str, int] = Field(description="Of a survey: how often each rating was given.")
    mean_rating: str | None = Field(description="Of these, to a tenth.", examples=["4.3"])


class FlowFigures(Outward):
    """What calls did in one version of a flow, in the last 30 days."""

    version: int
    calls: int
    outcomes: dict[Outcome, int] = Field(
        description="`served` needed nobody; `outside` went to a number outside; `left` hung up in it; "
        "`failed` came to the number's own queue."
    )
    nodes: list[FlowNodeFigures]


class SoundQuery(Inward):
    """How a sound is to be called."""

    name: Text = Field(default="Sound", min_length=1, max_length=sounds.LONGEST_NAME, examples=["Welcome"])


class SoundShown(Outward):
    """A sound the company has uploaded."""

    id: str = Field(examples=["snd_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    length_ms: int
    added_at: Instant


class SoundsList(Outward):
    """The company's sounds."""

    data: list[SoundShown]


class NumberFlowGiven(Inward):
    """Which flow a number's callers go through."""

    flow: str | None = Field(max_length=60, description="Null: none; they come to its queue at once.")
    revision: int = Field(ge=1, description="Of the number, as it was read.")


class NumberFlowShown(Outward):
    """Which flow a number's callers go through."""

    number: str = Field(examples=["num_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    flow: str | None = Field(examples=[_ID])
    revision: int


@pages.get("/flows")
@permission("queues.read")
@operation(tag=_TAG, answers={200: FlowsList}, operation_id="listFlows")
def list_flows() -> FlowsList:
    """List the company's flows."""
    found = store.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return FlowsList(data=[FlowEntry.model_validate(_entry(one)) for one in found])


@pages.post("/flows")
@permission("queues.write")
@operation(tag=_TAG, answers={201: FlowShown}, errors=(409,), operation_id="makeFlow")
def make_flow(json: FlowGiven) -> tuple[FlowShown, int, dict[str, str]]:
    """Make a flow. Nobody goes through it before it is published and a number leads into it."""
    made = store.make(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        name=json.name,
        draft=json.flow,
        vault=scope.services().vault,
    )
    answer = _whole(made)
    return answer, 201, {"Location": f"/api/v1/flows/{answer.id}", **preconditions.tag(made.revision)}


@pages.get("/flows/<flow_id>")
@permission("queues.read")
@operation(tag=_TAG, answers={200: FlowShown}, errors=(404,), operation_id="getFlow")
def one_flow(flow_id: str) -> tuple[FlowShown, int, dict[str, str]]:
    """Look at a flow's draft and what is wrong with it."""
    found = _find(flow_id)
    return _whole(found), 200, preconditions.tag(found.revision)


@pages.put("/flows/<flow_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: FlowShown}, errors=(404,), operation_id="changeFlow", conditional=True)
def change_flow(flow_id: str, json: FlowGiven) -> tuple[FlowShown, int, dict[str, str]]:
    """Replace a flow's draft, unless somebody has changed it since. Callers notice nothing yet."""
    found = _find(flow_id)
    preconditions.insist(found.revision)
    saved = store.save(
        scope.session(),
        tenant_id=found.tenant_id,
        flow_id=found.flow_id,
        revision=found.revision,
        name=json.name,
        draft=json.flow,
        vault=scope.services().vault,
    )
    return _whole(saved), 200, preconditions.tag(saved.revision)


@pages.delete("/flows/<flow_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: FlowEntry}, errors=(404, 409), operation_id="removeFlow", conditional=True)
def remove_flow(flow_id: str) -> FlowEntry:
    """Remove a flow that no number leads into."""
    found = _find(flow_id)
    preconditions.insist(found.revision)
    store.remove(scope.session(), tenant_id=found.tenant_id, flow_id=found.flow_id, revision=found.revision)
    return FlowEntry.model_validate(_entry(found))


@pages.post("/flows/<flow_id>/publish")
@permission("queues.write")
@operation(
    tag=_TAG, answers={200: FlowShown}, errors=(404, 409), operation_id="publishFlow", conditional=True
)
def publish_flow(flow_id: str) -> tuple[FlowShown, int, dict[str, str]]:
    """Let callers go through the draft, from the next call on."""
    found = _find(flow_id)
    preconditions.insist(found.revision)
    saved = store.publish(
        scope.session(),
        tenant_id=found.tenant_id,
        flow_id=found.flow_id,
        revision=found.revision,
        by=identity.current().principal_id,
        vault=scope.services().vault,
    )
    renting.tell_switchboard()
    return _whole(saved), 200, preconditions.tag(saved.revision)


@pages.get("/flows/<flow_id>/versions")
@permission("queues.read")
@operation(tag=_TAG, answers={200: FlowVersions}, errors=(404,), operation_id="listFlowVersions")
def list_flow_versions(flow_id: str) -> FlowVersions:
    """List every version callers went through, newest first."""
    found = _find(flow_id)
    return FlowVersions(
        data=[
            FlowVersionShown(
                version=one.version,
                published_at=one.published_at,
                brought_back=one.was,
                flow=shown.visible(one.flow),
            )
            for one in store.versions(
                scope.session(),
                tenant_id=found.tenant_id,
                flow_id=found.flow_id,
                vault=scope.services().vault,
            )
        ]
    )


@pages.post("/flows/<flow_id>/versions/<int:version>/publish")
@permission("queues.write")
@operation(
    tag=_TAG, answers={200: FlowShown}, errors=(404, 409), operation_id="bringFlowBack", conditional=True
)
def bring_flow_back(flow_id: str, version: int) -> tuple[FlowShown, int, dict[str, str]]:
    """Publish an earlier version again, under a new number; it becomes the draft, too."""
    found = _find(flow_id)
    preconditions.insist(found.revision)
    saved = store.bring_back(
        scope.session(),
        tenant_id=found.tenant_id,
        flow_id=found.flow_id,
        version=version,
        revision=found.revision,
        by=identity.current().principal_id,
        vault=scope.services().vault,
    )
    renting.tell_switchboard()
    return _whole(saved), 200, preconditions.tag(saved.revision)


@pages.post("/flows/<flow_id>/try")
@permission("queues.read")
@operation(tag=_TAG, answers={200: FlowRehearsed}, errors=(404,), operation_id="tryFlow")
def try_flow(flow_id: str, json: FlowTrial) -> FlowRehearsed:
    """Try a flow's draft without a telephone: what a caller hears who presses these keys."""
    found = _find(flow_id)
    scene = shown.scene(
        caller=json.caller,
        is_customer=json.customer,
        tier=json.tier,
        answers=json.answers,
        flow=found.draft,
        at=clock.now(),
        has_number=bool(json.caller),
        knows_pin=json.pin,
        is_person_free=json.person_free,
        outside=json.outside,
        is_room_full=json.room_full,
    )
    made = rehearsal.rehearse(found.draft, scene, json.keys)
    return FlowRehearsed(
        passages=[
            FlowPassage(node=one.node, kind=one.kind, title=one.title, way=one.way, heard=one.heard)
            for one in made.passages
        ],
        end=made.end,
        detail=made.detail,
    )


@pages.get("/flows/<flow_id>/figures")
@permission("queues.read")
@operation(tag=_TAG, answers={200: FlowFigures}, errors=(404,), operation_id="getFlowFigures")
def flow_figures(flow_id: str) -> FlowFigures:
    """Count where callers came by and where they hung up, in the version they go through now."""
    found = _find(flow_id)
    counted = shown.figures(scope.session(), found)
    return FlowFigures(
        version=counted.version,
        calls=counted.calls,
        outcomes=dict(counted.outcomes),
        nodes=[
            FlowNodeFigures(
                node=one.node,
                came=one.came,
                left=one.left,
                ways=dict(one.ways),
                ratings={str(rating): n for rating, n in one.ratings.items()},
                mean_rating=str(one.mean_rating) if one.mean_rating is not None else None,
            )
            for one in counted.nodes
        ],
    )


@pages.get("/sounds")
@permission("queues.read")
@operation(tag=_TAG, answers={200: SoundsList}, operation_id="listSounds")
def list_sounds() -> SoundsList:
    """List the sounds the company has uploaded for its flows, by name."""
    found = sounds.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return SoundsList(data=[_sound(one) for one in found])


@pages.post("/sounds")
@permission("queues.write")
@uploads.takes_file(sound_files.LARGEST)
@operation(
    tag=_TAG,
    answers={201: SoundShown},
    errors=(409,),
    operation_id="addSound",
    takes=("audio/wav", "audio/mpeg"),
)
def add_sound(query: SoundQuery) -> tuple[SoundShown, int]:
    """Upload a sound: WAV or MP3, at most 10 MB and two minutes.

    The file is the body itself, or the part `file` of a form.
    """
    who = identity.current()
    made = sounds.add(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        name=query.name,
        data=uploads.body()[0].read(sound_files.LARGEST + 1),
        by=who.principal_id,
    )
    return _sound(made), 201


@pages.get("/sounds/<sound_id>/audio")
@permission("queues.read")
@operation(tag=_TAG, answers={200: None}, errors=(404,), operation_id="getSoundAudio", media="audio/wav")
def sound_audio(sound_id: str) -> Response:
    """Fetch a sound as callers hear it."""
    sound = sounds.wav(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        sound_id=SoundId(id_in_path("snd", sound_id)),
    )
    return Response(sound, content_type="audio/wav")


@pages.delete("/sounds/<sound_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={204: None}, errors=(404, 409), operation_id="removeSound")
def remove_sound(sound_id: str) -> Response:
    """Take a sound away that no flow plays."""
    sounds.remove(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        sound_id=SoundId(id_in_path("snd", sound_id)),
    )
    return Response(status=204)


@pages.put("/numbers/<number_id>/flow")
@permission("queues.write")
@operation(tag=_TAG, answers={200: NumberFlowShown}, errors=(404, 409), operation_id="leadNumber")
def lead_number(number_id: str, json: NumberFlowGiven) -> NumberFlowShown:
    """Lead a number's callers into a flow before its queue, or into none. It counts from the next call on."""
    led = store.lead_number(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        number_id=NumberId(id_in_path("num", number_id)),
        flow_id=FlowId(ids.parse("flow", json.flow)) if json.flow else None,
        revision=json.revision,
    )
    renting.tell_switchboard()
    return NumberFlowShown(
        number=ids.public("num", led.number_id),
        flow=ids.public("flow", led.flow_id) if led.flow_id else None,
        revision=led.revision,
    )


def _find(flow_id: str) -> Kept:
    return shown.found(FlowId(id_in_path("flow", flow_id)))


def _entry(kept: Kept) -> dict[str, object]:
    return {
        "id": ids.public("flow", kept.flow_id),
        "name": kept.name,
        "version": kept.version,
        "changed_at": kept.changed_at,
    }


def _whole(kept: Kept) -> FlowShown:
    found = store.findings(scope.session(), tenant_id=kept.tenant_id, flow=kept.draft, flow_id=kept.flow_id)
    return FlowShown.model_validate(
        _entry(kept) | {"flow": kept.draft, "findings": [_finding(one) for one in found]}
    )


def _sound(one: sounds.Uploaded) -> SoundShown:
    return SoundShown(id=one.ref, name=one.name, length_ms=one.length_ms, added_at=one.added_at)


def _finding(one: Finding) -> FlowFinding:
    return FlowFinding(fault=one.fault, node=one.node, way=one.way, forbids=one.forbids)
