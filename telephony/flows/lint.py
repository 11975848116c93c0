"""What is wrong with a flow, before anybody calls: what forbids publishing it, and what only should not be.

Depth counts what a caller has to listen to before they reach a person: more than four choices one behind the
other lose callers. Pure.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.phone import E164, Kind, kind_of
from telephony.flows import model
from telephony.flows.model import Flow

DEEPEST: Final = 4  # choices one behind the other
_ASKS: Final = (model.Menu, model.Collect, model.CheckPin, model.Survey, model.ToRoom)
_SPEAKS: Final = frozenset({"say", "menu", "collect", "pin", "survey", "voicemail", "room"})


class FlowFault(StrEnum):
    """What is wrong."""

    NO_START = "no-start"
    DEAD_END = "dead-end"  # a way that leads nowhere
    LEADS_NOWHERE = "leads-nowhere"  # to a node that is not there
    NO_PROMPT = "no-prompt"
    NO_KEYS = "no-keys"
    NO_QUEUE = "no-queue"  # none is chosen, or it is closed for good
    NO_SOUND = "no-sound"  # none is chosen, or it was removed
    NO_AGENT = "no-agent"
    NO_ROOM = "no-room"  # none is chosen, or it is closed for good
    NO_PHONE = "no-phone"
    WRONG_PHONE = "wrong-phone"  # one of the company's own, or of a kind nobody may call
    NO_ADDRESS = "no-address"
    NO_VALUES = "no-values"
    FEWER_THAN_LEAST = "fewer-than-least"
    CIRCLE = "circle"  # in which nobody is asked anything
    UNREACHABLE = "unreachable"
    TOO_DEEP = "too-deep"
    TIER_ELSEWHERE = "tier-elsewhere"  # a case for tiers whose callers go through another flow


WARNINGS: Final = frozenset({FlowFault.UNREACHABLE, FlowFault.TOO_DEEP, FlowFault.TIER_ELSEWHERE})


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: at which node, and at which way out of it."""

    fault: FlowFault
    node: str
    way: str = ""

    @property
    def forbids(self) -> bool:
        """Whether the flow cannot be published with it."""
        return self.fault not in WARNINGS


def lint(
    flow: Flow,
    *,
    queues: Collection[str],
    sounds: Collection[str] = (),
    own: Collection[str] = (),
    rooms: Collection[str] = (),
    elsewhere: Collection[str] = (),
) -> list[Finding]:
    """Return what is wrong, in the order of the nodes.

    Args:
        flow: as written.
        queues: the public ids of the company's open queues.
        sounds: the public ids of the sounds it has uploaded.
        own: its own numbers: a call out to one of them would come back in.
        rooms: the public ids of its conference rooms.
        elsewhere: the codes of the tiers whose callers go through another flow than this one.
    """
    if flow.start not in flow.nodes:
        return [Finding(FlowFault.NO_START, flow.start)]
    reached = _reached(flow)
    found = []
    for key, node in flow.nodes.items():
        if key not in reached:
            found.append(Finding(FlowFault.UNREACHABLE, key))
        else:
            found += _at(flow, key, node, queues)
            if isinstance(node, model.Play) and node.sound not in sounds:
                found.append(Finding(FlowFault.NO_SOUND, key))
            if isinstance(node, model.ToRoom) and node.room not in rooms:
                found.append(Finding(FlowFault.NO_ROOM, key))
            if isinstance(node, model.ToNumber) and node.phone and _is_wrong(node.phone, own):
                found.append(Finding(FlowFault.WRONG_PHONE, key))
            if isinstance(node, model.Branch) and node.on == "tier":
                found += [
                    Finding(FlowFault.TIER_ELSEWHERE, key, f"case-{place}")
                    for place, case in enumerate(node.cases, 1)
                    if case.values and all(one in elsewhere for one in case.values)
                ]
    found += [Finding(FlowFault.CIRCLE, key) for key in flow.nodes if key in reached and _circles(flow, key)]
    deep = next((key for key, depth in _depths(flow).items() if depth > DEEPEST), None)
    if deep:
        found.append(Finding(FlowFault.TOO_DEEP, deep))
    return found


