"""People of a company and what they may do: nobody gives what they do not have, and an owner always remains.

The rules for changing somebody else; `tenants.users` keeps the rows. An invitation is a link that lets its
holder choose a password once: the doorway signs it over the present password's hash, so that it dies with it.
"""

import hashlib
import secrets
from collections.abc import Iterable

from sqlalchemy.orm import Session

from core.ids import SessionId, TenantId, UserId
from security.passwords import hash_password
from security.vault import Vault
from tenants import sessions, users
from tenants.errors import InvitationOverError, LastOwnerError, RoleNotYoursError
from tenants.roles import OWNER, permitted
from tenants.users import User


def invite(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    email: str,
    name: str,
    role: str,
    language: str,
    zone: str,
    by: frozenset[str],
) -> User:
    """Add somebody who cannot sign in before the invitation's link was used.

    Args:
        session: in the company's context.
        tenant_id: the company.
        vault: seals name and address.
        email: signs in with it.
        name: as colleagues see it.
        role: one of the company's.
        language: of the pages.
        zone: of the times on them.
        by: what the inviting person may do.

    Raises:
        RoleNotYoursError: the role may do what the inviting person may not.
        EmailTakenError, MalformedEmailError, UnknownRoleError, MalformedSettingError: see `users.add`.
    """
    _insist(by, [role])
    return users.add(
        session,
        tenant_id=tenant_id,
        vault=vault,
        email=email,
        name=name,
        roles=[role],
        password_hash=hash_password(secrets.token_urlsafe(24)),  # nobody knows it
        language=language,
        zone=zone,
    )


def proof(session: Session, *, tenant_id: TenantId, user_id: UserId) -> str:
    """Return what an invitation is bound to: it changes with the password.

    Raises:
        InvitationOverError: nobody there who may come in.
    """
    known = users.credential(session, tenant_id=tenant_id, user_id=user_id)
    if known is None or not known.is_active:
        raise InvitationOverError
    return hashlib.sha256(known.password_hash.encode()).hexdigest()[:32]


def accept(
    session: Session, *, tenant_id: TenantId, user_id: UserId, proven: str, password: str
) -> list[SessionId]:
    """Set the password of somebody who holds the link; return the sessions that ended with the old one.

    Raises:
        InvitationOverError: the link was used already, or the person is let in no more.
        WeakPasswordError: see `security.passwords.check`.
    """
    if not secrets.compare_digest(proof(session, tenant_id=tenant_id, user_id=user_id), proven):
        raise InvitationOverError
    users.set_password(session, tenant_id=tenant_id, user_id=user_id, password_hash=hash_password(password))
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def change_roles(
    session: Session, *, tenant_id: TenantId, user_id: UserId, roles: Iterable[str], by: frozenset[str]
) -> list[SessionId]:
    """Give somebody other roles; return the sessions that ended with the old ones.

    Raises:
        RoleNotYoursError: the roles before or after may do what the changing person may not.
        LastOwnerError: nobody would own the company.
        UnknownRoleError, UserMissingError: what their names say.
    """
    wanted = list(roles)
    _insist(by, users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    _insist(by, wanted)
    if OWNER not in wanted:
        _leave_an_owner(session, tenant_id, user_id)
    users.give_roles(session, tenant_id=tenant_id, user_id=user_id, roles=wanted)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def shut_out(
    session: Session, *, tenant_id: TenantId, user_id: UserId, by: frozenset[str]
) -> list[SessionId]:
    """Let somebody in no more; return the sessions that ended.

    Raises:
        RoleNotYoursError: the person may do what the acting one may not.
        LastOwnerError: nobody would own the company.
    """
    _insist(by, users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    _leave_an_owner(session, tenant_id, user_id)
    users.disable(session, tenant_id=tenant_id, user_id=user_id)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def let_in(session: Session, *, tenant_id: TenantId, user_id: UserId, by: frozenset[str]) -> None:
    """Let somebody in again.

    Raises:
        RoleNotYoursError: the person may do what the acting one may not.
    """
    _insist(by, users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    users.enable(session, tenant_id=tenant_id, user_id=user_id)


def _insist(mine: frozenset[str], roles: Iterable[str]) -> None:
    if not permitted(roles) <= mine:
        raise RoleNotYoursError


def _leave_an_owner(session: Session, tenant_id: TenantId, user_id: UserId) -> None:
    if users.owners(session, tenant_id=tenant_id) == [user_id]:
        raise LastOwnerError
