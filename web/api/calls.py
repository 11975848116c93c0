"""Calls: list, one with its story and what it cost, and its recording."""

import datetime as dt
from typing import Any, Literal

from flask import Response
from pydantic import Field

from billing import charges, invoices
from core import ids
from core.ids import CallId, CustomerId, QueueId
from core.phone import E164, mask, parse_e164
from customers import reveals
from telephony import calls
from telephony import recording as recordings
from telephony.calls import Call, Filter
from telephony.hearings import HeardFor
from telephony.routing import trail
from telephony.routing.trail import Entry, Through
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery, Phone, Text
from web.guards import permission
from web.shown import audio, steps

_LIST, _SEARCH = "calls", "calls-search"
_HIGHEST_AGENT = 10**9


class Queue(Outward):
    """The queue a call waited in."""

    id: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str


class Charge(Outward):
    """What a call has cost so far, exactly; rounding happens once, on the invoice line."""

    nano: int = Field(description="Billionths of the major unit: 22500000 is 0.0225.", examples=[22500000])
    currency: str = Field(examples=["GBP"])
    waiting: int = Field(description="Parts of the call that have no price yet.", examples=[0])


class CallRating(Outward):
    """What the caller rated when the agent had hung up."""

    asked_at: Instant = Field(description="When the agent hung up: the talk, and what it costs, ended then.")
    best: int = Field(description="The best rating; 1 is the worst.", examples=[5])
    rating: int | None = Field(description="Null: they gave none.", examples=[4])


