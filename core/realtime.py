"""Live messages over Redis pub/sub, and small shared values.

Redis is a wake-up and a scratch pad, never truth, and never sees personal data. Every message names its
tenant and its topic, and both are compared on arrival, so that a reply left in a pooled connection can
never reach another tenant (reference: security, M5).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis

PREFIX = "seatline"


def channel(tenant_id: UUID, topic: str) -> str:
    """Return the one spelling of a live channel: tenant first, then the topic."""
    return f"{PREFIX}:t:{tenant_id}:live:{topic}"


def key(tenant_id: UUID, purpose: str, name: str) -> str:
    """Return the one spelling of a Redis key of a tenant."""
    return f"{PREFIX}:t:{tenant_id}:{purpose}:{name}"


@dataclass(frozen=True, slots=True)
class Message:
    """One live message: who it belongs to, what it is about, ids and values."""

    tenant_id: UUID
    topic: str
    body: dict[str, Any]


class Realtime:
    """Publishes and hears live messages; loses them when Redis is away, by design."""

    def __init__(self, url: str) -> None:
        self.redis: redis.Redis = redis.Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=15
        )

    def publish(self, tenant_id: UUID, topic: str, body: dict[str, Any]) -> bool:
        """Tell the tenant's live pages; return False when Redis is away (the page will catch up)."""
        try:
            self.redis.publish(channel(tenant_id, topic), _enveloped(tenant_id, topic, body))
        except redis.RedisError:
            return False
        return True

    def publish_all(self, tenant_id: UUID, bodies: Mapping[str, dict[str, Any]]) -> bool:
        """Tell several topics of a tenant in one go; return False when Redis is away."""
        pipe = self.redis.pipeline(transaction=False)
        for topic, body in bodies.items():
            pipe.publish(channel(tenant_id, topic), _enveloped(tenant_id, topic, body))
        try:
            pipe.execute()
        except redis.RedisError:
            return False
        return True

    def listen(self, pattern: str, *, timeout_s: float = 1.0) -> Iterator[Message | None]:
        """Yield messages of channels matching `pattern` for ever; None when `timeout_s` passed.

        Raises:
            redis.RedisError: the connection was lost; the caller decides how to come back.
        """
        hub = self.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py leaves it bare
        try:
            hub.psubscribe(pattern)
            while True:
                raw = hub.get_message(timeout=timeout_s)
                yield decode(raw) if raw else None
        finally:
            hub.close()


def _enveloped(tenant_id: UUID, topic: str, body: dict[str, Any]) -> str:
    return json.dumps({"t": str(tenant_id), "k": topic, "v": body}, default=str)


def decode(raw: dict[str, Any]) -> Message | None:
    """Return the message, or None when its envelope and its channel disagree."""
    name = raw["channel"].decode() if isinstance(raw["channel"], bytes) else raw["channel"]
    try:
        envelope = json.loads(raw["data"])
        message = Message(UUID(envelope["t"]), envelope["k"], envelope["v"])
    except (ValueError, KeyError, TypeError):
        return None
    if channel(message.tenant_id, message.topic) != name:
        return None
    return message
