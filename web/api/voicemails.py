"""Messages callers have left, for programs. Their sound is the call's recording: `getRecording`."""

from pydantic import Field

from core import ids
from telephony import voicemail
from telephony.voicemail import Message, MessageState
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Outward
from web.guards import permission

_TAG = "Calls"


class VoicemailShown(Outward):
    """A message a caller left."""

    call: str = Field(examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    queue: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    left_at: Instant = Field(description="When the call came in.")
    length_ms: int | None = Field(description="Null until it is sealed.")
    state: MessageState = Field(description="`heard`: somebody has opened it; `taken`: an agent calls back.")
    agent: int | None = Field(description="Who has taken it on.")


class Voicemails(Outward):
    """Those of the last thirty days, newest first; at most 100."""

    data: list[VoicemailShown]


@pages.get("/voicemails")
@permission("calls.read")
@operation(tag=_TAG, answers={200: Voicemails}, operation_id="listVoicemails")
def list_voicemails() -> Voicemails:
    """List the messages callers have left, and how far each has come."""
    found = voicemail.page(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return Voicemails(data=[_shown(one) for one in found])


def _shown(one: Message) -> VoicemailShown:
    return VoicemailShown(
        call=ids.public("call", one.call.call_id),
        queue=ids.public("que", one.call.queue_id),
        left_at=one.call.arrived_at,
        length_ms=one.call.recording_ms,
        state=one.state,
        agent=one.taken_by,
    )
