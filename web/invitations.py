"""Invitation links: signed, good for three days and for one password.

The link says whom it lets choose a password, who made it, and what it was bound to (`tenants.staff.proof`);
it needs no row. It goes out by mail, and the page that invites shows it, to be handed over, too.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from core.errors import Refused
from core.ids import TenantId, UserId
from tenants import letters, resets
from tenants.companies import Company
from tenants.errors import InvitationOverError
from tenants.users import User
from web import identity, scope

DAYS = 3
_LASTS_S = DAYS * 24 * 3600


class NoMailError(Refused):
    """The installation sends no mail, and this is done only where its owner is told by mail."""

    code = "no-mail"


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom a link lets in, who made it, and the proof that nothing it was bound to has changed."""

    tenant_id: TenantId
    user_id: UserId
    made_by: uuid.UUID
    proven: str


def link(invitation: Invitation) -> str:
    """Return the whole address to hand over."""
    named = (invitation.tenant_id, invitation.user_id, invitation.made_by)
    token = _signer().dumps([*(one.hex for one in named), invitation.proven])
    return f"{scope.services().settings.public_url}/welcome/{token!s}"


def mail(user: User, address: str, *, company: Company | None = None, session: Session | None = None) -> None:
    """Send an invitation's whole address to whom it is for; nothing goes out where no mail is sent.

    Args:
        user: for whom.
        address: see `link`.
        company: whose user that is; the signed-in person's own by default.
        session: in that company's context.
    """
    who = identity.current()
    to = company or who.company
    letters.put(
        session or scope.session(),
        tenant_id=to.tenant_id,
        vault=scope.services().vault,
        kind=letters.Kind.INVITATION,
        to=user,
        facts={
            "name": user.name,
            "email": user.email,
            "by": who.name,
            "company": to.name,
            "days": str(DAYS),
            "link": address,
        },
        good_for=dt.timedelta(days=DAYS),
    )


def is_mailed() -> bool:
    """Return whether mail is sent from here."""
    return bool(scope.services().settings.mail_url)


def insist_is_mailed() -> None:
    """Go on only where people can be told of what is done to their access.

    Raises:
        NoMailError: no mail is sent from here.
    """
    if not is_mailed():
        raise NoMailError


def mail_reset(user: User) -> None:
    """Send somebody who has come in before a link for another password, which nobody else sees."""
    services = scope.services()
    resets.send(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=services.vault,
        user_id=user.id,
        public_url=services.settings.public_url,
    )


def read(token: str) -> Invitation:
    """Return what a link says.

    Raises:
        InvitationOverError: forged, or older than three days.
    """
    try:
        tenant, user, made_by, proven = _signer().loads(token, max_age=_LASTS_S)
        return Invitation(
            TenantId(uuid.UUID(tenant)), UserId(uuid.UUID(user)), uuid.UUID(made_by), str(proven)
        )
    except (BadSignature, ValueError, TypeError) as error:
        raise InvitationOverError from error


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(scope.services().settings.secret_key, salt="seatline/invitation/v2")
