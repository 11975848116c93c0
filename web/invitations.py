"""Invitation links: signed, good for three days and for one password.

The link says whom it lets choose a password, and what it was bound to (`tenants.staff.proof`); it needs no
row. Until mail can be sent the page that invites shows it, to be handed over by the one who invites.
"""

import uuid
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from core.ids import TenantId, UserId
from tenants.errors import InvitationOverError
from web import scope

DAYS = 3
_LASTS_S = DAYS * 24 * 3600


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom a link lets in, and the proof that it was not used yet."""

    tenant_id: TenantId
    user_id: UserId
    proven: str


def link(invitation: Invitation) -> str:
    """Return the whole address to hand over."""
    token = _signer().dumps([invitation.tenant_id.hex, invitation.user_id.hex, invitation.proven])
    return f"{scope.services().settings.public_url}/welcome/{token!s}"


def read(token: str) -> Invitation:
    """Return what a link says.

    Raises:
        InvitationOverError: forged, or older than three days.
    """
    try:
        tenant, user, proven = _signer().loads(token, max_age=_LASTS_S)
        return Invitation(TenantId(uuid.UUID(tenant)), UserId(uuid.UUID(user)), str(proven))
    except (BadSignature, ValueError, TypeError) as error:
        raise InvitationOverError from error


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(scope.services().settings.secret_key, salt="seatline/invitation/v1")
