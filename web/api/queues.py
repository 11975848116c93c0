"""Queues: make, change, close, open again; who serves them."""

from typing import Literal

from pydantic import Field

from core import ids
from core.ids import QueueId
from telephony import queues
from telephony.queues import Queue, Settings, TimeUp, WrapUp
from web import identity, scope
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Outward, Text
from web.guards import permission
from web.shown import queues as shown

_TAG = "Queues"
_ID = "que_01jd3x5k8f7r6q2w9v4t0n1m3c"


_WRAP_UP = (
    "What is asked of an agent after a call: `none`, `optional` (may be skipped), `mandatory` (until it is "
    "saved), `timed` (until it is saved, or the time is up)."
)
_TIME_UP = (
    "What happens when the time of a `timed` wrap-up is up and the required outcome is missing: `free` (the "
    "agent is free, and the call waits in their list to be completed) or `stay` (they stay in wrap-up, "
    "overdue)."
)
_SCRIPT = "What agents see while they talk with a caller of the queue. Empty: a greeting only."
_WRAP_UP_S = "How long an optional or a timed wrap-up may take; 0 is no limit."


_AS_COMPANY = (
    "Whether `recorded`, `record_percent` and `tells_callers` are as the company has them "
    "(`getRecordingPolicy`); what is sent of the three then counts only once it is false again."
)
_PERCENT = "How many of a hundred calls are recorded; which ones is chance, decided when a call begins."
_TELLS = (
    "Whether a caller who will be recorded hears so after the greeting; who could not be told is not"
    " recorded. False: your greeting has to say it where the law asks. Called people are always told."
)

_SURVEY = (
    "How many callers of a hundred are asked for a rating when their agent has hung up and they stay on the"
    " line; 0: nobody. The agent is free meanwhile; nothing is charged or recorded."
)
_SURVEY_PROMPT = "What they are asked. Empty: how satisfied they are with the call."
_SURVEY_MOST = "The best rating; 1 is the worst."


class QueueMember(Inward):
    """An agent who serves a queue."""

    agent: int = Field(ge=1, le=999_999, description="The number callers are told.", examples=[1002])
    level: int = Field(default=1, ge=1, le=9, description="1 is asked first, 9 is the last resort.")


class QueueSettings(Inward):
    """What you decide about a queue."""

    name: Text = Field(min_length=1, max_length=80, examples=["Deliveries"])
    ring_timeout_s: int = Field(default=20, ge=5, le=120, description="How long an agent's phone rings.")
    wrap_up: WrapUp = Field(default=WrapUp.TIMED, description=_WRAP_UP)
    wrap_up_s: int = Field(default=60, ge=0, le=3600, description=_WRAP_UP_S)
    disposition_required: bool = Field(
        default=True, description="Whether a wrap-up is saved with an outcome only."
    )
    time_up: TimeUp = Field(default=TimeUp.FREE, description=_TIME_UP)
    target_s: int = Field(default=20, ge=1, le=3600, description="The answer time of its service level.")
    records_as_company: bool = Field(default=False, description=_AS_COMPANY)
    recorded: bool = True
    record_percent: int = Field(default=100, ge=1, le=100, description=_PERCENT)
    tells_callers: bool = Field(default=True, description=_TELLS)
    longest_wait_s: int | None = Field(
        default=None,
        ge=10,
        le=7200,
        description="After it a caller hears `wait_message` and the call ends. Null: never.",
    )
    wait_message: Text = Field(default="", max_length=500, description="Empty: a sentence of ours.")
    language: Literal["en", "zh"] = Field(default="en", description="In which the message is spoken.")
    survey_percent: int = Field(default=0, ge=0, le=100, description=_SURVEY)
    survey_prompt: Text = Field(default="", max_length=500, description=_SURVEY_PROMPT)
    survey_most: int = Field(default=5, ge=2, le=9, description=_SURVEY_MOST)
    script: str = Field(default="", max_length=8000, description=_SCRIPT)
    members: list[QueueMember] | None = Field(
        default=None,
        max_length=1000,
        description="Exactly those who serve it; left out: as it is. They must work for you.",
    )


class QueueShown(Outward):
    """A queue: where callers wait."""

    id: str = Field(examples=[_ID])
    name: str
    ring_timeout_s: int = Field(description="How long an agent's phone rings.")
    wrap_up: WrapUp = Field(description=_WRAP_UP, examples=["timed"])
    wrap_up_s: int = Field(description=_WRAP_UP_S)
    disposition_required: bool = Field(description="Whether a wrap-up is saved with an outcome only.")
    time_up: TimeUp = Field(description=_TIME_UP, examples=["free"])
    target_s: int = Field(description="The answer time of its service level.")
    records_as_company: bool = Field(description=_AS_COMPANY)
    recorded: bool
    record_percent: int = Field(description=_PERCENT)
    tells_callers: bool = Field(description=_TELLS)
    longest_wait_s: int | None = Field(description="After which the call ends. Null: never.")
    wait_message: str = Field(description="What a caller hears then. Empty: a sentence of ours.")
    language: str = Field(examples=["en"])
    survey_percent: int = Field(description=_SURVEY, examples=[100])
    survey_prompt: str = Field(description=_SURVEY_PROMPT)
    survey_most: int = Field(description=_SURVEY_MOST, examples=[5])
    script: str = Field(description=_SCRIPT)
    open: bool = Field(description="False: it is closed, and can be opened again.")


class QueueMemberShown(Outward):
    """An agent who serves a queue."""

    agent: int = Field(examples=[1002])
    level: int = Field(description="1 is asked first.", examples=[1])


