"""What the company records unless a queue differs, for programs."""

from pydantic import Field

from telephony import queues
from telephony import recording_policy as policies
from telephony.recording_policy import RecordingPolicy
from web import identity, renting, scope
from web.api import preconditions
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward
from web.guards import permission

_PERCENT = "Of a hundred calls so many are recorded; which ones is chance, and decided when a call begins."
_TELLS = (
    "Whether callers hear that they are recorded, after the greeting; who could not be told is not recorded. "
    "Off, your greeting has to say it where the law asks."
)


class RecordingPolicyIn(Inward):
    """What is recorded in queues that follow their company."""

    recorded: bool
    record_percent: int = Field(default=100, ge=1, le=100, description=_PERCENT)
    tells_callers: bool = Field(default=True, description=_TELLS)


class RecordingPolicyOut(Outward):
    """What is recorded in queues that follow their company."""

    recorded: bool
    record_percent: int = Field(description=_PERCENT)
    tells_callers: bool = Field(description=_TELLS)
    following: int = Field(description="How many open queues follow; the others have their own.")


@pages.get("/recording-policy")
@permission("queues.read")
@operation(tag="Queues", answers={200: RecordingPolicyOut}, operation_id="getRecordingPolicy")
def get_recording_policy() -> tuple[RecordingPolicyOut, int, dict[str, str]]:
    """Look at what is recorded unless a queue differs."""
    found = policies.read(scope.session(), tenant_id=identity.current().tenant_id)
    return _shown(found), 200, preconditions.tag(found.revision)


@pages.put("/recording-policy")
@permission("queues.write")
@operation(
    tag="Queues", answers={200: RecordingPolicyOut}, operation_id="changeRecordingPolicy", conditional=True
)
def change_recording_policy(json: RecordingPolicyIn) -> tuple[RecordingPolicyOut, int, dict[str, str]]:
    """Replace it, unless somebody has changed it since it was read. It counts from the next call on."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    before = policies.read(session, tenant_id=tenant_id)
    preconditions.insist(before.revision)
    wanted = RecordingPolicy(json.recorded, json.record_percent, json.tells_callers, before.revision)
    saved = policies.write(session, tenant_id=tenant_id, policy=wanted)
    renting.tell_switchboard()
    return _shown(saved), 200, preconditions.tag(saved.revision)


def _shown(one: RecordingPolicy) -> RecordingPolicyOut:
    found = queues.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return RecordingPolicyOut(
        recorded=one.is_recorded,
        record_percent=one.record_percent,
        tells_callers=one.tells_callers,
        following=sum(each.records_as_company for each in found),
    )
