"""A call in progress, and the parts its agents and numbers outside have of it."""

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Final

from core.ids import CallId, OfferId, RecordingId
from telephony.calls import Arrival, Left, Leg, Stage
from telephony.conductor.parties import Consult, Dial, InFlow, InRoom, Offer, Outside
from telephony.conductor.phases import Cause, Phase
from telephony.events import DialOutcome

BRIDGES: Final = ("br-", "ask-")
"""What the names of a call's bridges begin with: its own, and that of two agents without the caller."""
_HANDED_OVER = frozenset({Left.TRANSFERRED, Left.LEFT, Left.LINE_LOST})


@dataclass(slots=True)
class LiveCall:
    """A call in progress. Only `step` changes it, `transfer.step`, and `outgoing.step` one that goes out.

    One that goes out has a `dial`.
    """

    arrival: Arrival
    channel: str
    phase: Phase = Phase.GREETING
    offer: Offer | None = None
    recording_id: RecordingId | None = None
    queued_at: dt.datetime | None = None
    offers: int = 0
    is_held: bool = False
    is_parked: bool = False  # its agent's line broke, and may come back
    is_paused: bool = False  # its recording
    has_stopped: bool = False  # its recording, before its end
    ends_soon: bool = False  # its agent has been told that it is the longest it may be
    position: int = 0  # of the last timeline entry
    instants: dict[str, dt.datetime] = field(default_factory=dict)  # all that was marked
    cause: Cause | None = None
    ended_at: dt.datetime | None = None
    proven_at: dt.datetime = field(default=dt.datetime.min.replace(tzinfo=dt.UTC))
    dial: Dial | None = None
    due_at: dt.datetime | None = None  # until then an agent must be there for whoever picked up
    is_noticed: bool = False  # the called person knows what they have to know before they talk
    outcome: DialOutcome | None = None
    legs: list[Leg] = field(default_factory=list)  # of everybody who has talked in it, or was asked
    consult: Consult | None = None
    flow: InFlow | None = None
    outsides: list[Outside] = field(default_factory=list)  # all numbers outside that were brought in
    telephones: list[Outside] = field(
        default_factory=list
    )  # all telephones of agents that were called for it
    given_to: OfferId | None = None  # the offer to the agent whom another gave it to, until that is over
    forwards: bool = False  # to the client's own phone, or by its flow, until that was not reached
    is_closed: bool = False  # and nobody waits for them otherwise: the queue is closed
    talked_until: dt.datetime | None = None  # its agent hung up then, and its caller is asked for a rating
    survey_most: int = 0  # from 1 to so many
    rating: int = 0  # what they gave
    room: InRoom | None = None  # the conference room it is, or was, in
    was_moved: bool = False  # by a team leader: it waits where they put it, whatever its caller's tier says

    @property
    def outside(self) -> Outside | None:
        """Return the number outside that is called, or in the call, now."""
        return next((one for one in self.outsides if one.ended_at is None), None)

    @property
    def telephone(self) -> Outside | None:
        """Return the telephone of the agent who has the call, or is offered it, until it is gone."""
        mine = self.offer.offer_id if self.offer else None
        return next((one for one in self.telephones if one.offer_id == mine and one.ended_at is None), None)

    @property
    def lines_out(self) -> int:
        """Return how many lines to the network it has beside its caller's: a number outside, telephones."""
        return sum(one.ended_at is None for one in (*self.outsides, *self.telephones))

    @property
    def is_in_flow(self) -> bool:
        """Whether its flow goes on when a number outside is not reached."""
        return self.flow is not None and self.flow.outcome is None

    @property
    def asked(self) -> Offer | None:
        """Return the offer of the second agent who is asked about the call."""
        return self.consult.offer if self.consult and isinstance(self.consult.offer, Offer) else None

    @property
    def is_shared(self) -> bool:
        """Whether more than one agent, or a number outside, has had to do with it."""
        return len(self.legs) > 1 or any(leg.is_over or leg.agent_id is None for leg in self.legs)

    @property
    def leads_out(self) -> bool:
        """Whether it goes out and its first agent still has it; given on, it is a conversation like any."""
        return self.dial is not None and not any(leg.how in _HANDED_OVER for leg in self.legs)

    def offer_of(self, offer_id: OfferId) -> Offer | None:
        """Return the offer of this id: of the agent who has the call, or of the one asked about it."""
        return next((one for one in (self.offer, self.asked) if one and one.offer_id == offer_id), None)

    @property
    def call_id(self) -> CallId:
        """Return the call's id."""
        return self.arrival.call_id

    @property
    def bridge(self) -> str:
        """Return the name of the call's bridge on the switch."""
        return f"{BRIDGES[0]}{self.call_id}"

    @property
    def side_bridge(self) -> str:
        """Return the name of the bridge in which two agents talk without the caller."""
        return f"{BRIDGES[1]}{self.call_id}"


def leg_of(call: LiveCall, offer: Offer, at: dt.datetime, stage: Stage = Stage.TALKING) -> Leg:
    """Return the part of the call that an agent begins."""
    return Leg(
        leg_id=offer.offer_id,
        queue_id=call.arrival.queue_id,
        agent_id=offer.agent_id,
        agent_number=offer.agent_number,
        seat_id=offer.seat_id,
        seat_label=offer.seat_label,
        joined_at=at,
        stage=stage,
    )


def end_leg(call: LiveCall, offer: Offer | Outside, at: dt.datetime, how: Left) -> None:
    """End the part an agent, or a number outside, had of the call."""
    call.legs = [
        replace(leg, left_at=max(at, leg.joined_at), how=how, stage=Stage.OVER)
        if leg.leg_id == offer.offer_id and not leg.is_over
        else leg
        for leg in call.legs
    ]


def end_telephones(call: LiveCall, at: dt.datetime, cause: Cause, of: OfferId | None = None) -> None:
    """End the calls to agents' telephones that go on: all, or that `of` one offer.

    One nobody picked up was given up, unless it is known better.
    """
    call.telephones = [
        one
        if one.ended_at or of not in {None, one.offer_id}
        else replace(one, ended_at=max(at, one.picked_up_at or one.began_at), cause=cause)
        for one in call.telephones
    ]


def end_outside(call: LiveCall, at: dt.datetime, cause: Cause) -> None:
    """End the call to the number outside, if there is one."""
    call.outsides = [
        one if one.ended_at else replace(one, ended_at=max(at, one.picked_up_at or one.began_at), cause=cause)
        for one in call.outsides
    ]
