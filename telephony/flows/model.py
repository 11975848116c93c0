"""A flow as JSON: what a caller hears and chooses, node by node, until they wait for a person or have ended.

A node names the nodes it leads to by their keys in `Flow.nodes`; each way out has a name (`ways`), under
which the timeline, the editor and the figures know it. Queues are named by their public ids. `format` is
raised when a document that was right would mean something else. Phones of a flow are kept sealed, beside it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from core.phone import InvalidNumberError, parse_e164

MOST_NODES = 200
LONGEST_TEXT = 1000
KEYS = "1234567890*#"
WITHHELD = "withheld"  # a caller without a number, in a branch on `caller`
MOST_RATING = 9
RATED = "rated-"  # what the ways of ratings begin with
LONGEST_PIN = 8  # as customers.pins has it: then nobody waits for the #

# by which way a node goes on that asks, and is answered by nothing
SILENT_WAY: Mapping[str, str] = {
    "menu": "otherwise",
    "collect": "otherwise",
    "pin": "otherwise",
    "survey": "next",
    "room": "refused",
}


class Admitted(StrEnum):
    """What becomes of a caller who asks to be let into a conference room."""

    MEMBER = "member"
    LEADER = "leader"
    REFUSED = "refused"  # another PIN, or none: the room is closed, or takes nobody for a while
    FULL = "full"
    LOCKED = "locked"  # for all but its leaders, by somebody who is in it or by the company


def _written(phone: object) -> object:
    """Return a phone as it is kept, however somebody has written it; empty stays empty."""
    if not isinstance(phone, str) or not phone.strip():
        return "" if isinstance(phone, str) else phone
    try:
        return parse_e164(phone)
    except InvalidNumberError as error:
        message = "no telephone number with its country code"
        raise ValueError(message) from error


Phone = Annotated[str, BeforeValidator(_written), StringConstraints(max_length=16)]
Target = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#]$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Spoken = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
    ),
]
Spot = Annotated[int, Field(ge=-100_000, le=100_000)]
QueueRef = Annotated[str, StringConstraints(pattern=r"^(que_[0-7][0-9a-hjkmnp-tv-z]{25})?$")]
SoundRef = Annotated[str, StringConstraints(pattern=r"^(snd_[0-7][0-9a-hjkmnp-tv-z]{25})?$")]
RoomRef = Annotated[str, StringConstraints(pattern=r"^(room_[0-7][0-9a-hjkmnp-tv-z]{25})?$")]
Language = Literal["en", "zh"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prompt(_Strict):
    """What is said, in the flow's language or one of its own. Never personal data: the sound is kept."""

    text: Spoken = ""
    language: Language | None = None


class Node(_Strict):
    """What all nodes have: a title for people, and where it stands in the picture."""

    title: Line = ""
    place: tuple[Spot, Spot] | None = None

    WAYS: ClassVar[tuple[str, ...]] = ()  # the fields that name where it leads; it needs each of them

    def ways(self) -> Mapping[str, str]:
        """Return the nodes it leads to, by the name of the way."""
        plain = {name: getattr(self, name) for name in self.WAYS}
        return {name: to for name, to in (self._more_ways() | plain).items() if to is not None}

    def prompts(self) -> tuple[Prompt, ...]:
        """Return what it says."""
        prompt: Prompt | None = getattr(self, "prompt", None)
        return (prompt,) if prompt is not None else ()

    def queues(self) -> tuple[str, ...]:
        """Return the queues it names."""
        queue: str | None = getattr(self, "queue", None)
        return (queue,) if queue is not None else ()

    def _more_ways(self) -> dict[str, str | None]:
        return {}


class Say(Node):
    """Speak, and go on."""

    WAYS = ("next",)
    kind: Literal["say"] = "say"
    prompt: Prompt = Prompt()
    next: Target | None = None


class Play(Node):
    """Play a sound the company has uploaded, and go on."""

    WAYS = ("next",)
    kind: Literal["play"] = "play"
    sound: SoundRef = ""
    next: Target | None = None


class Choice(_Strict):
    """Where a key leads, and what it stands for."""

    to: Target | None = None
    label: Line = ""


class Menu(Node):
    """Let the caller choose by a key; `otherwise`: they have not, asked `tries` times."""

    WAYS = ("otherwise",)
    kind: Literal["menu"] = "menu"
    prompt: Prompt = Prompt()
    keys: dict[Key, Choice] = Field(default={}, max_length=len(KEYS))
    timeout_s: int = Field(default=5, ge=1, le=30)
    tries: int = Field(default=3, ge=1, le=5)
    otherwise: Target | None = None

    def _more_ways(self) -> dict[str, str | None]:
        return {f"key-{key}": one.to for key, one in self.keys.items()}


