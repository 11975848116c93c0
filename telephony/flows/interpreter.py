"""A flow, interpreted: what happened in, what to do about it out. Pure: no clock, no switch, no database.

The same flow and the same events give the same commands, so a call can be played again, and the editor tries
a flow without a telephone. Whatever waits, waits until `State.until` at the latest: then `TimedOut` moves it
on (the watchdog of every state). A flow that runs in a circle without anybody pressing a key ends as failed.

`turn` numbers what is waited for; an event that names an earlier turn came too late, and changes nothing.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from telephony.flows import model
from telephony.flows.model import Admitted, Flow, Prompt
from telephony.opening import Hours

LONGEST_PROMPT: Final = dt.timedelta(minutes=5)  # a thousand signs, spoken slowly, take less
PATIENCE: Final = dt.timedelta(seconds=2)  # for rows and other people's programs
MOST_STEPS: Final = 200
LONGEST_AWAY: Final = dt.timedelta(minutes=3)  # a number outside rings for a minute at the most


@dataclass(frozen=True, slots=True)
class World:
    """What is known of the call when its flow begins, and when the queues it names are open."""

    number: str = ""
    caller: str = ""
    region: str = ""
    tier: str = ""
    hours: Mapping[str, Hours | None] = field(default_factory=dict)


# --- events: what happened ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Played:
    """What was to be said has been said, or could not be (`ok` false)."""

    at: dt.datetime
    turn: int
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed a key."""

    at: dt.datetime
    key: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked has been answered: `found`, and values for names."""

    at: dt.datetime
    turn: int
    found: bool
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Onwards:
    """Go on by this way: the number outside has not taken the caller, or they wait in the queue no longer."""

    at: dt.datetime
    way: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """`State.until` is over."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class PinOfRoom:
    """As whom the keys typed let the caller into a conference room, if they do."""

    at: dt.datetime
    turn: int
    became: Admitted


Event = Played | Pressed | Answered | PinOfRoom | Onwards | TimedOut


# --- commands: what to do about it ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enter:
    """The call is at this node now, by this way out of the one before."""

    node: str
    kind: str
    title: str
    way: str


@dataclass(frozen=True, slots=True)
class Play:
    """Say something; `Played` answers."""

    turn: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class PlaySound:
    """Play a sound the company has uploaded; `Played` answers."""

    turn: int
    sound: str


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Say no more of it: a key was pressed."""

    turn: int


@dataclass(frozen=True, slots=True)
class FindCustomer:
    """Look for the customer who calls; `Answered` with their `tier`, if they have one."""

    turn: int


@dataclass(frozen=True, slots=True)
class CheckPin:
    """See whether these keys are the PIN of who calls; `Answered` whether they are."""

    turn: int
    keys: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckRoomPin:
    """See whether these keys are a PIN of this conference room; `PinOfRoom` answers."""

    turn: int
    room: str
    keys: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskProgram:
    """Ask the company's program; `Answered` with what it says."""

    turn: int
    url: str
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnnouncePlace:
    """Say how many wait in a queue and how long it takes; `Played` answers."""

    turn: int
    queue: str


@dataclass(frozen=True, slots=True)
class PromiseCall:
    """Promise the caller a call from this queue; `Answered` whether it could be."""

    turn: int
    queue: str


@dataclass(frozen=True, slots=True)
class SeekPerson:
    """See whether this agent is free, and wish for them; `Answered` whether they are."""

    turn: int
    agent: int


@dataclass(frozen=True, slots=True)
class CallOutside:
    """Call the number of this node for the caller; `Onwards` answers, or the flow is over."""

    node: str


@dataclass(frozen=True, slots=True)
class JoinRoom:
    """The caller is in this conference room from now on; the flow is over."""

    room: str
    leads: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Record what the caller says from now on, until the flow is over."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """The caller waits in this queue from now on; the flow is over, unless they leave it: `Onwards`."""

    queue: str


@dataclass(frozen=True, slots=True)
class End:
    """The call is over: it has been served."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The flow cannot go on; the caller is to wait in the number's own queue."""

    why: str


Command = (
    Enter
    | Play
    | PlaySound
    | StopPlaying
    | FindCustomer
    | CheckPin
    | CheckRoomPin
    | AskProgram
    | AnnouncePlace
    | PromiseCall
    | SeekPerson
    | CallOutside
    | JoinRoom
    | Record
    | Enqueue
    | End
    | Fail
)


