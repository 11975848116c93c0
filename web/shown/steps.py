"""A call's timeline in words: what the switchboard wrote as it happened, and who looked at what since."""

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext, ngettext

from core.phone import international
from telephony.calls import LEFT_MESSAGE, OUTBOUND, Call, Left, Step
from telephony.hearings import OPENED
from telephony.routing.strategy import Circle
from web.shown import flow_words
from web.shown.calls import agent as agent_name
from web.shown.campaigns import REFUSALS
from web.words import HEARD_FOR

REVEALED = "number-revealed"
PLAYED = "recording-played"
FETCHED = "recording-fetched"
REPORTED = "problem-reported"
_LOOKS = frozenset({REVEALED, OPENED, PLAYED, FETCHED, REPORTED})
_GIVEN_ON = frozenset({"transferred", "sent-outside", "sent-back", "agent-left", "agent-stays-away"})
# what ends the wait of a caller who was given on, or whose agent asked another one
_SILENCE_BEGINS = {
    "transferred": "transferred",
    "sent-outside": "transferred",
    "forwarded": "transferred",
    "sent-back": "transferred",
    "consulted": "consulted",
    "outside-asked": "consulted",
}
_SILENCES = {
    "bridged": "transferred",
    "swapped": "consulted",
    "merged": "consulted",
    "agent-left": "consulted",
    "consult-ended": "consulted",
    "asked-gone": "consulted",
    "outside-gone": "consulted",
    "offer-lost": "consulted",
}
_OF_ASKED = frozenset({"agent-ringing", "agent-answered", "offer-lost"})
_START, _WARN, _END, _PLAIN = "f", "w", "x", ""


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the story; `mark` is the dot's kind, `length_s` how long it lasted."""

    at: dt.datetime
    text: str
    mark: str
    length_s: float | None


def lookers(happened: Iterable[Step]) -> set[UUID]:
    """Return the users whose names the story needs."""
    return {UUID(step.details["by"]) for step in happened if step.kind in _LOOKS}


def story(happened: Sequence[Step], *, call: Call, people: Mapping[UUID, str]) -> list[Moment]:
    """Return the timeline in the reader's language, in order of time."""
    told: list[Moment] = []
    offered = asked = ""
    is_reaching = False  # a number outside is called for a caller whom nobody talks to
    is_forwarded = False  # and that number is the phone to which the number dialled forwards
    is_by_flow = False  # or the one its flow gives callers to
    is_asking = False  # a second agent has been asked, and is in it or rings
    of_call = [step for step in happened if step.kind not in _LOOKS]
    following = {id(step): later.at for step, later in itertools.pairwise(of_call)}
    for step in happened:
        if step.kind in _LOOKS:
            by_agent = agent_name(step.details.get("agent"))
            name = by_agent or people.get(UUID(step.details["by"]), gettext("An API key"))
            mark = _WARN if step.kind == REPORTED else _PLAIN
            told.append(Moment(step.at, _look(step, name), mark, None))
            continue
        if step.kind in {"offered", "dialled"} or (step.kind == "transferred" and step.details.get("agent")):
            offered = agent_name(step.details.get("agent"))
        if step.kind == "consulted":
            asked = agent_name(step.details.get("agent"))
        if step.kind == "outside-asked":
            asked = gettext("The number outside")
        if step.kind in {"consulted", "agent-left", "consult-ended", "asked-gone", "transferred"}:
            is_asking = step.kind == "consulted"
        elif is_asking and step.kind in _OF_ASKED:
            is_asking = step.kind != "offer-lost"
            text, mark = _asked_words(step, asked)
            told.append(Moment(step.at, text, mark, None))
            continue
        text, mark = _words(step, call, offered)
        if step.kind == "greeting-ended" and any(one.kind == "forwards" for one in happened):
            text = gettext("Greeting ends")
        is_by_flow = is_by_flow or step.kind == "flow-led-outside"
        if is_by_flow and step.kind in {"forwarded", "not-forwarded"}:
            text = _by_flow(step)
        if step.kind == "outside-gone" and is_reaching and is_by_flow:
            text = gettext("Not reached outside: %(how)s; the flow goes on", how=_outside(step))
        elif step.kind == "outside-gone" and is_reaching:
            text = (
                gettext("Your own phone was not reached: %(how)s", how=_outside(step))
                if is_forwarded
                else gettext(
                    "Not reached outside: %(how)s; back to the head of the queue", how=_outside(step)
                )
            )
        if step.kind in {"forwarded", "sent-outside"}:
            is_forwarded = step.kind == "forwarded"
        if step.kind in {"sent-outside", "forwarded", "outside-answered", "outside-gone"}:
            is_reaching = step.kind in {"sent-outside", "forwarded"}
        if step.kind == "agent-left":
            text, offered = gettext("The agent leaves; %(agent)s has the call", agent=asked), asked
        until = following.get(id(step))
        if step.kind == "bridged":
            given = (one.at for one in of_call if one.kind in _GIVEN_ON and one.at > step.at)
            until = next(given, call.talk_ended_at or call.ended_at)
        lasted_s = (until - step.at).total_seconds() if until and _lasts(step) else 0.0
        told.append(Moment(step.at, text, mark, lasted_s if lasted_s >= 1 else None))
    return told