class Collect(Node):
    """Ask for digits and keep them for the rest of the flow, in memory alone."""

    WAYS = ("next", "otherwise")
    kind: Literal["collect"] = "collect"
    prompt: Prompt = Prompt()
    into: Name = "digits"
    least: int = Field(default=1, ge=1, le=20)
    most: int = Field(default=10, ge=1, le=20)
    timeout_s: int = Field(default=8, ge=1, le=30)
    tries: int = Field(default=2, ge=1, le=5)
    next: Target | None = None
    otherwise: Target | None = None


class CheckPin(Node):
    """Ask for the PIN of the customer who calls; `otherwise`: it was not right, asked `tries` times.

    A caller nobody knows, or who has no PIN, is asked like any other: nobody learns whose number it is.
    """

    WAYS = ("right", "otherwise")
    kind: Literal["pin"] = "pin"
    prompt: Prompt = Prompt()
    timeout_s: int = Field(default=8, ge=1, le=30)
    tries: int = Field(default=3, ge=1, le=3)
    right: Target | None = None
    otherwise: Target | None = None


class Survey(Node):
    """Ask for a rating from 1 to `most`, and go on whether one was given or not."""

    WAYS = ("next",)
    kind: Literal["survey"] = "survey"
    prompt: Prompt = Prompt()
    most: int = Field(default=5, ge=2, le=MOST_RATING)
    timeout_s: int = Field(default=6, ge=1, le=30)
    next: Target | None = None

    def _more_ways(self) -> dict[str, str | None]:
        return {f"{RATED}{n}": self.next for n in range(1, self.most + 1)}


class OpeningHours(Node):
    """Go one way while a queue is open, by its hours and holidays, and another while it is closed."""

    WAYS = ("open", "closed")
    kind: Literal["hours"] = "hours"
    queue: QueueRef = ""
    open: Target | None = None
    closed: Target | None = None


class Case(_Strict):
    """Values that lead the same way: of `caller` and `number` beginnings, of all others the whole."""

    values: list[Line] = Field(default=[], max_length=50)
    to: Target | None = None


class Branch(Node):
    """Go where what is known of the call leads.

    `on` is `number` (the one dialled), `caller`, `region`, `tier`, or a name that `collect`, `set` or
    `webhook` has given a value.
    """

    WAYS = ("otherwise",)
    kind: Literal["branch"] = "branch"
    on: Name = "caller"
    cases: list[Case] = Field(default=[], max_length=20)
    otherwise: Target | None = None

    def _more_ways(self) -> dict[str, str | None]:
        return {f"case-{n}": one.to for n, one in enumerate(self.cases, 1)}


class LookUp(Node):
    """Find the customer by the number calling; their tier is known from then on."""

    WAYS = ("found", "otherwise")
    kind: Literal["lookup"] = "lookup"
    found: Target | None = None
    otherwise: Target | None = None


class SetValue(Node):
    """Give a name a value."""

    WAYS = ("next",)
    kind: Literal["set"] = "set"
    name: Name = "value"
    value: Line = ""
    next: Target | None = None


class Webhook(Node):
    """Ask a program of the company; its answer may be branched on. `otherwise`: none within two seconds."""

    WAYS = ("next", "otherwise")
    kind: Literal["webhook"] = "webhook"
    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://[^\s]+)?$")] = ""
    send: list[Name] = Field(default=[], max_length=10)
    next: Target | None = None
    otherwise: Target | None = None


class Announce(Node):
    """Say how many callers wait in a queue, and how long the wait is likely to be."""

    WAYS = ("next",)
    kind: Literal["announce"] = "announce"
    queue: QueueRef = ""
    next: Target | None = None


class CallBack(Node):
    """Promise the caller a call from a queue, in which they keep their place though they hang up.

    `otherwise`: their number is withheld, or nothing can be promised.
    """

    WAYS = ("next", "otherwise")
    kind: Literal["callback"] = "callback"
    queue: QueueRef = ""
    next: Target | None = None
    otherwise: Target | None = None


class Voicemail(Node):
    """Say what to do, that it is recorded, and record until the caller hangs up, presses # or time is up."""

    kind: Literal["voicemail"] = "voicemail"
    prompt: Prompt = Prompt()
    longest_s: int = Field(default=120, ge=10, le=300)