class QueueWhole(QueueShown):
    """A queue with those who serve it."""

    members: list[QueueMemberShown]


class QueuesQuery(Inward):
    """Which queues."""

    closed: bool = Field(default=False, description="Those that are closed, too.")


class Queues(Outward):
    """Every queue of the company, by name."""

    data: list[QueueShown]


@pages.get("/queues")
@permission("queues.read")
@operation(tag=_TAG, answers={200: Queues}, operation_id="listQueues")
def list_queues(query: QueuesQuery) -> Queues:
    """List the company's queues."""
    found = queues.ever(scope.session(), tenant_id=identity.current().tenant_id)
    return Queues(
        data=[QueueShown.model_validate(_shown(one)) for one in found if one.is_open or query.closed]
    )


@pages.get("/queues/<queue_id>")
@permission("queues.read")
@operation(tag=_TAG, answers={200: QueueWhole}, errors=(404,), operation_id="getQueue")
def one_queue(queue_id: str) -> tuple[QueueWhole, int, dict[str, str]]:
    """Look at one queue and who serves it."""
    found = _find(queue_id)
    return _whole(found), 200, preconditions.tag(found.revision)


@pages.post("/queues")
@permission("queues.write")
@operation(tag=_TAG, answers={201: QueueWhole}, errors=(409,), operation_id="makeQueue")
def make_queue(json: QueueSettings) -> tuple[QueueWhole, int, dict[str, str]]:
    """Make a queue. Set up a number to lead callers to it."""
    made = shown.make(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        settings=_settings(json),
        levels=_levels(json) or {},
    )
    answer = _whole(made)
    return answer, 201, {"Location": f"/api/v1/queues/{answer.id}", **preconditions.tag(made.revision)}


@pages.put("/queues/<queue_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: QueueWhole}, errors=(404,), operation_id="changeQueue", conditional=True)
def change_queue(queue_id: str, json: QueueSettings) -> tuple[QueueWhole, int, dict[str, str]]:
    """Replace a queue's settings, unless somebody has changed them since they were read."""
    found = _find(queue_id)
    preconditions.insist(found.revision)
    saved = shown.change(
        scope.session(),
        tenant_id=found.tenant_id,
        queue_id=found.queue_id,
        revision=found.revision,
        settings=_settings(json),
        levels=_levels(json),
    )
    return _whole(saved), 200, preconditions.tag(saved.revision)


@pages.post("/queues/<queue_id>/close")
@permission("queues.write")
@operation(tag=_TAG, answers={200: QueueShown}, errors=(404, 409), operation_id="closeQueue")
def close_queue(queue_id: str) -> QueueShown:
    """Close a queue. Refused (409) while callers are in it, or numbers or campaigns lead to it."""
    found = _find(queue_id)
    closed = shown.close(scope.session(), tenant_id=found.tenant_id, queue_id=found.queue_id)
    return QueueShown.model_validate(_shown(closed))


@pages.post("/queues/<queue_id>/reopen")
@permission("queues.write")
@operation(tag=_TAG, answers={200: QueueShown}, errors=(404,), operation_id="reopenQueue")
def reopen_queue(queue_id: str) -> QueueShown:
    """Open a closed queue again, with the agents it had. Twice changes nothing."""
    found = _find(queue_id)
    again = shown.reopen(scope.session(), tenant_id=found.tenant_id, queue_id=found.queue_id)
    return QueueShown.model_validate(_shown(again))


def _find(queue_id: str) -> Queue:
    return queues.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        queue_id=QueueId(id_in_path("que", queue_id)),
    )


def _settings(json: QueueSettings) -> Settings:
    return Settings(
        name=json.name,
        ring_timeout_s=json.ring_timeout_s,
        wrap_up=json.wrap_up,
        wrap_up_s=json.wrap_up_s,
        needs_disposition=json.disposition_required,
        time_up=json.time_up,
        target_s=json.target_s,
        is_recorded=json.recorded,
        record_percent=json.record_percent,
        tells_callers=json.tells_callers,
        records_as_company=json.records_as_company,
        longest_wait_s=json.longest_wait_s,
        wait_message=json.wait_message,
        language=json.language,
        survey_percent=json.survey_percent,
        survey_prompt=json.survey_prompt,
        survey_most=json.survey_most,
        script=json.script,
    )


def _levels(json: QueueSettings) -> dict[int, int] | None:
    return None if json.members is None else {one.agent: one.level for one in json.members}


def _shown(one: Queue) -> dict[str, object]:
    return {
        "id": ids.public("que", one.queue_id),
        "name": one.name,
        "ring_timeout_s": one.ring_timeout_s,
        "wrap_up": one.wrap_up,
        "wrap_up_s": one.wrap_up_s,
        "disposition_required": one.needs_disposition,
        "time_up": one.time_up,
        "target_s": one.target_s,
        "records_as_company": one.records_as_company,
        "recorded": one.is_recorded,
        "record_percent": one.record_percent,
        "tells_callers": one.tells_callers,
        "longest_wait_s": one.longest_wait_s,
        "wait_message": one.wait_message,
        "language": one.language,
        "survey_percent": one.survey_percent,
        "survey_prompt": one.survey_prompt,
        "survey_most": one.survey_most,
        "script": one.script,
        "open": one.is_open,
    }


def _whole(one: Queue) -> QueueWhole:
    serving = shown.members(tenant_id=one.tenant_id, queue_id=one.queue_id)
    members = [{"agent": member.agent.number, "level": member.level} for member in serving if member.level]
    return QueueWhole.model_validate(_shown(one) | {"members": members})