def holds(happened: Sequence[Step], *, started_at: dt.datetime, length_s: float) -> list[tuple[float, float]]:
    """Return the stretches without speech, in seconds of a recording that began at `started_at`.

    The caller was on hold, given on or waiting while two agents talked, or the agent kept what was said out
    of the recording.
    """
    found: list[tuple[float, float]] = []
    since: dict[str, float] = {}
    for step in happened:
        at = (step.at - started_at).total_seconds()
        begins = step.kind in _SILENCE_BEGINS
        kind = _SILENCE_BEGINS.get(step.kind) or _SILENCES.get(step.kind, step.kind)
        if kind in {"held", "recording-paused"}:
            begins = bool(step.details.get("on"))
        elif step.kind == "swapped":
            begins = kind not in since  # to the other of the two, and back
        elif kind not in {"transferred", "consulted"}:
            continue
        if begins:
            since.setdefault(kind, at)
        elif kind in since:
            found.append((since.pop(kind), at))
    found.extend((start, length_s) for start in since.values())
    return [(max(0.0, start), min(end, length_s)) for start, end in found if end > 0 and start < length_s]


def _lasts(step: Step) -> bool:
    return step.kind in {
        "arrived",
        "flow-moved",
        "greeting-ended",
        "offered",
        "bridged",
        "called-ringing",
    } or (step.kind in {"held", "recording-paused"} and bool(step.details.get("on")))


def _look(step: Step, name: str) -> str:
    match step.kind:
        case "number-revealed":
            return str(gettext("%(name)s looked at the number", name=name))
        case "recording-opened":
            why = HEARD_FOR.get(str(step.details.get("why")), "")
            return str(gettext("%(name)s opened the recording: %(why)s", name=name, why=why))
        case "recording-played":
            return str(gettext("%(name)s played the recording", name=name))
        case "problem-reported":
            return str(
                gettext(
                    "%(name)s reported a problem: %(what)s (voice %(mos)s of 5, %(loss)s %% lost)",
                    name=name,
                    what=trouble(str(step.details.get("what"))),
                    mos=step.details.get("mos", "?"),
                    loss=step.details.get("loss_percent", "?"),
                )
            )
    return str(gettext("%(name)s fetched the recording", name=name))


def left(how: Left | None) -> str:
    """Return how an agent's part of a call ended, in words."""
    words: dict[Left | None, str] = {
        None: gettext("still in it"),
        Left.TRANSFERRED: gettext("gave it on"),
        Left.LEFT: gettext("handed it over"),
        Left.LINE_LOST: gettext("line lost"),
        Left.ASKED_ONLY: gettext("was asked"),
        Left.NOT_THERE: gettext("was not there"),
        Left.ENDED: gettext("until its end"),
    }
    return words[how]


def trouble(what: str) -> str:
    """Return what can be wrong with a line, in words."""
    words: dict[str, str] = {
        "silent": gettext("I heard nothing"),
        "one-way": gettext("They did not hear me"),
        "choppy": gettext("Choppy or robotic"),
        "echo": gettext("Echo"),
        "noise": gettext("Noise"),
        "dropped": gettext("The call dropped"),
    }
    return words.get(what) or str(gettext("Something else"))