class CallShown(Outward):
    """One call."""

    id: str = Field(examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    direction: str = Field(description="`inbound` or `outbound`.", examples=["inbound"])
    state: str = Field(examples=["ended"])
    number: str = Field(
        description="Your number in E.164: the one called, or, of an outbound call, the one shown.",
        examples=["+448081570142"],
    )
    caller: str | None = Field(
        description="The other party's number without its last digits: who called, or, of an outbound call,"
        " who was called; null when withheld, or an agent at their own telephone.",
        examples=["+44 7700 900•••"],
    )
    queue: Queue
    customer: str | None = Field(description="The customer it was matched to, if any.")
    agent: int | None = Field(description="The number callers were told of the agent.", examples=[7])
    arrived_at: Instant = Field(description="When it came in, or, of an outbound call, when it was dialled.")
    picked_up_at: Instant | None = Field(description="When the called party of an outbound call picked up.")
    answered_at: Instant | None = Field(description="When the agent answered.")
    bridged_at: Instant | None = Field(description="When the two began to hear each other.")
    ended_at: Instant | None
    wait_ms: int | None
    talk_ms: int | None
    cause: str | None = Field(description="How it ended.", examples=["caller-hung-up"])
    part_of: str | None = Field(
        description="The call into which an agent brought this number, or which it was forwarded from, or"
        " for which an agent was called at their own telephone; null of a call by itself."
    )
    disposition: str | None = Field(description="What the agent noted at the end.")
    recording: str | None = Field(
        description="`sealed` when it can be fetched.", examples=["sealed", "recording"]
    )
    room: str | None = Field(description="The conference room it was put into, at `bridged_at`.")
    survey: CallRating | None = Field(description="Null: the caller was not asked for a rating.")
    charge: Charge | None


class Calls(Listed):
    """A page of calls, newest first."""

    data: list[CallShown]


class Step(Outward):
    """One thing that happened in a call."""

    at: Instant
    kind: str


class Rated(Outward):
    """How one part of a call was priced."""

    meter: str
    outcome: str
    price_list: str | None
    version: int | None
    prefix: str | None
    destination: str | None
    billed_seconds: int | None
    nano: int | None
    currency: str | None
    invoice: str | None = Field(description="The invoice it stands on, once it does.")


class Part(Outward):
    """The part one agent, or a number outside, had of a call that more than one has had to do with."""

    agent: int | None = Field(
        description="The number callers were told of the agent; null of a number outside.", examples=[7]
    )
    call: str | None = Field(
        description="Of a number outside: the call out to it.", examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    queue: str = Field(description="The queue the call was in.")
    joined_at: Instant = Field(
        description="Since when they talked to the caller, or were asked by the one who did."
    )
    left_at: Instant | None
    left: str | None = Field(
        description="How it ended: `transferred` (they gave the call away), `left` (and whom they had asked"
        " stayed), `line-lost`, `asked-only`, `not-there`, or `ended` with the call.",
        examples=["transferred"],
    )
    disposition: str | None = Field(
        description="What they noted of their part; of the last one it is the call's."
    )


class WaitStep(Outward):
    """One moment of a wait: where the caller stood, or why the agent was chosen."""

    at: Instant
    kind: str = Field(description="`waits`, `widened` or `offered`.", examples=["waits"])
    circle: str = Field(
        description="How far the call may go, or how near the agent is: `home`, `queue`, `next-home`,"
        " `next`.",
        examples=["home"],
    )
    tier: str
    region: str
    ahead: int = Field(description="Callers of the queue before them.")
    serving: int = Field(description="Agents there who may take the call, busy or not.")
    kept: int = Field(description="Agents who could, were their seats not kept for another queue or tier.")
    able: int = Field(description="Free agents who could have taken it.")
    level: int
    idle_s: float = Field(description="How long the chosen agent had been idle.")
    waited_s: float
    last_agent: bool = Field(description="The agent who served them last time.")
    overdue: bool = Field(description="They had waited the longest their tier may.")
    kept_seat: bool = Field(description="The agent's seat is kept for such calls.")
    opened: int = Field(
        description="Of `serving`, agents whose seats are kept for another queue or tier and have opened to"
        " this caller."
    )
    opened_seat: bool = Field(
        description="The agent's seat is kept for another queue or tier, and had opened to this caller."
    )


class WentThrough(Outward):
    """Which flow a call went through before it waited, and why that one."""

    flow: str | None = Field(
        description="Null: none, though its caller's tier has one.",
        examples=["flow_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    version: int
    tier: str = Field(description="Whose flow it is; empty: the number's.", examples=["vip-gold"])
    missed: str = Field(
        description="Why it is not that of the caller's tier: `tier-flow-missing` (it could not be read) or"
        " `tier-unknown` (who calls was not known in time); else empty."
    )


class CallWhole(CallShown):
    """One call with its story and how it was priced."""

    timeline: list[Step]
    went_through: WentThrough | None = Field(description="Null: no flow.")
    wait: list[WaitStep] = Field(description="Why the caller waited, and why this agent got the call.")
    parts: list[Part] = Field(
        description="Who had which part of it; empty when one agent, or nobody, had it all."
    )
    rated: list[Rated]


class CallsQuery(PageQuery):
    """Which calls."""

    since: Moment | None = Field(default=None, description="Arrived at or after.")
    until: Moment | None = Field(default=None, description="Arrived before.")
    outcome: Literal["answered", "abandoned", "message"] | None = None
    disposition: Text | None = Field(default=None, max_length=40, description="A disposition's code.")
    direction: Literal["inbound", "outbound"] | None = None
    queue: str | None = Field(default=None, max_length=60, description="A queue's id.")
    customer: str | None = Field(default=None, max_length=60, description="A customer's id.")
    agent: int | None = Field(
        default=None, ge=1, le=_HIGHEST_AGENT, description="The number callers were told of the agent."
    )
    recorded: bool | None = Field(default=None, description="Whether there is a recording.")


class CallSearch(CallsQuery):
    """Which calls of one caller; everything but the number is as in `listCalls`."""

    caller: Phone


class Caller(Outward):
    """The other party's number in full."""

    caller: str | None = Field(description="E.164; null when it was withheld.", examples=["+447700900123"])


class HearingQuery(Inward):
    """What a recording is fetched for."""

    reason: HeardFor = Field(
        description="What it is heard for: `quality` (how the call was handled), `training`, `complaint`,"
        " `dispute` (what was agreed or charged), `legal` or `security`. It stands in the log for good.",
        examples=["quality"],
    )


class RecordingCheck(Outward):
    """Whether a stored recording is what was sealed."""

    sha256: str = Field(description="Of the sealed file, taken when it was sealed.")
    whole: bool = Field(description="False: it is not there, or differs from what was sealed.")


class Waveform(Outward):
    """How loud a recording is along its length."""

    duration_s: float
    channels: int = Field(description="2: agent and customer apart; 1: mixed.", examples=[2])
    peaks: list[list[int]] = Field(
        description="Loudness of agent and customer, 0 to 100, in even steps over the whole length.",
        examples=[[[12, 40], [55, 3]]],
    )


@pages.get("/calls")
@permission("calls.read")
@operation(tag="Calls", answers={200: Calls}, errors=(404,), operation_id="listCalls")
def list_calls(query: CallsQuery) -> Calls:
    """List calls, newest first."""
    return _page(query, of=_LIST)


@pages.post("/calls/search")
@permission("calls.read")
@operation(tag="Calls", answers={200: Calls}, errors=(404, 409), operation_id="searchCalls")
def search_calls(json: CallSearch) -> Calls:
    """List the calls of one caller, newest first.

    It is a POST so that the number stands in no address, and in no log.
    """
    number = parse_e164(json.caller, region=identity.current().company.country)
    return _page(json, of=_SEARCH, caller=number)


@pages.get("/calls/<call_id>")
@permission("calls.read")
@operation(tag="Calls", answers={200: CallWhole}, errors=(404,), operation_id="getCall")
def one_call(call_id: str) -> CallWhole:
    """Look at one call: its story, and how every second of it was priced."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    call = calls.get(
        session,
        tenant_id=tenant_id,
        call_id=CallId(id_in_path("call", call_id)),
        vault=scope.services().vault,
    )
    cost = charges.of_subjects(session, tenant_id=tenant_id, subject_refs=[call.call_id]).get(call.call_id)
    steps = calls.timeline(session, tenant_id=tenant_id, call_id=call.call_id)
    legs = calls.legs(session, tenant_id=tenant_id, call_id=call.call_id)
    traces = invoices.trace(session, tenant_id=tenant_id, subject_ref=call.call_id)
    return CallWhole.model_validate(
        _shown(call, cost)
        | {
            "timeline": [{"at": step.at, "kind": step.kind} for step in steps],
            "went_through": _went(trail.through(steps)),
            "wait": [_waited(one) for one in trail.explain(steps)],
            "parts": [_part(leg) for leg in legs],
            "rated": [_rated(trace) for trace in traces],
        }
    )


@pages.get("/calls/<call_id>/recording")
@permission("recordings.listen")
@operation(
    tag="Calls",
    answers={200: None, 206: None},
    errors=(404, 416),
    operation_id="getRecording",
    media="audio/wav",
)
def recording(call_id: str, query: HearingQuery) -> Response:
    """Fetch a call's recording, whole or by `Range`. Who fetched it, and why, stands in the call's story."""
    return audio.serve(CallId(id_in_path("call", call_id)), why=query.reason, is_download=True)


@pages.post("/calls/<call_id>/recording/check")
@permission("recordings.listen")
@operation(tag="Calls", answers={200: RecordingCheck}, errors=(404,), operation_id="checkRecording")
def check_recording(call_id: str) -> RecordingCheck:
    """Compare a stored recording with the hash taken when it was sealed. Nobody hears it."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    call = CallId(id_in_path("call", call_id))
    holds = recordings.is_whole(session, tenant_id=tenant_id, call_id=call, storage=scope.services().storage)
    found = recordings.of_call(session, tenant_id=tenant_id, call_id=call)
    return RecordingCheck(sha256=found.sha256 or "", whole=holds)


@pages.get("/calls/<call_id>/waveform")
@permission("recordings.listen")
@operation(tag="Calls", answers={200: Waveform}, errors=(404,), operation_id="getWaveform")
def waveform(call_id: str) -> Waveform:
    """See how loud a recording is along its length, without fetching it."""
    tenant_id = identity.current().tenant_id
    found = recordings.of_call(
        scope.session(), tenant_id=tenant_id, call_id=CallId(id_in_path("call", call_id))
    )
    opened = audio.open_recording(tenant_id=tenant_id, recording_id=found.recording_id)
    try:
        loud = audio.loudness(opened)
    finally:
        opened.close()
    return Waveform(
        duration_s=loud.duration_s, channels=loud.channels, peaks=[list(one) for one in loud.peaks]
    )


@pages.post("/calls/<call_id>/caller")
@permission("customers.read")
@operation(tag="Calls", answers={200: Caller}, errors=(404, 409), operation_id="revealCaller")
def reveal_caller(call_id: str) -> Caller:
    """Read the other party's number in full. The look stands in the call's story for good."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    call = calls.get(
        session, tenant_id=who.tenant_id, call_id=CallId(id_in_path("call", call_id)), vault=vault
    )
    calls.look(
        session, tenant_id=who.tenant_id, call_id=call.call_id, kind=steps.REVEALED, by=who.principal_id
    )
    if call.customer_id is not None:
        reveals.reveal(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            customer_id=call.customer_id,
            field="phone",
            principal_id=who.principal_id,
            subject_ref=call.call_id,
        )
    return Caller(caller=call.caller or None)


def _page(query: CallsQuery, *, of: str, caller: E164 | None = None) -> Calls:
    tenant_id, session = identity.current().tenant_id, scope.session()
    after = cursors.decode(query.starting_after, of=of)
    found = calls.page(
        session,
        tenant_id=tenant_id,
        vault=scope.services().vault,
        wanted=Filter(
            queue_id=QueueId(ids.parse("que", query.queue)) if query.queue else None,
            agent_number=query.agent,
            customer_id=CustomerId(ids.parse("cus", query.customer)) if query.customer else None,
            caller=caller,
            outcome=query.outcome,
            direction=query.direction,
            disposition=query.disposition,
            is_recorded=query.recorded,
            since=query.since,
            until=query.until,
        ),
        after=(dt.datetime.fromisoformat(after[0]), CallId(ids.parse("call", after[1]))) if after else None,
        limit=query.limit,
    )
    costs = charges.of_subjects(
        session, tenant_id=tenant_id, subject_refs=[call.call_id for call in found.calls]
    )
    following = found.following
    return Calls(
        data=[CallShown.model_validate(_shown(call, costs.get(call.call_id))) for call in found.calls],
        has_more=following is not None,
        next=cursors.encode(following[0].isoformat(), ids.public("call", following[1]), of=of)
        if following
        else None,
    )


def _shown(call: Call, cost: charges.Charged | None) -> dict[str, Any]:
    return {
        "id": ids.public("call", call.call_id),
        "direction": call.direction,
        "state": call.state,
        "number": call.dialled,
        "caller": mask(call.caller) if call.caller else None,
        "queue": {"id": ids.public("que", call.queue_id), "name": call.queue_name},
        "customer": ids.public("cus", call.customer_id) if call.customer_id else None,
        "agent": call.agent_number,
        "arrived_at": call.arrived_at,
        "picked_up_at": call.picked_up_at,
        "answered_at": call.answered_at,
        "bridged_at": call.bridged_at,
        "ended_at": call.ended_at,
        "wait_ms": call.wait_ms,
        "talk_ms": call.talk_ms,
        "cause": call.cause,
        "part_of": ids.public("call", call.part_of) if call.part_of else None,
        "disposition": call.disposition,
        "recording": call.recording_state,
        "room": ids.public("room", call.room_id) if call.room_id else None,
        "survey": {
            "asked_at": call.talk_ended_at,
            "best": call.survey_most,
            "rating": call.survey_rating,
        }
        if call.talk_ended_at and call.survey_most
        else None,
        "charge": {"nano": cost.amount_nano, "currency": cost.currency, "waiting": cost.waiting}
        if cost
        else None,
    }


def _went(one: Through | None) -> dict[str, object] | None:
    if one is None:
        return None
    return {"flow": one.flow or None, "version": one.version, "tier": one.tier, "missed": one.missed}


def _waited(one: Entry) -> dict[str, object]:
    return {
        "at": one.at,
        "kind": one.kind,
        "circle": one.circle.name.lower().replace("_", "-"),
        "tier": one.tier,
        "region": one.region,
        "ahead": one.ahead,
        "serving": one.serving,
        "kept": one.kept,
        "able": one.able,
        "level": one.level,
        "idle_s": one.idle_s,
        "waited_s": one.waited_s,
        "last_agent": one.is_last_agent,
        "overdue": one.is_overdue,
        "kept_seat": one.is_kept,
        "opened": one.opened,
        "opened_seat": one.is_opened,
    }


def _part(leg: calls.Leg) -> dict[str, object]:
    return {
        "agent": leg.agent_number,
        "call": ids.public("call", leg.leg_id) if leg.agent_number is None else None,
        "queue": ids.public("que", leg.queue_id),
        "joined_at": leg.joined_at,
        "left_at": leg.left_at,
        "left": leg.how.value if leg.how else None,
        "disposition": leg.disposition,
    }


def _rated(trace: invoices.Trace) -> dict[str, Any]:
    line = trace.line
    return {
        "meter": trace.meter,
        "outcome": trace.outcome.value,
        "price_list": trace.price_list,
        "version": trace.version,
        "prefix": trace.prefix,
        "destination": trace.destination,
        "billed_seconds": trace.billed_seconds,
        "nano": trace.amount_nano,
        "currency": trace.currency,
        "invoice": ids.public("inv", line.invoice_id) if line and line.invoice_id else None,
    }
