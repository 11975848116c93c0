"""Promised calls, for programs: callers who hung up and keep their place in a queue."""

from pydantic import Field

from core import clock, ids
from telephony.outbound import promised
from telephony.outbound.promised import Promised, State
from web import identity, scope
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Outward
from web.guards import permission

_TAG = "Queues"


class PromisedCall(Outward):
    """A call promised from a queue."""

    id: str = Field(examples=["cbk_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    call: str = Field(description="In which they asked for it.", examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    queue: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: State
    place_at: Instant = Field(description="Since when they keep their place.")
    expires_at: Instant
    tries: int = Field(description="How often they have been called.", examples=[1])
    why: str = Field(description="How the last try ended, or why nobody may call.", examples=["no-answer"])
    ended_at: Instant | None


class PromisedCalls(Outward):
    """Open ones by their places, then the newest of the others; at most 200."""

    data: list[PromisedCall]


@pages.get("/callbacks")
@permission("calls.read")
@operation(tag=_TAG, answers={200: PromisedCalls}, operation_id="listPromisedCalls")
def list_promised_calls() -> PromisedCalls:
    """List callers who keep a place without being on the line, and what became of the others."""
    found = promised.page(scope.session(), tenant_id=identity.current().tenant_id)
    return PromisedCalls(data=[_told(one) for one in found])


@pages.delete("/callbacks/<promise_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: PromisedCall}, errors=(404, 409), operation_id="withdrawPromisedCall")
def withdraw_promised_call(promise_id: str) -> PromisedCall:
    """Withdraw a promise: the caller has been reached otherwise, and is not called."""
    return _told(
        promised.withdraw(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            promise_id=id_in_path("cbk", promise_id),
            at=clock.now(),
        )
    )


def _told(one: Promised) -> PromisedCall:
    return PromisedCall(
        id=ids.public("cbk", one.promise_id),
        call=ids.public("call", one.call_id),
        queue=ids.public("que", one.queue_id),
        state=one.state,
        place_at=one.place_at,
        expires_at=one.expires_at,
        tries=one.tries,
        why=one.why,
        ended_at=one.ended_at,
    )
