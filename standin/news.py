"""Webhooks on their way: signed, tried again, and on demand held back, twice, late and out of order.

Signature: `t=<seconds>,v1=<HMAC-SHA256 of "t.body">` (docs.stripe.com/webhooks#verify-manually).
"""

import hashlib
import hmac
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

from standin.api import Stripe
from standin.store import Delivery

# Stripe tries for three days; here the waits are short, because a person is waiting
WAITS_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
_TIMEOUT_S = 10.0


class Post:
    """Carries news to the endpoints that want it."""

    def __init__(self, api: Stripe) -> None:
        """Carry the news of this API."""
        self._api, self._store = api, api.store

    def run(self, stop: threading.Event) -> None:
        """Carry until told to stop."""
        while not stop.is_set():
            self._api.news.wait(0.25)
            self._api.news.clear()
            self._api.tick()
            self.carry()

    def carry(self) -> None:
        """Try every delivery whose time has come, once."""
        with self._api.lock:
            waiting = self._store.waiting(now=time.time())
        for delivery in waiting:
            status = self._deliver(delivery)
            is_done = 200 <= status < 300  # noqa: PLR2004 - any success
            again = None
            if not is_done and delivery.attempt < len(WAITS_S):
                again = time.time() + WAITS_S[delivery.attempt]
            with self._api.lock:
                self._store.delivered(delivery, status=status, again_at=again)

    def hold(self, *, held: bool) -> None:
        """Keep news back from now on, or let it go as it comes."""
        with self._api.lock:
            self._store.choose("webhooks", "hold" if held else "send")

    def release(self, *, order: str = "as-made", times: int = 1) -> int:
        """Let go what was held back: in which order, and how often each; return how many deliveries."""
        with self._api.lock, self._store.transaction():
            held = self._store.held()
            for one in held[::-1] if order == "reversed" else held:
                for _ in range(times):
                    self._store.send(one.event, one.endpoint, due=time.time())
                self._store.drop(one)
        self._api.news.set()
        return len(held) * times

    def _deliver(self, delivery: Delivery) -> int:
        with self._api.lock:
            event = self._store.get(delivery.event)
            endpoint = self._store.get(delivery.endpoint)
            secret = self._store.hidden(delivery.endpoint).get("secret", "")
        if event is None or endpoint is None:
            return 410
        body = json.dumps(event, indent=2).encode()
        where = urlsplit(endpoint["url"])
        if where.hostname != "localhost" and not (where.hostname or "").startswith("127."):
            return 0  # nothing leaves the machine
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT_S)
        try:
            line.request(
                "POST",
                where.path,
                body,
                {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": sign(body, secret)},
            )
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            line.close()


def sign(body: bytes, secret: str, *, at: float | None = None) -> str:
    """Return the header that proves the body is ours."""
    stamp = int(time.time() if at is None else at)
    proof = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={proof}"
