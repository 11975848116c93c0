"""A flow as an outline: every node under the way that leads to it, as one reads it aloud; and its forms.

The outline is the equal of any picture: what can be done to a flow is done here, by keyboard and without
scripts. A node that more than one way leads to stands where it is met first; after that it is a link.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from telephony.flows import model
from telephony.flows.figures import FlowFigures, NodeFigures
from telephony.flows.lint import Finding
from telephony.flows.model import AnyNode, Flow
from web.shown import flow_words

MOST_CASES = 6  # lines of a branch in the form; more are kept as they are
_NODE: TypeAdapter[AnyNode] = TypeAdapter(AnyNode)
KINDS: Sequence[str] = tuple(str(one.model_fields["kind"].default) for one in get_args(get_args(AnyNode)[0]))
_NUMBERS = frozenset({"timeout_s", "tries", "least", "most", "longest_s", "agent", "ring_s", "every_s"})
_LISTS = frozenset({"send"})
_KEYED = (model.Menu, model.ToQueue)


@dataclass(frozen=True, slots=True)
class Branchlet:
    """One node of the outline, under the way that leads to it."""

    key: str
    way: str
    kind: str
    name: str
    is_again: bool
    faults: Sequence[str] = ()
    came: int = 0
    left: int = 0
    below: Sequence["Branchlet"] = field(default=())


def outline(flow: Flow, *, findings: Sequence[Finding], figures: FlowFigures | None) -> list[Branchlet]:
    """Return the flow from its start on, then each node nothing leads to."""
    seen: set[str] = set()
    counted = {one.node: one for one in figures.nodes} if figures else {}
    told = [_branch(flow, flow.start, "", seen, findings, counted)] if flow.start in flow.nodes else []
    islands = (key for key in flow.nodes if key not in seen)  # asked one by one: each tells what is below it
    told.extend(_branch(flow, key, "", seen, findings, counted) for key in islands)
    return told


def _branch(
    flow: Flow,
    key: str,
    way: str,
    seen: set[str],
    findings: Sequence[Finding],
    counted: Mapping[str, NodeFigures],
) -> Branchlet:
    node, again = flow.nodes[key], key in seen
    seen.add(key)
    figures = counted.get(key)
    below = (
        []
        if again
        else [
            _branch(flow, to, name, seen, findings, counted) for name, to in _told(node) if to in flow.nodes
        ]
    )
    return Branchlet(
        key=key,
        way=flow_words.way(way) if way else "",
        kind=flow_words.kind(node.kind),
        name=node.title or key,
        is_again=again,
        faults=[
            (f"{flow_words.way(one.way)}: " if one.way else "") + flow_words.fault(one.fault)
            for one in findings
            if one.node == key
        ],
        came=figures.came if figures else 0,
        left=figures.left if figures else 0,
        below=below,
    )


def _told(node: AnyNode) -> Iterator[tuple[str, str]]:
    """Yield the ways out of a node; ratings all lead the same way, and are told once."""
    for name, to in node.ways().items():
        if not (isinstance(node, model.Survey) and name != "next"):
            yield name, to


def typed(node: AnyNode) -> dict[str, str]:
    """Return a node as the fields of its form."""
    plain: dict[str, Any] = node.model_dump(mode="json", exclude_none=True)
    prompt = plain.pop("prompt", {})
    fields = {
        name: ", ".join(value) if name in _LISTS else str(value)
        for name, value in plain.items()
        if name not in {"keys", "cases", "place"}
    }
    fields |= {"text": prompt.get("text", ""), "prompt_language": prompt.get("language", "")}
    if isinstance(node, _KEYED):
        for key, choice in node.keys.items():
            fields |= {f"key-{key}-to": choice.to or "", f"key-{key}-label": choice.label}
    if isinstance(node, model.Branch):
        for place, case in enumerate(node.cases, 1):
            fields |= {f"case-{place}-to": case.to or "", f"case-{place}-values": ", ".join(case.values)}
    return fields


def mark(node: AnyNode) -> str:
    """Return what tells whether somebody has changed a node since its form was opened."""
    return hashlib.sha256(node.model_dump_json(exclude={"place"}).encode()).hexdigest()[:24]


def read(before: AnyNode, given: Mapping[str, str]) -> AnyNode:
    """Return a node as somebody has written it in its form; what the form does not show stays.

    Raises:
        ValidationError: it cannot be so; `faults` tells where.
    """
    made: dict[str, Any] = before.model_dump(mode="json")
    for name, value in given.items():
        if name not in made or name in {"kind", "keys", "cases", "place", "prompt"}:
            continue
        if name in _LISTS:
            made[name] = _split(value)
        elif name in _NUMBERS:
            made[name] = value.strip() or None
        else:
            made[name] = value.strip() or (None if name in before.WAYS else "")
    if "prompt" in made and "text" in given:
        made["prompt"] = {
            "text": " ".join(given["text"].split()),
            "language": given.get("prompt_language") or None,
        }
    if isinstance(before, _KEYED):
        made["keys"] = {
            key: {"to": given.get(f"key-{key}-to") or None, "label": given.get(f"key-{key}-label", "")}
            for key in model.KEYS
            if given.get(f"key-{key}-to") or given.get(f"key-{key}-label")
        }
    if isinstance(before, model.Branch):
        lines = range(1, max(MOST_CASES, len(before.cases)) + 1)
        made["cases"] = [
            {"values": _split(given.get(f"case-{n}-values", "")), "to": given.get(f"case-{n}-to") or None}
            for n in lines
            if given.get(f"case-{n}-values") or given.get(f"case-{n}-to")
        ]
    return _NODE.validate_python(made)


def faults(error: ValidationError) -> dict[str, str]:
    """Return which fields of the form do not fit, with what is wrong."""
    found = {}
    for one in error.errors():
        names = [str(part) for part in one["loc"] if not isinstance(part, int)]
        name = next((name for name in reversed(names) if name not in KINDS), "title")
        found[name] = flow_words.no_phone() if name == "phone" else one["msg"]
    return found


def added(flow: Flow, kind: str, *, after: str = "", way: str = "") -> tuple[Flow, str]:
    """Return a flow with a new node of a kind, put into a way out of another; and its key.

    What the way led to before comes after the new node, where that leads anywhere.

    Raises:
        ValidationError: there are as many nodes as there may be, or no such kind.
    """
    number = 1
    while (key := f"{kind}-{number}") in flow.nodes:
        number += 1
    key = flow.start if not flow.nodes else key
    nodes: dict[str, Any] = {name: node.model_dump(mode="json") for name, node in flow.nodes.items()}
    made = _NODE.validate_python({"kind": kind}).model_dump(mode="json")
    before = nodes.get(after)
    if before is not None:
        led = _lead(before, way, key)
        first = next(iter(_NODE.validate_python(made).WAYS), "")
        if led and first:
            made[first] = led
    nodes[key] = made
    return Flow.model_validate(flow.model_dump(mode="json") | {"nodes": nodes}), key


def led(flow: Flow, key: str, way: str, to: str | None) -> Flow:
    """Return a flow in which a way out of a node leads elsewhere, or nowhere."""
    body = flow.nodes[key].model_dump(mode="json")
    _lead(body, way, to)
    return flow.model_copy(update={"nodes": {**flow.nodes, key: _NODE.validate_python(body)}})


def without(flow: Flow, key: str) -> Flow:
    """Return a flow without a node; ways that led to it lead on to where it led first, if anywhere."""
    gone = flow.nodes[key]
    onwards = next((to for to in gone.ways().values() if to != key), None)
    nodes: dict[str, Any] = {}
    for name, node in flow.nodes.items():
        if name == key:
            continue
        body = node.model_dump(mode="json")
        for way, to in node.ways().items():
            if to == key:
                _lead(body, way, onwards)
        nodes[name] = body
    start = flow.start if flow.start != key else (onwards or next(iter(nodes), flow.start))
    return Flow.model_validate(flow.model_dump(mode="json") | {"nodes": nodes, "start": start})


def _lead(body: dict[str, Any], way: str, to: str | None) -> str | None:
    """Let a way out of a node lead elsewhere; return where it led."""
    name, _, place = way.partition("-")
    if name == "key" and place in body.get("keys", {}):
        where, field_name = body["keys"][place], "to"
    elif name == "case" and place.isdigit() and 0 < int(place) <= len(body.get("cases", [])):
        where, field_name = body["cases"][int(place) - 1], "to"
    elif name == "key" and place in model.KEYS and "keys" in body:
        where, field_name = body["keys"].setdefault(place, {"to": None, "label": ""}), "to"
    elif way in body and way not in {"kind", "title", "prompt"}:
        where, field_name = body, way
    else:
        return None
    before: str | None = where[field_name]
    where[field_name] = to
    return before


def _split(text: str) -> list[str]:
    return [part for one in text.replace("，", ",").split(",") if (part := one.strip())]