def _asked_words(step: Step, asked: str) -> tuple[str, str]:
    match step.kind:
        case "agent-ringing":
            return gettext("The phone of %(agent)s rings", agent=asked), _PLAIN
        case "agent-answered":
            return gettext("%(agent)s answers; the two agents talk", agent=asked), _START
        case _:
            return gettext("%(agent)s is not there; the agent is with the caller again", agent=asked), _WARN


def _given(step: Step) -> str:
    if number := step.details.get("agent"):
        return str(gettext("Given to %(agent)s; the caller hears music", agent=agent_name(number)))
    return str(gettext("Given to the queue %(queue)s, at its head", queue=step.details.get("queue", "")))


def _place(step: Step) -> str:
    """Return where a caller stands for whom nobody is free."""
    kept = step.details
    ahead = ngettext("%(num)s caller before them", "%(num)s callers before them", kept.get("ahead", 0))
    busy = ngettext("%(num)s agent may take it", "%(num)s agents may take it", kept.get("serving", 0))
    if opened := kept.get("opened", 0):
        busy += ", " + ngettext(
            "%(num)s of them on a seat kept for others’ calls, which opened after this wait",
            "%(num)s of them on seats kept for others’ calls, which opened after this wait",
            opened,
        )
    if others := kept.get("kept", 0):
        busy += "; " + ngettext(
            "%(num)s more is kept for others’ calls", "%(num)s more are kept for others’ calls", others
        )
    reach = _reach(kept.get("circle"))
    if tier := kept.get("tier"):
        return str(
            gettext(
                "tier %(tier)s, %(reach)s; %(ahead)s; %(busy)s",
                tier=tier,
                reach=reach,
                ahead=ahead,
                busy=busy,
            )
        )
    return str(gettext("%(reach)s; %(ahead)s; %(busy)s", reach=reach, ahead=ahead, busy=busy))


def _reach(circle: object) -> str:
    words = {
        Circle.HOME: gettext("own region"),
        Circle.QUEUE: gettext("whole queue"),
        Circle.NEXT_HOME: gettext("helping queues in the region"),
        Circle.NEXT: gettext("helping queues everywhere"),
    }
    return str(words.get(Circle(circle), "")) if isinstance(circle, int) else ""


def _because(step: Step) -> str:
    """Return why this agent was chosen, where the rules chose one."""
    kept = step.details
    if "able" not in kept:
        return ""
    if kept.get("last_agent"):
        return str(gettext(" (served them last time)"))
    reason = ngettext(
        " (%(reach)s, level %(level)s, idle for %(idle)s s; %(num)s agent was free)",
        " (%(reach)s, level %(level)s, idle for %(idle)s s; %(num)s agents were free)",
        kept["able"],
        reach=_reach(kept["circle"]),
        level=kept["level"],
        idle=round(kept["idle_ms"] / 1000),
    )
    if kept.get("kept"):
        reason += gettext(" – their seat is kept for such calls")
    if kept.get("opened"):
        reason += gettext(" – their seat is kept for others’ calls, and opened after this wait")
    return str(reason)


