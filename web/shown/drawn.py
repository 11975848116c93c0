"""A flow as a drawing: each node with its ways out, what is wrong there, and what callers did; and its deeds.

The drawing is the outline's equal over the same draft. What a hand does on it is one deed; the deed is
done here to the draft as it stands, by the same functions that the outline's forms use.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from core.phone import international
from telephony.flows import model
from telephony.flows.figures import FlowFigures
from telephony.flows.lint import Finding
from telephony.flows.model import AnyNode, Flow, Spot, Target
from web.shown import flow_words, outline

_WORTH_SAYING = 60  # signs of a text on a node


class _Deed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Add(_Deed):
    """A new node, maybe put into a way out of another."""

    do: Literal["add"]
    kind: Annotated[str, Field(max_length=20)]
    after: str = Field(default="", max_length=40)
    way: str = Field(default="", max_length=40)
    place: tuple[Spot, Spot] | None = None


class Lead(_Deed):
    """A way out of a node leads to another, or nowhere."""

    do: Literal["lead"]
    node: Target
    way: Annotated[str, Field(max_length=40)]
    to: Target | None


class Take(_Deed):
    """Nodes taken out; what led to them leads on."""

    do: Literal["take"]
    nodes: list[Target] = Field(max_length=model.MOST_NODES)


class Move(_Deed):
    """Nodes stand elsewhere in the drawing."""

    do: Literal["move"]
    places: dict[Target, tuple[Spot, Spot]] = Field(max_length=model.MOST_NODES)


class Put(_Deed):
    """The whole flow as it was: undone, or done again."""

    do: Literal["put"]
    flow: Flow


class Change(_Deed):
    """A deed, and the revision of the draft it was done to."""

    revision: int = Field(ge=1)
    deed: Annotated[Add | Lead | Take | Move | Put, Field(discriminator="do")]


CHANGE: TypeAdapter[Change] = TypeAdapter(Change)


def done(flow: Flow, deed: Add | Lead | Take | Move | Put) -> tuple[Flow, str]:
    """Return a flow after a deed, and the node that came of it; nodes that are gone are passed over.

    Raises:
        ValidationError: there are as many nodes as there may be, no such kind or way.
    """
    match deed:
        case Put():
            return deed.flow, ""
        case Add():
            flow, key = outline.added(flow, deed.kind, after=deed.after, way=deed.way)
            return _moved(flow, {key: deed.place} if deed.place else {}), key
        case Lead():
            there = deed.node in flow.nodes and deed.to in {None, *flow.nodes}
            return (outline.led(flow, deed.node, deed.way, deed.to) if there else flow), ""
        case Take():
            for key in deed.nodes:
                flow = outline.without(flow, key) if key in flow.nodes else flow
            return flow, ""
        case Move():
            return _moved(flow, deed.places), ""


def drawing(
    flow: Flow,
    *,
    findings: Sequence[Finding],
    figures: FlowFigures | None,
    queues: Mapping[str, str],
    sounds: Mapping[str, str],
    rooms: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the nodes as the drawing's script takes them."""
    counted = {one.node: one for one in figures.nodes} if figures else {}
    told = []
    for key, node in flow.nodes.items():
        mine, figure = [one for one in findings if one.node == key], counted.get(key)
        told.append(
            {
                "key": key,
                "kind": node.kind,
                "word": flow_words.kind(node.kind),
                "name": node.title,
                "says": _says(node, queues, sounds, rooms),
                "place": node.place,
                "is_start": key == flow.start,
                "ways": [
                    {
                        "way": way,
                        "word": flow_words.way(way),
                        "key": way.removeprefix("key-") if way.startswith("key-") else "",
                        "label": label,
                        "to": to,
                        "taken": figure.ways.get(way, 0) if figure else 0,
                        "fault": " ".join(flow_words.fault(one.fault) for one in mine if one.way == way),
                    }
                    for way, label, to in _ways(node)
                ],
                "faults": [
                    (f"{flow_words.way(one.way)}: " if one.way else "") + flow_words.fault(one.fault)
                    for one in mine
                ],
                "forbids": any(one.forbids for one in mine),
                "came": figure.came if figure else 0,
                "left": figure.left if figure else 0,
            }
        )
    return told


def _ways(node: AnyNode) -> Iterator[tuple[str, str, str | None]]:
    """Yield each way out with what it stands for, those that lead nowhere too, and the next free key."""
    if isinstance(node, model.Menu | model.ToQueue):
        for key in model.KEYS:
            if key in node.keys:
                yield f"key-{key}", node.keys[key].label, node.keys[key].to
        free = next((key for key in model.KEYS if key not in node.keys), None)
        if free:
            yield f"key-{free}", "+", None
    if isinstance(node, model.Branch):
        for place, case in enumerate(node.cases, 1):
            yield f"case-{place}", ", ".join(case.values), case.to
    for way in node.WAYS:
        yield way, "", getattr(node, way)


def _says(
    node: AnyNode, queues: Mapping[str, str], sounds: Mapping[str, str], rooms: Mapping[str, str]
) -> str:
    """Return what tells this node from others of its kind."""
    told = [one.text for one in node.prompts()] + [queues.get(ref, "") for ref in node.queues()]
    match node:
        case model.ToQueue():
            told.reverse()  # which queue says more than what is told in it
        case model.Play():
            told.append(sounds.get(node.sound, ""))
        case model.ToRoom():
            told.insert(0, rooms.get(node.room, ""))
        case model.ToPerson() if node.agent:
            told.insert(0, str(node.agent))
        case model.ToNumber() if node.phone:
            told.append(international(node.phone))
        case model.Branch():
            told.append(node.on)
        case model.SetValue():
            told.append(f"{node.name} = {node.value}")
        case model.Webhook():
            told.append(urlsplit(node.url).hostname or "")
    words = next((one for one in told if one), "")
    return words if len(words) <= _WORTH_SAYING else words[: _WORTH_SAYING - 1] + "…"


def _moved(flow: Flow, places: Mapping[str, tuple[int, int]]) -> Flow:
    nodes = {
        key: node.model_copy(update={"place": places[key]}) if key in places else node
        for key, node in flow.nodes.items()
    }
    return flow.model_copy(update={"nodes": nodes})
