"""Calls that nothing moves on: the switch has not told that a prompt is over, or that a phone rings no more.

Each phase that waits for a machine is left within its time, which is longer than what it waits for can take:
then the call goes on as if that had come. Phases that wait for people end with them, after the longest wait a
queue allows, or when the call has lasted as long as it may. A flow, the question after a call and a caller
whose agent's line broke have watchdogs of their own. While the switch is away nothing is presumed: when it is
back it tells what lives.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

from core import clock, log
from core.ids import CallId
from telephony.calls import Stage
from telephony.conductor import facts
from telephony.conductor.facts import Fact
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Lost, Phase
from telephony.flows.interpreter import LONGEST_AWAY, LONGEST_PROMPT
from telephony.switch import port

AFTER_THE_RING: Final = dt.timedelta(seconds=10)
"""So much longer than a phone rings, by which time the switch has said long ago that it does not."""
_ANSWERED: Final = dt.timedelta(seconds=30)  # to say a few words, to listen for a machine, to ask the gate
_CHOSEN: Final = dt.timedelta(seconds=5)
_log = log.get(__name__)

_Presumed = Callable[[LiveCall, dt.datetime], Fact]


def _said(call: LiveCall, at: dt.datetime) -> Fact:
    """What the caller, or who was called, is told has been said; who has been told cannot be put through."""
    if call.leads_out and call.is_noticed:
        return facts.AgentGone(at, port.Cause.INTERWORKING)
    return facts.AnnouncementEnded(at)


BY_MACHINES: Final[Mapping[Phase, tuple[dt.timedelta, _Presumed]]] = {
    Phase.GREETING: (LONGEST_PROMPT, lambda _call, at: facts.GreetingEnded(at)),
    Phase.TURNED_AWAY: (LONGEST_PROMPT, lambda _call, at: facts.ApologyEnded(at)),
    Phase.APOLOGISING: (LONGEST_PROMPT, lambda _call, at: facts.ApologyEnded(at)),
    Phase.FORWARDING: (_ANSWERED, lambda _call, at: facts.NotForwarded(at, "failed")),
    Phase.DIALLING: (LONGEST_AWAY, lambda _call, at: facts.CallerGone(at, port.Cause.NO_ANSWER)),
    Phase.RINGING: (LONGEST_AWAY, lambda _call, at: facts.CallerGone(at, port.Cause.NO_ANSWER)),
    Phase.DETECTING: (_ANSWERED, lambda _call, at: facts.Heard(at, is_machine=False)),
    Phase.SEEKING: (_CHOSEN, lambda _call, at: facts.NobodyFree(at)),
    # again and again: what cannot be joined is tried anew, while both are on the line
    Phase.ANNOUNCING: (_ANSWERED, _said),
}
BY_PEOPLE: Final = frozenset({Phase.QUEUED, Phase.TALKING, Phase.OUTSIDE, Phase.ROOM})
BY_THEMSELVES: Final = frozenset({Phase.FLOW, Phase.SURVEY})
BY_RING: Final = frozenset({Phase.OFFERED, Phase.REACHING})
"""With `BY_MACHINES` and the end, these are all phases."""


class Watchdog:
    """Looks after all calls in progress."""

    def __init__(self, *, live: Live, hands: Hands, feed: Feed) -> None:
        self._live, self._hands, self._feed = live, hands, feed
        self._seen: dict[CallId, tuple[object, dt.datetime]] = {}

    def look(self) -> None:
        """Move calls on that have stood for too long; to be called every second."""
        if not self._live.is_connected:
            self._seen.clear()
            return
        now, seen = clock.now(), dict[CallId, tuple[object, dt.datetime]]()
        for held in list(self._live.calls.values()):
            call = held.call
            stands = (call.phase, call.offer.offer_id if call.offer else None)
            before, since = self._seen.get(call.call_id, (None, now))
            since = since if before == stands else now
            due = overdue(call, since=since, now=now)
            seen[call.call_id] = (stands, now if due else since)
            if due:
                _log.warning("call-stood-still", phase=call.phase.value, for_ms=clock.elapsed_ms(since, now))
                fact, channel = due
                if channel:
                    self._hands.let_go(channel)
                self._feed(call.call_id, fact)
        self._seen = seen


def overdue(call: LiveCall, *, since: dt.datetime, now: dt.datetime) -> tuple[Fact, str] | None:
    """Return what is presumed of a call that stands where it does `since` then, and which leg is let go.

    None: it may go on waiting. The leg is empty where the call's own machine ends what has to end. Pure.
    """
    within = BY_MACHINES.get(call.phase)
    if within:
        patience, presumed = within
        leg = call.channel if call.phase in {Phase.DIALLING, Phase.RINGING} else ""
        return (presumed(call, now), leg) if now - since >= patience else None
    asked = call.consult.offer if call.consult and call.consult.stage is Stage.RINGING else None
    rings = asked or (call.offer if call.phase is Phase.OFFERED else call.outside)
    if call.phase not in BY_RING and asked is None:
        return None
    if isinstance(rings, Offer):
        is_over = now >= rings.expires_at + AFTER_THE_RING
        return (facts.OfferLost(now, rings.offer_id, Lost.NO_ANSWER), "") if is_over else None
    if rings and rings.picked_up_at is None and now >= rings.began_at + LONGEST_AWAY:
        return facts.OutsideGone(now, rings.offer_id, port.Cause.NO_ANSWER), rings.channel
    return None