class ToPerson(Node):
    """Ring one agent, whom it names by the number callers hear; `otherwise`: they are not free now.

    A caller whom they let ring waits at the head of `queue`.
    """

    WAYS = ("otherwise",)
    kind: Literal["person"] = "person"
    agent: int | None = Field(default=None, ge=1, le=999_999)
    queue: QueueRef = ""
    otherwise: Target | None = None


class ToNumber(Node):
    """Call a number outside and give it the caller; if it is not reached the flow goes on.

    `otherwise`: it was not called at all, refused the call, or is nobody's. The way there is a call out of
    the company's own, charged beside the call in; who reaches it does not come back.
    """

    WAYS = ("no_answer", "busy", "otherwise")
    kind: Literal["outside"] = "outside"
    phone: Phone = ""
    ring_s: int = Field(default=30, ge=15, le=60)
    no_answer: Target | None = None
    busy: Target | None = None
    otherwise: Target | None = None


class ToRoom(Node):
    """Ask for the PIN of a conference room, and put the caller into it: the flow ends there.

    `refused`: it was not right, asked `tries` times. `full`: as many are in it as may be, or it
    is locked.
    """

    WAYS = ("refused", "full")
    kind: Literal["room"] = "room"
    room: RoomRef = ""
    prompt: Prompt = Prompt()
    timeout_s: int = Field(default=8, ge=1, le=30)
    tries: int = Field(default=3, ge=1, le=3)
    refused: Target | None = None
    full: Target | None = None


class ToQueue(Node):
    """Let the caller wait in a queue: the flow ends here, unless they choose otherwise while they wait.

    A key of `keys` takes them out of the queue and on through the flow. `prompt` tells them which there are,
    after their place and the likely wait if it `announces`: when they begin to wait, and every `every_s`.
    """

    kind: Literal["queue"] = "queue"
    queue: QueueRef = ""
    prompt: Prompt = Prompt()
    keys: dict[Key, Choice] = Field(default={}, max_length=len(KEYS))
    announces: bool = False
    every_s: int = Field(default=60, ge=20, le=600)

    @property
    def tells(self) -> bool:
        """Whether those who wait are told anything."""
        return self.announces or bool(self.prompt.text)

    def _more_ways(self) -> dict[str, str | None]:
        return {f"key-{key}": one.to for key, one in self.keys.items()}


class HangUp(Node):
    """Say goodbye, if there is something to say, and end the call."""

    kind: Literal["hang-up"] = "hang-up"
    prompt: Prompt = Prompt()


AnyNode = Annotated[
    Say
    | Play
    | Menu
    | Collect
    | CheckPin
    | Survey
    | OpeningHours
    | Branch
    | LookUp
    | SetValue
    | Webhook
    | Announce
    | CallBack
    | Voicemail
    | ToPerson
    | ToNumber
    | ToRoom
    | ToQueue
    | HangUp,
    Field(discriminator="kind"),
]


class Flow(_Strict):
    """A whole flow. A half-written one is a Flow too: `lint` says what it lacks."""

    format: Literal[1] = 1
    language: Language = "en"
    start: Target = "start"
    nodes: dict[Target, AnyNode] = Field(default={}, max_length=MOST_NODES)

    def queues(self) -> frozenset[str]:
        """Return the public ids of all queues it names."""
        return frozenset(ref for node in self.nodes.values() for ref in node.queues() if ref)

    def sounds(self) -> frozenset[str]:
        """Return the public ids of all uploaded sounds it plays."""
        return frozenset(node.sound for node in self.nodes.values() if isinstance(node, Play) and node.sound)

    def rooms(self) -> frozenset[str]:
        """Return the public ids of all conference rooms it leads into."""
        return frozenset(node.room for node in self.nodes.values() if isinstance(node, ToRoom) and node.room)

    def phones(self) -> dict[str, str]:
        """Return the phones it calls, by their nodes."""
        return {key: one.phone for key, one in self.nodes.items() if isinstance(one, ToNumber) and one.phone}

    def with_phones(self, phones: Mapping[str, str]) -> "Flow":
        """Return it with these phones and no other, by their nodes; none: as it is kept in the clear."""
        nodes = {
            key: one.model_copy(update={"phone": phones.get(key, "")}) if isinstance(one, ToNumber) else one
            for key, one in self.nodes.items()
        }
        return self.model_copy(update={"nodes": nodes})