def _words(step: Step, call: Call, offered: str) -> tuple[str, str]:
    is_out = call.direction == OUTBOUND
    match step.kind:
        case "dialled":
            return gettext("Calls out, showing %(number)s", number=international(call.dialled)), _START
        case "called-ringing":
            return gettext("It rings there"), _PLAIN
        case "picked-up":
            return gettext("Somebody picks up"), _START
        case "heard" if step.details.get("machine"):
            return gettext("It is an answering machine; hung up"), _END
        case "heard":
            return gettext("It is a person"), _PLAIN
        case "agent-stays-away":
            return gettext("The agent does not come back; the caller goes to the head of the queue"), _WARN
        case "given-up":
            return gettext("The agent waits no longer"), _END
        case "nobody-free":
            return gettext("No other agent is free"), _WARN
        case "not-placed":
            return gettext("The call could not be placed"), _END
        case "apology-ended" if is_out:
            return gettext("They have heard who called; hung up"), _END
        case "announcement-ended" if is_out:
            return gettext("They have heard that they are recorded"), _PLAIN
        case "offer-lost" if is_out:
            return gettext("%(agent)s is not there in time", agent=offered or gettext("The agent")), _WARN
        case "caller-gone" if is_out:
            return _not_there(step), _END
        case "arrived":
            return gettext("Call arrives on %(number)s", number=international(call.dialled)), _START
        case "flow-entered" if tier := step.details.get("tier"):
            return gettext(
                "Enters the flow of tier %(tier)s, version %(version)s",
                tier=tier,
                version=step.details.get("version"),
            ), _PLAIN
        case "tier-flow-missing":
            return gettext(
                "The flow of tier %(tier)s cannot be read; on by the number’s own way",
                tier=step.details.get("tier", ""),
            ), _WARN
        case "tier-unknown":
            return gettext("Who calls was not known in time; on by the number’s own way"), _WARN
        case "flow-entered":
            return gettext(
                "Enters the flow, version %(version)s", version=step.details.get("version")
            ), _PLAIN
        case "flow-moved":
            return _node(step), _PLAIN
        case "flow-led":
            return gettext("The flow leads to %(queue)s", queue=step.details.get("queue", "")), _START
        case "room-joined" if step.details.get("leader"):
            return gettext("In %(room)s, as a leader", room=step.details.get("name", "")), _START
        case "room-joined":
            return gettext("In %(room)s", room=step.details.get("name", "")), _START
        case "sent-out-of-room":
            return gettext("Somebody of the company sends them out of the room"), _END
        case "room-was-locked":
            return gettext("%(room)s is locked: not let in", room=step.details.get("name", "")), _WARN
        case "muted-in-room":
            return _muted(step), _PLAIN
        case "room-locked":
            return (
                gettext("The room is locked: only leaders get in")
                if step.details.get("on")
                else gettext("The room is open again")
            ), _PLAIN
        case "room-left":
            return gettext("Out of %(room)s", room=step.details.get("name", "")), _END
        case "wait-left":
            pressed = str(step.details.get("way", "")).removeprefix("key-")
            return gettext("Waits no longer: pressed %(key)s", key=pressed), _START
        case "message-began":
            return gettext("The caller leaves a message"), _START
        case "flow-served" if call.cause == LEFT_MESSAGE:
            return gettext("The message is complete"), _END
        case "flow-served":
            return gettext("The flow ends the call: nobody was needed"), _END
        case "flow-failed":
            return gettext("The flow could not go on; on to the number’s own queue"), _WARN
        case "greeting-ended":
            return gettext("Greeting ends; waits in %(queue)s", queue=call.queue_name), _PLAIN
        case "offered":
            return gettext("Goes to %(agent)s", agent=offered) + _because(step), _PLAIN
        case "waits":
            return _place(step), _WARN
        case "widened":
            return gettext("May go further: %(place)s", place=_place(step)), _PLAIN
        case "agent-ringing":
            return gettext("The agent’s phone rings"), _PLAIN
        case "agent-answered":
            return gettext("%(agent)s answers", agent=offered), _START
        case "announcement-ended":
            return gettext("The caller has heard the agent’s number"), _PLAIN
        case "recording-decided" if step.details.get("recorded"):
            return (
                gettext("To be recorded, and the caller is told")
                if step.details.get("told")
                else gettext("To be recorded")
            ), _PLAIN
        case "recording-decided":
            return gettext("Not to be recorded: the queue records a part of its calls"), _PLAIN
        case "bridged" if step.details.get("recorded"):
            return gettext("Both hear each other; recording begins"), _START
        case "bridged":
            return gettext("Both hear each other"), _START
        case "held" if step.details.get("on"):
            return gettext("On hold"), _WARN
        case "held":
            return gettext("Off hold"), _PLAIN
        case "recording-paused" if step.details.get("on"):
            return gettext("Recording paused: card details"), _WARN
        case "recording-paused":
            return gettext("Recording goes on"), _PLAIN
        case "recording-stopped" if step.details.get("for_outside"):
            return gettext("Recording ends: whoever joins from outside was not told of it"), _PLAIN
        case "recording-stopped" if step.details.get("by_rule"):
            return gettext("Recording ends: this queue records nothing"), _PLAIN
        case "recording-stopped":
            return gettext("Recording ended early: it could not be paused"), _WARN
        case "transferred":
            return _given(step), _START
        case "consulted":
            whom = agent_name(step.details.get("agent"))
            return gettext("The agent asks %(agent)s; the caller hears music", agent=whom), _WARN
        case "sent-outside":
            return gettext("Given to a number outside, which is called; the caller hears music"), _START
        case "flow-led-outside":
            return gettext("The flow gives the caller to a number outside"), _START
        case "forwards" if step.details.get("closed"):
            return gettext("The queue is closed: the number forwards to your own phone"), _PLAIN
        case "forwards":
            return gettext("The number forwards to your own phone"), _PLAIN
        case "forwarded":
            return gettext("Your own phone is called; the caller hears music"), _START
        case "not-forwarded":
            return gettext("Not forwarded: %(why)s", why=_not_forwarded(step)), _WARN
        case "outside-asked":
            return gettext("The agent asks a number outside; the caller hears music"), _WARN
        case "outside-answered":
            return gettext("Somebody picks up at the number outside"), _START
        case "outside-gone":
            return gettext("The number outside: %(how)s", how=_outside(step)), _WARN
        case "offer-lost" if step.details.get("why") == "not-called":
            why = REFUSALS.get(str(step.details.get("gate")), gettext("it could not be called"))
            return gettext("The telephone of %(agent)s is not called: %(why)s", agent=offered, why=why), _WARN
        case "telephone-called":
            return gettext("The telephone of %(agent)s is called", agent=offered), _PLAIN
        case "telephone-picked-up":
            return gettext("It is picked up there; a key has to be pressed"), _PLAIN
        case "telephone-gone":
            return gettext("The telephone of the agent: %(how)s", how=_outside(step)), _PLAIN
        case "sent-back":
            return (
                gettext(
                    "Back to an entry: greeting, then queue %(queue)s", queue=step.details.get("queue", "")
                ),
                _START,
            )
        case "swapped":
            return gettext("The agent talks to the other of the two"), _PLAIN
        case "merged":
            return gettext("All three hear each other"), _START
        case "asked-gone":
            return gettext("The agent who was asked leaves"), _PLAIN
        case "consult-ended":
            return gettext("The agent is with the caller again"), _PLAIN
        case "ended-for-all":
            return gettext("The agent ends the call for everybody"), _END
        case "moved":
            return gettext(
                "A team leader moves the caller to “%(queue)s”", queue=step.details.get("queue", "")
            ), _PLAIN
        case "overheard":
            return _overheard(step), _WARN
        case "overheard-no-more":
            return gettext(
                "Team leader %(leader)s leaves the call", leader=step.details.get("leader", "")
            ), _PLAIN
        case "leg-lost":
            return gettext("The agent’s line breaks; the caller hears music"), _WARN
        case "rejoined":
            return gettext("The agent is back"), _PLAIN
        case "offer-lost":
            return _lost(step, offered), _WARN
        case "caller-gone":
            return gettext("The caller hangs up"), _END
        case "ends-soon":
            return gettext("The call is as long as a call may be; its agent is told"), _WARN
        case "cut" if step.details.get("cause") == "too-long":
            return gettext("Ended: a call may not be longer"), _END
        case "cut" if step.details.get("cause") == "not-paid":
            return gettext("Ended: what is paid for is over, and nothing is left in the wallet"), _END
        case "cut":
            return gettext("Ended: calls out were stopped"), _END
        case "outside-hours":
            return gettext("The queue is closed: the caller hears so, and the call ends"), _END
        case "no-room":
            return _no_room(step), _END
        case "not-paid":
            told = gettext("Nothing is left in the wallet: the caller hears that the call cannot be taken")
            return told, _END
        case "not-recorded":
            return gettext("Not recorded: the switch is nearly full"), _WARN
        case "no-music":
            return gettext("No music: the switch is nearly full"), _WARN
        case "waited-too-long":
            return gettext("The caller has waited as long as they may: they hear that nobody is free"), _END
        case "apology-ended":
            return gettext("The message has been played"), _PLAIN
        case "agent-gone" if step.details.get("survey"):
            return gettext(
                "The agent hangs up; the caller is asked for a rating from 1 to %(most)s",
                most=step.details["survey"],
            ), _PLAIN
        case "agent-gone":
            return gettext("The agent hangs up"), _END
        case "survey-answered":
            return gettext("The caller rates: %(rating)s", rating=step.details.get("rating", "")), _START
        case "survey-ended":
            return _asked_no_more(step), _END
        case "no-survey":
            return gettext("Not asked for a rating: the switch is nearly full"), _WARN
        case "vanished":
            return gettext("The line is lost; billed up to the last proven second"), _END
        case other:
            return other, _PLAIN