def _at(flow: Flow, key: str, node: model.AnyNode, queues: Collection[str]) -> Iterator[Finding]:
    ways = node.ways()
    for way in node.WAYS:
        if way not in ways:
            yield Finding(FlowFault.DEAD_END, key, way)
    for way, to in ways.items():
        if to not in flow.nodes:
            yield Finding(FlowFault.LEADS_NOWHERE, key, way)
    if node.kind in _SPEAKS and not all(one.text for one in node.prompts()):
        yield Finding(FlowFault.NO_PROMPT, key)
    if any(ref not in queues for ref in node.queues()):
        yield Finding(FlowFault.NO_QUEUE, key)
    match node:
        case model.Menu():
            if not node.keys:
                yield Finding(FlowFault.NO_KEYS, key)
            yield from _keys_of(key, node)
        case model.ToQueue():
            yield from _keys_of(key, node)
            if node.keys and not node.prompt.text:
                yield Finding(FlowFault.NO_PROMPT, key)
        case model.Branch():
            for place, case in enumerate(node.cases, 1):
                if not case.values:
                    yield Finding(FlowFault.NO_VALUES, key, f"case-{place}")
                if case.to is None:
                    yield Finding(FlowFault.DEAD_END, key, f"case-{place}")
        case model.Collect() if node.least > node.most:
            yield Finding(FlowFault.FEWER_THAN_LEAST, key)
        case model.ToPerson() if node.agent is None:
            yield Finding(FlowFault.NO_AGENT, key)
        case model.ToNumber() if not node.phone:
            yield Finding(FlowFault.NO_PHONE, key)
        case model.Webhook() if not node.url:
            yield Finding(FlowFault.NO_ADDRESS, key)


def _keys_of(key: str, node: model.Menu | model.ToQueue) -> Iterator[Finding]:
    for digit, choice in node.keys.items():
        if choice.to is None:
            yield Finding(FlowFault.DEAD_END, key, f"key-{digit}")


def _is_wrong(phone: str, own: Collection[str]) -> bool:
    is_whole = phone.removeprefix("+").isdecimal()  # who may not see it reads it with its last digits hidden
    return phone in own or (is_whole and kind_of(E164(phone)) is not Kind.ORDINARY)


def _reached(flow: Flow) -> set[str]:
    found, ahead = {flow.start}, [flow.start]
    while ahead:
        for to in flow.nodes[ahead.pop()].ways().values():
            if to in flow.nodes and to not in found:
                found.add(to)
                ahead.append(to)
    return found


def _circles(flow: Flow, key: str) -> bool:
    """Whether a call can come back to a node without anybody having been asked anything."""
    seen: set[str] = set()
    ahead = [key]
    while ahead:
        node = flow.nodes[ahead.pop()]
        ways = node.ways()
        if isinstance(node, model.ToQueue):
            continue  # who presses nothing waits there
        if isinstance(node, _ASKS):  # who is asked and presses nothing goes on as well
            silent = model.SILENT_WAY[node.kind]
            ways = {way: to for way, to in ways.items() if way == silent}
        for to in ways.values():
            if to == key:
                return True
            if to in flow.nodes and to not in seen:
                seen.add(to)
                ahead.append(to)
    return False


def _depths(flow: Flow) -> dict[str, int]:
    """Return how many questions a caller has been asked at least when they have answered at each node."""
    depths: dict[str, int] = {flow.start: int(isinstance(flow.nodes[flow.start], _ASKS))}
    ahead = [flow.start]
    while ahead:
        ahead.sort(key=lambda key: depths[key], reverse=True)
        key = ahead.pop()
        if isinstance(flow.nodes[key], model.ToQueue):
            continue  # they have come as far as they wanted
        for to in flow.nodes[key].ways().values():
            if to in flow.nodes and to not in depths:
                depths[to] = depths[key] + int(isinstance(flow.nodes[to], _ASKS))
                ahead.append(to)
    return depths
