"""Webhooks: addresses, what they hear, what they were sent, replay."""

import json as jsonlib
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import AfterValidator, Field

from core import ids
from core.ids import DeliveryId, WebhookId
from tenants.webhooks import deliveries, endpoints
from tenants.webhooks.deliveries import Attempt, Delivery, DeliveryState
from tenants.webhooks.endpoints import State, Webhook
from web import identity, scope
from web.api import cursors, preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery, Text, shown_as
from web.guards import permission
from wiring.outgoing import TYPES

_LIST = "deliveries"


def _known(text: str) -> str:
    if text not in TYPES:
        message = "is not a type of event"
        raise ValueError(message)
    return text


EventType = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(TYPES)})]
Url = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=2048,
        description="https, public, port 443 or 8443.",
        examples=["https://hooks.example.com/seatline"],
    ),
]


class ReplayProgress(Outward):
    """How far a replay has come."""

    total: int
    delivered: int
    refused: int = Field(description="Not taken at the first try; tried again later.")


class WebhookShown(Outward):
    """A webhook, without its secret."""

    id: str = Field(examples=["whk_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    url: str = Field(examples=["https://hooks.example.com/seatline"])
    types: list[str] = Field(examples=[["call.ended"]])
    state: str = Field(
        description="`on`; `off` by you; `gone`, it answered 410; `failing`, it took nothing for three days.",
        examples=["on"],
    )
    created_at: Instant
    changed_at: Instant
    succeeded_at: Instant | None = Field(description="When it last took something.")
    failing_since: Instant | None = Field(description="Since when it takes nothing.")
    gives_up_at: Instant | None = Field(description="When it is switched off if that goes on.")
    old_secret_until: Instant | None = Field(description="Until when requests carry two signatures.")
    replay: ReplayProgress | None = Field(description="The newest replay, for a day.")


class MadeWebhook(WebhookShown):
    """A webhook with a fresh secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class Webhooks(Outward):
    """Every webhook of the company, oldest first."""

    data: list[WebhookShown]


class NewWebhook(Inward):
    """A webhook to add."""

    url: Url
    types: list[EventType] = Field(min_length=1, max_length=100, examples=[["call.ended"]])


class WebhookChange(Inward):
    """What to change; what is left out stays."""

    model_config = shown_as(types=["call.ended", "recording.ready"])

    url: Url | None = None
    types: list[EventType] | None = Field(default=None, min_length=1, max_length=100)
    state: Literal["on", "off"] | None = None


class Replay(Inward):
    """Which deliveries to make again."""

    since: Moment = Field(examples=["2026-11-19T00:00:00Z"])
    until: Moment = Field(examples=["2026-11-20T00:00:00Z"])
    delivered: bool = Field(default=False, description="Also those that arrived.")


class Replayed(Outward):
    """What a replay has begun."""

    deliveries: int


class DeliveryShown(Outward):
    """One event owed to one webhook."""

    id: str = Field(examples=["dlv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    webhook: str = Field(examples=["whk_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    event: str = Field(
        description="The `webhook-id` it is sent under.", examples=["evt_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    type: str = Field(examples=["call.ended"])
    state: str = Field(description="waiting, delivered, failed or missed", examples=["delivered"])
    created_at: Instant
    attempts: int
    next_at: Instant | None = Field(description="When it is tried next.")
    settled_at: Instant | None
    status: int | None = Field(description="What the last try was answered.", examples=[204])
    error: str | None = Field(description="Why the last try got no answer.", examples=["timeout"])


class Deliveries(Listed):
    """A page of deliveries, newest first."""

    data: list[DeliveryShown]


class TryShown(Outward):
    """One try."""

    number: int
    began_at: Instant
    duration_ms: int | None
    status: int | None
    error: str | None
    answer: str | None = Field(description="How the answer began.")


class DeliveryWhole(DeliveryShown):
    """One delivery with what is sent and every try."""

    body: dict[str, Any] = Field(description="What is sent.")
    tries: list[TryShown]


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    state: Literal["waiting", "delivered", "failed", "missed"] | None = None
    type: str | None = Field(default=None, max_length=40)


@pages.get("/webhooks")
@permission("webhooks.read")
@operation(tag="Webhooks", answers={200: Webhooks}, operation_id="listWebhooks")
def list_webhooks() -> Webhooks:
    """List your webhooks."""
    found = endpoints.every(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return Webhooks(data=[_shown(one) for one in found])


@pages.post("/webhooks")
@permission("webhooks.write")
@operation(tag="Webhooks", answers={201: MadeWebhook}, errors=(409,), operation_id="addWebhook")
def add_webhook(json: NewWebhook) -> tuple[MadeWebhook, int, dict[str, str]]:
    """Add a webhook; its secret is in this answer and nowhere else."""
    scope.services().egress.check(json.url)
    hook, secret = endpoints.add(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        url=json.url,
        types=json.types,
        known=TYPES,
    )
    made = MadeWebhook(**_shown(hook).model_dump(), secret=secret)
    return made, 201, {"Location": f"/api/v1/webhooks/{made.id}", **preconditions.tag(hook.version)}


@pages.get("/webhooks/<webhook_id>")
@permission("webhooks.read")
@operation(tag="Webhooks", answers={200: WebhookShown}, errors=(404,), operation_id="getWebhook")
def one_webhook(webhook_id: str) -> tuple[WebhookShown, int, dict[str, str]]:
    """Look at one webhook."""
    hook = _find(webhook_id)
    return _shown(hook), 200, preconditions.tag(hook.version)


@pages.patch("/webhooks/<webhook_id>")
@permission("webhooks.write")
@operation(
    tag="Webhooks",
    answers={200: WebhookShown},
    errors=(404,),
    operation_id="changeWebhook",
    conditional=True,
)
def change_webhook(webhook_id: str, json: WebhookChange) -> tuple[WebhookShown, int, dict[str, str]]:
    """Change a webhook's address or events, switch it off, or on again."""
    hook = _find(webhook_id)
    preconditions.insist(hook.version)
    if json.url:
        scope.services().egress.check(json.url)
    changed = endpoints.change(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=hook.id,
        version=hook.version,
        url=json.url or hook.url,
        types=json.types or hook.types,
        is_on=(json.state or hook.state.value) == State.ON.value,
        known=TYPES,
    )
    return _shown(changed), 200, preconditions.tag(changed.version)


@pages.delete("/webhooks/<webhook_id>")
@permission("webhooks.write")
@operation(tag="Webhooks", answers={204: None}, errors=(404,), operation_id="removeWebhook")
def remove_webhook(webhook_id: str) -> Response:
    """Remove a webhook with its log; what still waits is not sent."""
    endpoints.remove(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        webhook_id=WebhookId(id_in_path("whk", webhook_id)),
    )
    return Response(status=204)


@pages.post("/webhooks/<webhook_id>/secret")
@permission("webhooks.write")
@operation(tag="Webhooks", answers={201: MadeWebhook}, errors=(404, 409), operation_id="rollWebhookSecret")
def roll_secret(webhook_id: str) -> tuple[MadeWebhook, int, dict[str, str]]:
    """Make a new secret; for 24 hours requests carry a signature of each."""
    hook, secret = endpoints.roll(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=WebhookId(id_in_path("whk", webhook_id)),
    )
    made = MadeWebhook(**_shown(hook).model_dump(), secret=secret)
    return made, 201, preconditions.tag(hook.version)


@pages.post("/webhooks/<webhook_id>/test")
@permission("webhooks.write")
@operation(tag="Webhooks", answers={202: DeliveryShown}, errors=(404, 409), operation_id="testWebhook")
def test_webhook(webhook_id: str) -> tuple[DeliveryShown, int, dict[str, str]]:
    """Send an event that tells nothing but that it works; it arrives within seconds."""
    tenant_id = identity.current().tenant_id
    made = deliveries.send_test(
        scope.session(), tenant_id=tenant_id, webhook_id=WebhookId(id_in_path("whk", webhook_id))
    )
    shown = _delivery(deliveries.read(scope.session(), tenant_id=tenant_id, delivery_id=made))
    return shown, 202, {"Location": f"/api/v1/deliveries/{shown.id}"}


@pages.post("/webhooks/<webhook_id>/replay")
@permission("webhooks.write")
@operation(
    tag="Webhooks",
    answers={202: Replayed},
    errors=(404, 409),
    operation_id="replayWebhook",
)
def replay_webhook(webhook_id: str, json: Replay) -> tuple[Replayed, int]:
    """Send again what failed or was missed in a time, up to 10,000 deliveries, under the same ids."""
    states = list(DeliveryState) if json.delivered else [DeliveryState.FAILED, DeliveryState.MISSED]
    many = deliveries.replay_range(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        webhook_id=WebhookId(id_in_path("whk", webhook_id)),
        since=json.since,
        until=json.until,
        states=states,
    )
    return Replayed(deliveries=many), 202


@pages.get("/webhooks/<webhook_id>/deliveries")
@permission("webhooks.read")
@operation(tag="Webhooks", answers={200: Deliveries}, errors=(404,), operation_id="listDeliveries")
def list_deliveries(webhook_id: str, query: DeliveriesQuery) -> Deliveries:
    """List what a webhook was sent in the last 30 days, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    rows = deliveries.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        webhook_id=WebhookId(id_in_path("whk", webhook_id)),
        limit=query.limit + 1,
        state=DeliveryState(query.state) if query.state else None,
        event_type=query.type,
        after=DeliveryId(ids.parse("dlv", after[0])) if after else None,
    )
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Deliveries(
        data=[_delivery(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("dlv", shown[-1].id), of=_LIST) if has_more else None,
    )


@pages.get("/deliveries/<delivery_id>")
@permission("webhooks.read")
@operation(tag="Webhooks", answers={200: DeliveryWhole}, errors=(404,), operation_id="getDelivery")
def one_delivery(delivery_id: str) -> DeliveryWhole:
    """Look at one delivery: what is sent, and every try."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    found = deliveries.read(
        session, tenant_id=tenant_id, delivery_id=DeliveryId(id_in_path("dlv", delivery_id))
    )
    tries = deliveries.attempts(
        session, tenant_id=tenant_id, vault=scope.services().vault, delivery_id=found.id
    )
    body = deliveries.body_of(session, tenant_id=tenant_id, event_id=found.event_id)
    return DeliveryWhole(
        **_delivery(found).model_dump(), body=jsonlib.loads(body), tries=[_attempt(one) for one in tries]
    )


@pages.post("/deliveries/<delivery_id>/replay")
@permission("webhooks.write")
@operation(tag="Webhooks", answers={202: DeliveryShown}, errors=(404, 409), operation_id="replayDelivery")
def replay_delivery(delivery_id: str) -> tuple[DeliveryShown, int]:
    """Send one delivery again, under the same `webhook-id`."""
    found = deliveries.replay(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        delivery_id=DeliveryId(id_in_path("dlv", delivery_id)),
    )
    return _delivery(found), 202


def _find(webhook_id: str) -> Webhook:
    return endpoints.read(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=WebhookId(id_in_path("whk", webhook_id)),
    )


def _shown(one: Webhook) -> WebhookShown:
    tenant_id = identity.current().tenant_id
    replay = deliveries.last_replay(scope.session(), tenant_id=tenant_id, webhook_id=one.id)
    return WebhookShown(
        id=ids.public("whk", one.id),
        url=one.url,
        types=list(one.types),
        state=one.state.value,
        created_at=one.created_at,
        changed_at=one.changed_at,
        succeeded_at=one.succeeded_at,
        failing_since=one.failing_since,
        gives_up_at=deliveries.gives_up_at(one),
        old_secret_until=one.old_secret_until,
        replay=ReplayProgress(total=replay.total, delivered=replay.delivered, refused=replay.refused)
        if replay
        else None,
    )


def _delivery(one: Delivery) -> DeliveryShown:
    return DeliveryShown(
        id=ids.public("dlv", one.id),
        webhook=ids.public("whk", one.webhook_id),
        event=ids.public("evt", one.event_id),
        type=one.type,
        state=one.state.value,
        created_at=one.created_at,
        attempts=one.attempts,
        next_at=one.next_at,
        settled_at=one.settled_at,
        status=one.status,
        error=one.error or None,
    )


def _attempt(one: Attempt) -> TryShown:
    return TryShown(
        number=one.number,
        began_at=one.began_at,
        duration_ms=one.duration_ms,
        status=one.status,
        error=one.error or None,
        answer=one.answer or None,
    )