def _node(step: Step) -> str:
    """Return which node of its flow a call came to, and by which key or answer."""
    kept = step.details
    kind, way = str(kept.get("kind", "")), str(kept.get("way", ""))
    name = str(kept.get("title") or kept.get("node", ""))
    node = gettext("%(kind)s: %(name)s", kind=flow_words.kind(kind), name=name)
    return str(gettext("%(way)s → %(node)s", way=flow_words.way(way), node=node) if way else node)


def _asked_no_more(step: Step) -> str:
    match step.details.get("why"):
        case "answered":
            return str(gettext("The caller is thanked, and the call ends"))
        case "silent":
            return str(gettext("The caller has pressed nothing, and the call ends"))
        case "not-said":
            return str(gettext("The question could not be played, and the call ends"))
        case _:
            return str(gettext("The switch or the switchboard was away, and the call ends"))


def _overheard(step: Step) -> str:
    leader = step.details.get("leader", "")
    match step.details.get("ear"):
        case "whisper":
            return str(gettext("Team leader %(leader)s whispers to the agent", leader=leader))
        case "barge":
            return str(gettext("Team leader %(leader)s joins the call; everybody hears them", leader=leader))
        case _:
            return str(gettext("Team leader %(leader)s listens", leader=leader))


def _not_there(step: Step) -> str:
    match step.details.get("cause"):
        case 17:
            return str(gettext("Busy"))
        case 18 | 19:
            return str(gettext("Nobody answers"))
        case 1 | 22 | 28:
            return str(gettext("Nobody has this number"))
        case 21:
            return str(gettext("The call is refused there"))
        case _:
            return str(gettext("The called party hangs up"))


