"""Recordings: which there are, found by what is known about them. What is said is fetched with the call."""

import datetime as dt
from dataclasses import replace
from typing import Literal

from pydantic import Field

from core import ids
from core.ids import CallId, QueueId
from core.phone import mask
from telephony import calls
from telephony.calls import Call, Filter
from tenants import holds
from tenants.holds import Held
from web import identity, scope
from web.api import cursors
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Listed, Moment, Outward, PageQuery, Text
from web.guards import permission

_TAG, _LIST, _SEARCH = "Calls", "recordings", "recordings-search"
_HIGHEST_AGENT = 10**9
_LONGEST_S = 86_400


class RecordingShown(Outward):
    """One recording."""

    call: str = Field(description="The call it is of.", examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    arrived_at: Instant = Field(description="When the call came in, or was dialled.")
    direction: str = Field(description="`inbound` or `outbound`.", examples=["inbound"])
    caller: str | None = Field(description="The other party's number without its last digits.")
    queue: str = Field(description="The queue's id.", examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    agent: int | None = Field(description="The number callers were told of the agent.", examples=[1002])
    disposition: str | None = Field(description="What the agent noted at the end.")
    duration_ms: int | None = Field(description="How long the recording is.", examples=[61000])
    paused: bool = Field(description="Something was kept out of it, such as card details.")
    held: bool = Field(description="A legal hold keeps it.")


class Recordings(Listed):
    """A page of recordings, newest first."""

    data: list[RecordingShown]


class RecordingsQuery(PageQuery):
    """Which recordings."""

    since: Moment | None = Field(default=None, description="The call arrived at or after.")
    until: Moment | None = Field(default=None, description="The call arrived before.")
    outcome: Text | None = Field(
        default=None, max_length=40, description="`answered`, `message`, or a disposition's code."
    )
    direction: Literal["inbound", "outbound"] | None = None
    queue: str | None = Field(default=None, max_length=60, description="A queue's id.")
    campaign: str | None = Field(default=None, max_length=60, description="A campaign's id.")
    agent: int | None = Field(
        default=None, ge=1, le=_HIGHEST_AGENT, description="The number callers were told of the agent."
    )
    at_least_s: int | None = Field(default=None, ge=0, le=_LONGEST_S, description="So long, or longer.")
    at_most_s: int | None = Field(default=None, ge=0, le=_LONGEST_S, description="So long, or shorter.")
    paused: bool | None = Field(default=None, description="Whether something was kept out of it.")
    held: bool | None = Field(default=None, description="Whether a legal hold keeps it.")


class RecordingSearch(RecordingsQuery):
    """Which recordings of numbers that end so; everything but the digits is as in `listRecordings`."""

    ending: Text = Field(
        pattern="^[0-9]{4}$",
        description="The last four digits; the newest 5000 that match the rest are looked through.",
        examples=["0471"],
    )


@pages.get("/recordings")
@permission("recordings.listen")
@operation(tag=_TAG, answers={200: Recordings}, errors=(404,), operation_id="listRecordings")
def list_recordings(query: RecordingsQuery) -> Recordings:
    """List recordings, newest first. Nothing of them is opened."""
    return _page(query, of=_LIST)


@pages.post("/recordings/search")
@permission("recordings.listen")
@operation(tag=_TAG, answers={200: Recordings}, errors=(404, 409), operation_id="searchRecordings")
def search_recordings(json: RecordingSearch) -> Recordings:
    """List the recordings of numbers that end in four digits, newest first.

    It is a POST so that the digits stand in no address, and in no log.
    """
    return _page(json, of=_SEARCH, ending=json.ending)


def _page(query: RecordingsQuery, *, of: str, ending: str = "") -> Recordings:
    tenant_id, session, vault = identity.current().tenant_id, scope.session(), scope.services().vault
    held = holds.held(session, tenant_id=tenant_id)
    wanted = Filter(
        is_recorded=True,
        queue_id=QueueId(ids.parse("que", query.queue)) if query.queue else None,
        campaign_id=ids.parse("cmp", query.campaign) if query.campaign else None,
        agent_number=query.agent,
        outcome=query.outcome,
        direction=query.direction,
        least_s=query.at_least_s,
        most_s=query.at_most_s,
        was_paused=query.paused,
        is_held=query.held,
        held=held,
        since=query.since,
        until=query.until,
    )
    if ending:
        among = calls.ending_in(session, tenant_id=tenant_id, vault=vault, digits=ending, wanted=wanted)
        wanted = replace(wanted, among=among)
    after = cursors.decode(query.starting_after, of=of)
    found = calls.page(
        session,
        tenant_id=tenant_id,
        vault=vault,
        wanted=wanted,
        after=(dt.datetime.fromisoformat(after[0]), CallId(ids.parse("call", after[1]))) if after else None,
        limit=query.limit,
    )
    paused = calls.paused_among(session, tenant_id=tenant_id, call_ids=[one.call_id for one in found.calls])
    following = found.following
    return Recordings(
        data=[_shown(one, paused, held) for one in found.calls],
        has_more=following is not None,
        next=cursors.encode(following[0].isoformat(), ids.public("call", following[1]), of=of)
        if following
        else None,
    )


def _shown(call: Call, paused: set[CallId], held: Held) -> RecordingShown:
    return RecordingShown(
        call=ids.public("call", call.call_id),
        arrived_at=call.arrived_at,
        direction=call.direction,
        caller=mask(call.caller) if call.caller else None,
        queue=ids.public("que", call.queue_id),
        agent=call.agent_number,
        disposition=call.disposition,
        duration_ms=call.recording_ms,
        paused=call.call_id in paused,
        held=held.covers(call.call_id, call.customer_id),
    )
