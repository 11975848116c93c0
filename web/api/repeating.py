"""`Idempotency-Key`: a POST sent twice acts once (draft-ietf-httpapi-idempotency-key-header-07).

The claim is a transaction of its own; the answer is settled in the transaction of the effect, see
`tenants.repeats`. Requests that failed are not kept: a corrected one may use the same key.
"""

import hashlib
from collections.abc import Callable
from uuid import UUID

from flask import Response, request

from core.errors import Conflict, Invalid
from tenants import repeats
from tenants.repeats import Claim
from web import identity, scope, uploads

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_LONGEST = 255
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")
_FIRST_ERROR = 400


class KeyRunningError(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency-key-running"


class KeyReusedError(Invalid):
    """The key was used for another request."""

    code = "idempotency-key-reused"


class MalformedIdempotencyKeyError(Invalid):
    """The key is empty, too long, or not printable ASCII."""

    code = "malformed-idempotency-key"


def once(act: Callable[[], Response]) -> Response:
    """Act, or repeat the answer that the same key got before.

    Raises:
        KeyRunningError, KeyReusedError, MalformedIdempotencyKeyError: what their names say.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise MalformedIdempotencyKeyError
    who, vault = identity.current(), scope.services().vault
    with scope.within(who.tenant_id, principal_id=who.principal_id) as session:
        claimed = repeats.claim(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            principal_id=who.principal_id,
            key=key,
            request_hash=_request_hash(),
        )
    if claimed.claim is Claim.RUNNING:
        raise KeyRunningError
    if claimed.claim is Claim.DIFFERENT:
        raise KeyReusedError
    if claimed.claim is Claim.DONE:
        return Response(claimed.body, claimed.status, [*claimed.headers, (REPLAYED, "true")])
    try:
        response = act()
        if response.status_code < _FIRST_ERROR:
            repeats.settle(
                scope.session(),
                tenant_id=who.tenant_id,
                vault=vault,
                principal_id=who.principal_id,
                key=key,
                attempt=claimed.attempt,
                status=response.status_code,
                body=response.get_data(as_text=True),
                headers=tuple(
                    (name, response.headers[name]) for name in _KEPT_HEADERS if name in response.headers
                ),
            )
            return response
    except BaseException:
        _release(who, key, claimed.attempt)
        raise
    _release(who, key, claimed.attempt)
    return response


def _release(who: identity.Principal, key: str, attempt: UUID) -> None:
    scope.rollback()
    with scope.within(who.tenant_id, principal_id=who.principal_id) as session:
        repeats.release(
            session, tenant_id=who.tenant_id, principal_id=who.principal_id, key=key, attempt=attempt
        )


def _request_hash() -> bytes:
    digest = hashlib.sha256()
    body = uploads.digest() or request.get_data()
    for part in (request.method.encode(), request.full_path.encode(), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