def _by_flow(step: Step) -> str:
    """Say what became of a number outside that a flow gives the caller to, before it rings."""
    if step.kind == "forwarded":
        return str(gettext("The number outside is called; the caller hears music"))
    return str(gettext("The number outside is not called: %(why)s", why=_not_forwarded(step)))


def _not_forwarded(step: Step) -> str:
    why = str(step.details.get("why", ""))
    if why == "own-number":
        return str(gettext("the call would come back in here"))
    return str(REFUSALS.get(why, gettext("it could not be called")))


def _outside(step: Step) -> str:
    match step.details.get("cause"):
        case 17:
            return str(gettext("busy"))
        case 18 | 19:
            return str(gettext("nobody answers"))
        case 1 | 22 | 28:
            return str(gettext("nobody has it"))
        case 21:
            return str(gettext("refused there"))
        case 16:
            return str(gettext("hung up"))
        case _:
            return str(gettext("not put through, or lost"))


def _lost(step: Step, offered: str) -> str:
    match step.details.get("why"):
        case "declined":
            return str(gettext("%(agent)s declines; back to the head of the queue", agent=offered))
        case "no-answer":
            return str(gettext("%(agent)s does not answer; back to the head of the queue", agent=offered))
        case _:
            return str(gettext("%(agent)s cannot be reached; back to the head of the queue", agent=offered))


def _muted(step: Step) -> str:
    is_own, on = bool(step.details.get("own")), bool(step.details.get("on"))
    words = {
        (True, True): gettext("Mutes themselves in the room"),
        (True, False): gettext("Is heard in the room again"),
        (False, True): gettext("Somebody of the company mutes them in the room"),
        (False, False): gettext("Somebody of the company lets the room hear them again"),
    }
    return str(words[is_own, on])


def _no_room(step: Step) -> str:
    if step.details.get("whose") == "switch":
        said = gettext("The switch is full: the call is refused")
    elif step.details.get("whose") == "trunk":
        said = gettext("All channels of the trunk are taken: the call is refused")
    elif step.details.get("spoken"):
        said = gettext("All lines of the company are busy: the caller hears so, and the call ends")
    else:
        said = gettext("All lines of the company are busy: the caller hears the busy tone")
    return str(said)
