"""Sealed orders: what a job says is believed only when we have written it for this job and this queue.

RQ's JSON serialiser does not make Redis safe, because the function's name is data (reference: security
2.10). So a job carries one argument, AES-256-GCM under a key of its queue, bound to job id and queue, and
names a task instead of a function.
"""

import base64
import binascii
import json
import os
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import Refused
from security.keys import RootKey

_NONCE = 12
_LIFETIME_S = 24 * 3600


class OrderRefusedError(Refused):
    """A job that we have not written, not for this place, or too long ago."""

    code = "order-refused"


class OrderExpiredError(OrderRefusedError):
    """A job we have written too long ago: an outage, or somebody kept it; what is owed comes anew."""

    code = "order-expired"


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do: one handler's or periodic task's duties in one batch."""

    queue: str
    job_id: str
    task: str


class Envelopes:
    """Seals and opens orders with keys derived from the root, one for each queue."""

    def __init__(self, root: RootKey) -> None:
        self._root = root
        self._sealers: dict[str, AESGCM] = {}

    def seal(self, order: Order) -> str:
        """Return the order as the one argument of its job; good for a day."""
        body = json.dumps({"task": order.task, "expires": int(time.time()) + _LIFETIME_S})
        nonce = os.urandom(_NONCE)
        sealed = self._sealer(order.queue).encrypt(nonce, body.encode(), _place(order.queue, order.job_id))
        return base64.urlsafe_b64encode(nonce + sealed).decode("ascii")

    def open(self, envelope: object, *, queue: str, job_id: str) -> Order:
        """Return the order again.

        Raises:
            OrderRefusedError: anything else than what `seal` returned for this job in this queue.
        """
        if not isinstance(envelope, str):
            raise OrderRefusedError
        try:
            raw = base64.b64decode(envelope, altchars=b"-_", validate=True)
            body = self._sealer(queue).decrypt(raw[:_NONCE], raw[_NONCE:], _place(queue, job_id))
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise OrderRefusedError from error
        opened = json.loads(body)
        if opened["expires"] < time.time():
            raise OrderExpiredError
        return Order(queue=queue, job_id=job_id, task=opened["task"])

    def _sealer(self, queue: str) -> AESGCM:
        if queue not in self._sealers:
            self._sealers[queue] = AESGCM(self._root.derive(f"jobs/{queue}/v1"))
        return self._sealers[queue]


def _place(queue: str, job_id: str) -> bytes:
    return json.dumps(["seatline job 1", queue, job_id]).encode()