@dataclass(frozen=True, slots=True)
class State:
    """Where a call is in its flow.

    Attributes:
        node: the key of the node it is at.
        turn: numbers what is waited for.
        is_playing: something is being said.
        until: when this state is left whatever happens; None: the flow is over.
        keys: pressed at this node, in memory alone: they may be a customer's.
        tries: how often this node has asked.
        is_checking: a PIN is being checked; keys mean nothing meanwhile.
        steps: nodes entered since a key was last pressed.
        values: names given a value on the way.
    """

    node: str
    turn: int = 0
    is_playing: bool = False
    until: dt.datetime | None = None
    keys: str = field(default="", repr=False)
    tries: int = 0
    is_checking: bool = False
    steps: int = 0
    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether the flow has ended, one way or another."""
        return self.until is None


Turn = tuple[State, list[Command]]


def begin(
    flow: Flow, world: World, at: dt.datetime, *, node: str = "", way: str = "", is_recording: bool = False
) -> Turn:
    """Enter a flow at its start, or where a call stood before a crash, maybe with a message half said."""
    there = flow.nodes.get(node)
    if is_recording and isinstance(there, model.Voicemail):
        return State(node, until=at + dt.timedelta(seconds=there.longest_s)), []
    return _enter(flow, world, State(""), node or flow.start, way, at)


def go_on(flow: Flow, world: World, at: dt.datetime, *, node: str, way: str) -> Turn:
    """Leave the node of a number outside or of a queue, of a call whose state a crash has taken."""
    there = flow.nodes.get(node)
    if there is None:
        return _fail(State(node), "node-missing")
    return _leave(flow, world, State(node), there, way, at)


def step(flow: Flow, world: World, state: State, event: Event) -> Turn:
    """Move a call on by one event; an event that comes too late changes nothing."""
    node = flow.nodes.get(state.node)
    if isinstance(event, Onwards) and isinstance(node, model.ToQueue) and state.is_over:
        return _leave(flow, world, replace(state, steps=0), node, event.way, event.at)
    if state.is_over or node is None:
        return state, []
    if isinstance(event, (Played, Answered, PinOfRoom)) and event.turn != state.turn:
        return state, []
    if isinstance(event, TimedOut) and state.until is not None and event.at < state.until:
        return state, []
    match event:
        case Played(ok=False):
            return _fail(state, "prompt-not-played")
        case TimedOut() if state.is_playing:
            return _fail(state, "prompt-never-ended")
        case Played(at=at):
            return _said(flow, world, state, node, at)
        case Pressed(key=key) if key in model.KEYS:
            return _pressed(flow, world, replace(state, steps=0), node, event)
        case Answered():
            return _answered(flow, world, state, node, event)
        case PinOfRoom() if isinstance(node, model.ToRoom):
            return _at_the_door(flow, world, state, node, event)
        case Onwards(at=at, way=way) if isinstance(node, model.ToNumber):
            return _leave(flow, world, state, node, way, at)
        case TimedOut(at=at):
            return _too_late(flow, world, state, node, at)
        case _:
            return state, []


def _enter(flow: Flow, world: World, state: State, key: str, way: str, at: dt.datetime) -> Turn:
    """Go to a node, and on through all nodes that wait for nothing."""
    done: list[Command] = []
    while True:
        node = flow.nodes.get(key)
        if node is None:
            return _fail(state, "node-missing", done)
        if state.steps >= MOST_STEPS:
            return _fail(state, "runs-in-a-circle", done)
        state = replace(state, node=key, steps=state.steps + 1, keys="", tries=0)
        state = replace(state, is_playing=False, is_checking=False)
        done.append(Enter(key, node.kind, node.title, way))
        match node:
            case model.OpeningHours():
                hours = world.hours.get(node.queue)
                way = "open" if hours is None or hours.is_open(at) else "closed"
            case model.Branch():
                way = _case(node, world, state)
            case model.SetValue():
                state = replace(state, values={**state.values, node.name: node.value})
                way = "next"
            case _:
                state, more = _wait(state, node, at)
                return state, done + more
        to = node.ways().get(way)
        if to is None:
            return _fail(state, "dead-end", done)
        key = to


def _wait(state: State, node: model.AnyNode, at: dt.datetime) -> Turn:
    """Do what a node does that waits for something, or ends the flow."""
    turn = state.turn + 1
    match node:
        case model.ToQueue():
            return replace(state, until=None), [Enqueue(node.queue)]
        case model.HangUp() if not node.prompt.text:
            return replace(state, until=None), [End()]
        case model.LookUp():
            return replace(state, turn=turn, until=at + PATIENCE), [FindCustomer(turn)]
        case model.Webhook():
            sent = {name: state.values.get(name, "") for name in node.send}
            return replace(state, turn=turn, until=at + PATIENCE), [AskProgram(turn, node.url, sent)]
        case model.CallBack():
            return replace(state, turn=turn, until=at + PATIENCE), [PromiseCall(turn, node.queue)]
        case model.ToPerson():
            return replace(state, turn=turn, until=at + PATIENCE), [SeekPerson(turn, node.agent or 0)]
        case model.ToNumber():
            return replace(state, turn=turn, until=at + LONGEST_AWAY), [CallOutside(state.node)]
        case model.Play():
            state = replace(state, turn=turn, is_playing=True, until=at + LONGEST_PROMPT)
            return state, [PlaySound(turn, node.sound)]
        case model.Announce():
            state = replace(state, turn=turn, is_playing=True, until=at + LONGEST_PROMPT)
            return state, [AnnouncePlace(turn, node.queue)]
        case (
            model.Say()
            | model.Menu()
            | model.Collect()
            | model.CheckPin()
            | model.Survey()
            | model.ToRoom()
            | model.Voicemail()
            | model.HangUp()
        ):
            return _ask(state, node.prompt, at)
        case _:
            return _fail(state, "node-unknown")


def _ask(state: State, prompt: Prompt, at: dt.datetime) -> Turn:
    """Say a prompt, for the first time or again."""
    turn = state.turn + 1
    asked = replace(
        state,
        turn=turn,
        is_playing=True,
        is_checking=False,
        until=at + LONGEST_PROMPT,
        keys="",
        tries=state.tries + 1,
    )
    return asked, [Play(turn, prompt)]


def _said(flow: Flow, world: World, state: State, node: model.AnyNode, at: dt.datetime) -> Turn:
    """A prompt is over: go on, or listen."""
    match node:
        case model.Menu() | model.Collect() | model.CheckPin() | model.Survey() | model.ToRoom():
            return replace(state, is_playing=False, until=at + dt.timedelta(seconds=node.timeout_s)), []
        case model.Voicemail():
            until = at + dt.timedelta(seconds=node.longest_s)
            return replace(state, is_playing=False, until=until), [Record()]
        case model.HangUp():
            return replace(state, until=None), [End()]
        case _:
            return _leave(flow, world, state, node, "next", at)


def _pressed(flow: Flow, world: World, state: State, node: model.AnyNode, event: Pressed) -> Turn:
    if isinstance(node, model.Voicemail) and not state.is_playing and event.key == "#":
        return replace(state, until=None), [End()]
    if not isinstance(node, (model.Menu, model.Collect, model.CheckPin, model.Survey, model.ToRoom)):
        return state, []  # nothing was asked
    if state.is_checking:
        return state, []  # one PIN at a time
    quiet: list[Command] = [StopPlaying(state.turn)] if state.is_playing else []
    until = event.at + dt.timedelta(seconds=node.timeout_s)
    if state.is_playing:  # what is still being said is not waited for any more
        state = replace(state, turn=state.turn + 1, is_playing=False)
    state = replace(state, until=until)
    more: list[Command] = []
    match node:
        case model.Menu():
            way = f"key-{event.key}"
            state, more = (
                _leave(flow, world, state, node, way, event.at)
                if way in node.ways()
                else _again(flow, world, state, node, event.at)
            )
        case model.Survey():
            way = f"{model.RATED}{event.key}"
            way = way if way in node.ways() else "next"
            state, more = _leave(flow, world, state, node, way, event.at)
        case model.Collect():
            keys = state.keys if event.key == "#" else state.keys + event.key
            state = replace(state, keys=keys)
            if event.key == "#" or len(keys) >= node.most:
                state, more = _collected(flow, world, state, node, event.at)
        case model.CheckPin() | model.ToRoom():
            keys = state.keys if event.key == "#" else state.keys + event.key
            state = replace(state, keys=keys)
            if event.key == "#" or len(keys) >= model.LONGEST_PIN:
                state, more = _pin_given(flow, world, state, node, event.at)
    return state, quiet + more


def _collected(flow: Flow, world: World, state: State, node: model.Collect, at: dt.datetime) -> Turn:
    """Enough digits, or no more are coming."""
    if len(state.keys) < node.least or not state.keys.isdigit():
        return _again(flow, world, state, node, at)
    kept = replace(state, values={**state.values, node.into: state.keys})
    return _leave(flow, world, kept, node, "next", at)


def _pin_given(
    flow: Flow, world: World, state: State, node: model.CheckPin | model.ToRoom, at: dt.datetime
) -> Turn:
    """A whole PIN, or what of it came in time, is checked; and forgotten here."""
    if not state.keys:
        return _again(flow, world, state, node, at)
    turn = state.turn + 1
    checking = replace(state, turn=turn, keys="", is_checking=True, until=at + PATIENCE)
    if isinstance(node, model.ToRoom):
        return checking, [CheckRoomPin(turn, node.room, state.keys)]
    return checking, [CheckPin(turn, state.keys)]


def _at_the_door(flow: Flow, world: World, state: State, node: model.ToRoom, event: PinOfRoom) -> Turn:
    """Let who knows the PIN of a conference room in, and ask others again."""
    match event.became:
        case Admitted.REFUSED:
            return _again(flow, world, state, node, event.at)
        case Admitted.FULL | Admitted.LOCKED:
            return _leave(flow, world, state, node, "full", event.at)
        case became:
            return replace(state, until=None), [JoinRoom(node.room, became is Admitted.LEADER)]


def _again(
    flow: Flow,
    world: World,
    state: State,
    node: model.Menu | model.Collect | model.CheckPin | model.ToRoom,
    at: dt.datetime,
) -> Turn:
    """Ask once more, or give up."""
    if state.tries < node.tries:
        return _ask(state, node.prompt, at)
    return _leave(flow, world, state, node, _in_vain(node), at)


def _in_vain(node: model.AnyNode) -> str:
    return "refused" if isinstance(node, model.ToRoom) else "otherwise"


def _too_late(flow: Flow, world: World, state: State, node: model.AnyNode, at: dt.datetime) -> Turn:
    match node:
        case model.Menu():
            return _again(flow, world, state, node, at)
        case model.Collect():
            return _collected(flow, world, state, node, at)
        case model.CheckPin() | model.ToRoom() if not state.is_checking:
            return _pin_given(flow, world, state, node, at)
        case model.Survey():
            return _leave(flow, world, state, node, "next", at)
        case model.Voicemail():
            return replace(state, until=None), [End()]
        case _:
            return _leave(flow, world, state, node, _in_vain(node), at)


def _answered(flow: Flow, world: World, state: State, node: model.AnyNode, event: Answered) -> Turn:
    if isinstance(node, model.CheckPin) and not event.found:
        return _again(flow, world, state, node, event.at)
    if isinstance(node, model.ToPerson) and event.found:
        return replace(state, until=None), [Enqueue(node.queue)]
    if not isinstance(node, (model.LookUp, model.CheckPin, model.Webhook, model.CallBack, model.ToPerson)):
        return state, []
    state = replace(state, values={**state.values, **event.values})
    good = {"lookup": "found", "pin": "right"}.get(node.kind, "next")
    return _leave(flow, world, state, node, good if event.found else "otherwise", event.at)


def _leave(flow: Flow, world: World, state: State, node: model.AnyNode, way: str, at: dt.datetime) -> Turn:
    to = node.ways().get(way)
    if to is None:
        return _fail(state, "dead-end")
    return _enter(flow, world, replace(state, turn=state.turn + 1), to, way, at)


def _case(node: model.Branch, world: World, state: State) -> str:
    """Return the first way whose values fit."""
    own = {"number": world.number, "caller": world.caller, "region": world.region, "tier": world.tier}
    value = state.values.get(node.on, own.get(node.on, ""))
    is_number = node.on in {"number", "caller"}
    if node.on == "caller" and not value:
        value = model.WITHHELD
    for place, case in enumerate(node.cases, 1):
        if any(value.startswith(one) if is_number and one else value == one for one in case.values):
            return f"case-{place}"
    return "otherwise"


def _fail(state: State, why: str, before: list[Command] | None = None) -> Turn:
    return replace(state, until=None), [*(before or []), Fail(why)]
