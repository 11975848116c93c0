"""A flow tried without a telephone: what a caller hears who presses these keys, and where they get to.

The interpreter is the one that live calls have; prompts end at once, and what it would ask rows or programs
is answered by the scene. Pure.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from telephony.flows import interpreter
from telephony.flows.interpreter import Command, Event, State, World
from telephony.flows.model import Admitted, AnyNode, Flow, ToQueue

MOST_INPUTS: Final = 100
_NEVER: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_ENOUGH: Final = 2000  # events; a flow in which keys lead in a circle has no end of its own


@dataclass(frozen=True, slots=True)
class Scene:
    """Who calls, and what is found out about them.

    Attributes:
        world: what is known when the call comes.
        at: when it comes, aware UTC.
        is_customer: whether a look-up finds them.
        tier: then theirs.
        answers: what programs answer, as names and values; None: nothing.
        knows_pin: whatever they type for a PIN is right, of a conference room too.
        is_person_free: an agent who is asked for by number is there, and free.
        sounds: the names of uploaded sounds, by their public ids.
        has_number: they can be called back; a number that is withheld cannot.
        is_room_full: as many are in every conference room as may be.
        outside: by which way a number outside that is called sends them on; empty: it takes them.
    """

    world: World
    at: dt.datetime
    is_customer: bool = False
    tier: str = ""
    answers: Mapping[str, str] | None = None
    has_number: bool = True
    knows_pin: bool = False
    sounds: Mapping[str, str] = field(default_factory=dict)
    is_person_free: bool = True
    outside: str = ""
    is_room_full: bool = False


class End(StrEnum):
    """How a rehearsal ended."""

    WAITS = "waits"  # for the next key
    QUEUE = "queue"
    SERVED = "served"
    ROOM = "room"
    OUTSIDE = "outside"  # with somebody at a number outside
    FAILED = "failed"


@dataclass(slots=True)
class Passage:
    """A node the caller came by, and what they heard there."""

    node: str
    kind: str
    title: str
    way: str
    heard: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Rehearsal:
    """The whole way; `detail` is the public id of the queue or conference room, or why it failed."""

    passages: list[Passage]
    end: End
    detail: str = ""


def rehearse(flow: Flow, scene: Scene, inputs: Sequence[str]) -> Rehearsal:
    """Let a call go through a flow.

    Args:
        flow: as written; it need not be right.
        scene: who calls.
        inputs: what they press, each time they are asked, or wait: keys, or nothing for silence.
    """
    made = Rehearsal([], End.WAITS)
    given = list(inputs)
    state, commands = interpreter.begin(flow, scene.world, scene.at)
    for _ in range(_ENOUGH):
        answers = _perform(made, flow, commands, scene)
        if made.end is End.QUEUE and given:
            answers = _while_waiting(given.pop(0), flow.nodes.get(state.node), scene.at)
        elif state.is_over or made.end is End.OUTSIDE:
            return made
        elif not answers and state.is_playing:
            answers = [interpreter.Played(scene.at, state.turn)]
        elif not answers and not given:
            return made
        elif not answers:
            answers = _typed(given.pop(0), state)
        commands = []
        for event in answers:
            state, more = interpreter.step(flow, scene.world, state, event)
            commands += more
    return made


def _perform(made: Rehearsal, flow: Flow, commands: Sequence[Command], scene: Scene) -> list[Event]:
    """Note what a caller hears, and answer what is asked."""
    answers: list[Event] = []
    for command in commands:
        match command:
            case interpreter.Enter():
                made.end, made.detail = End.WAITS, ""
                made.passages.append(Passage(command.node, command.kind, command.title, command.way))
            case interpreter.Play(prompt=prompt):
                made.passages[-1].heard.append(prompt.text)
            case interpreter.PlaySound(sound=sound):
                made.passages[-1].heard.append(f"♪ {scene.sounds.get(sound, sound)}")
            case interpreter.FindCustomer(turn=turn):
                values = {"tier": scene.tier} if scene.is_customer else {}
                answers.append(interpreter.Answered(scene.at, turn, found=scene.is_customer, values=values))
            case interpreter.CheckPin(turn=turn):
                answers.append(interpreter.Answered(scene.at, turn, found=scene.knows_pin))
            case interpreter.CheckRoomPin(turn=turn):
                became = Admitted.FULL if scene.is_room_full else Admitted.MEMBER
                answers.append(
                    interpreter.PinOfRoom(scene.at, turn, became if scene.knows_pin else Admitted.REFUSED)
                )
            case interpreter.SeekPerson(turn=turn):
                answers.append(interpreter.Answered(scene.at, turn, found=scene.is_person_free))
            case interpreter.AskProgram(turn=turn):
                answers.append(
                    interpreter.Answered(
                        scene.at, turn, found=scene.answers is not None, values=scene.answers or {}
                    )
                )
            case interpreter.PromiseCall(turn=turn):
                answers.append(interpreter.Answered(scene.at, turn, found=scene.has_number))
            case interpreter.CallOutside() if scene.outside:
                answers.append(interpreter.Onwards(scene.at, scene.outside))
            case interpreter.CallOutside():
                made.end = End.OUTSIDE
            case interpreter.JoinRoom(room=room):
                made.end, made.detail = End.ROOM, room
            case interpreter.Enqueue(queue=queue):
                made.end, made.detail = End.QUEUE, queue
                node = flow.nodes.get(made.passages[-1].node)
                if isinstance(node, ToQueue) and node.prompt.text:
                    made.passages[-1].heard.append(node.prompt.text)
            case interpreter.End():
                made.end = End.SERVED
            case interpreter.Fail(why=why):
                made.end, made.detail = End.FAILED, why
    return answers


def _while_waiting(keys: str, node: AnyNode | None, at: dt.datetime) -> list[Event]:
    """Return what a key does that somebody presses in a queue: nothing, or it takes them out of it."""
    ways = node.ways() if isinstance(node, ToQueue) else {}
    pressed = next((f"key-{key}" for key in keys if f"key-{key}" in ways), None)
    return [interpreter.Onwards(at, pressed)] if pressed else []


def _typed(keys: str, state: State) -> list[Event]:
    """Return keys pressed one after another, and then silence."""
    at = state.until or _NEVER  # who waits has a time limit
    pressed: list[Event] = [interpreter.Pressed(at, key) for key in keys]
    return pressed or [interpreter.TimedOut(at)]
