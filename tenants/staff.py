"""People of a company and what they may do: nobody gives what they do not have, and an owner always remains.

The rules for changing somebody else; `tenants.users` keeps the rows, `tenants.access_log` who did it. An
invitation is a link that lets its holder choose a password once. The doorway signs it over the present
password's hash, the roles and who made it: it ends with any of them, and with its maker's right to give them.
"""

import hashlib
import secrets
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from core.ids import SessionId, TenantId, UserId
from security.passwords import hash_password
from security.vault import Vault
from tenants import access_log, letters, passkeys, rights, second_step, sessions, users
from tenants.access_log import Deed
from tenants.errors import InvitationOverError, LastOwnerError, OwnerIsInError, RoleNotYoursError
from tenants.roles import OWNER, permitted
from tenants.users import User

_DEEDS = 50  # of one person's access, newest first


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
    principal_id: UUID,
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
        by: what the inviting person or key may give.
        principal_id: of that person or key.

    Raises:
        RoleNotYoursError: the role may do what the inviting person may not.
        EmailTakenError, MalformedEmailError, UnknownRoleError, MalformedSettingError: see `users.add`.
    """
    _insist(by, [role])
    user = users.add(
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
    access_log.write(session, by=principal_id, deed=Deed.INVITED, user_id=user.id, now=user.roles)
    return user


def invite_owner(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    email: str,
    name: str,
    language: str,
    zone: str,
    principal_id: UUID,
) -> User:
    """Add the first owner of a company just opened, who cannot sign in before the link was used.

    Args:
        session: in the company's context.
        tenant_id: the company, which nobody owns yet.
        vault: seals name and address.
        email: signs in with it.
        name: as colleagues will see it.
        language: of the pages.
        zone: of the times on them.
        principal_id: of the operator's person who opens the company.

    Raises:
        EmailTakenError, MalformedEmailError, MalformedSettingError: see `users.add`.
    """
    user = users.add(
        session,
        tenant_id=tenant_id,
        vault=vault,
        email=email,
        name=name,
        roles=[OWNER],
        password_hash=hash_password(secrets.token_urlsafe(24)),  # nobody knows it
        language=language,
        zone=zone,
    )
    access_log.write(session, by=principal_id, deed=Deed.INVITED, user_id=user.id, now=user.roles)
    return user


def awaited_owner(session: Session, *, tenant_id: TenantId, vault: Vault) -> User | None:
    """Return the owner of a company while they are its only one and have chosen no password, else None."""
    owners = users.owners(session, tenant_id=tenant_id)
    if len(owners) != 1:
        return None
    user = users.read(session, tenant_id=tenant_id, vault=vault, user_id=owners[0])
    deeds = access_log.of_user(session, tenant_id=tenant_id, user_id=user.id, limit=_DEEDS)
    has_chosen = any(one.deed is Deed.CHOSEN for one in deeds)
    return None if user.signed_in_at or has_chosen else user


def link_owner(
    session: Session, *, tenant_id: TenantId, vault: Vault, principal_id: UUID
) -> tuple[User, str]:
    """Return the awaited first owner and the proof for their link; that it was made is on record.

    Nobody of the company stands above them, so the link is bound to themselves: to the password nobody
    knows and to their own roles. Once they have chosen one, the operator makes them no link any more.

    Raises:
        OwnerIsInError: the owner has chosen a password; from then on its people help each other.
    """
    user = awaited_owner(session, tenant_id=tenant_id, vault=vault)
    if user is None:
        raise OwnerIsInError
    access_log.write(session, by=principal_id, deed=Deed.LINK_MADE, user_id=user.id)
    return user, proof(session, tenant_id=tenant_id, user_id=user.id, made_by=user.id)


def may_link(*, roles: Iterable[str], is_new: bool, by: frozenset[str]) -> bool:
    """Return whether somebody may make a link that sets a person's password, and so come in as them.

    Over a lower rank only, an owner over everybody. `is_new`: the person has never signed in, so that the
    link is only the invitation again, for whoever may invite to that role.
    """
    held = permitted(roles)
    return held < by or (held <= by and (is_new or permitted([OWNER]) <= by))


def make_link(
    session: Session,
    *,
    tenant_id: TenantId,
    user_id: UserId,
    is_new: bool,
    by: frozenset[str],
    principal_id: UUID,
) -> str:
    """Return the proof for a link that lets a person choose another password; that it was made is on record.

    Raises:
        RoleNotYoursError: see `may_link`.
        InvitationOverError: nobody there who may come in.
    """
    roles = users.roles_of(session, tenant_id=tenant_id, user_id=user_id)
    if not may_link(roles=roles, is_new=is_new, by=by):
        raise RoleNotYoursError
    access_log.write(session, by=principal_id, deed=Deed.LINK_MADE, user_id=user_id)
    return proof(session, tenant_id=tenant_id, user_id=user_id, made_by=principal_id)


def proof(session: Session, *, tenant_id: TenantId, user_id: UserId, made_by: UUID) -> str:
    """Return what a link is bound to: it changes with the password, the roles and who made it.

    Raises:
        InvitationOverError: nobody there who may come in, or its maker may not give those roles any more.
    """
    known = users.credential(session, tenant_id=tenant_id, user_id=user_id)
    roles = users.roles_of(session, tenant_id=tenant_id, user_id=user_id)
    mine = rights.to_give(session, tenant_id=tenant_id, principal_id=made_by)
    if known is None or not known.is_active or not permitted(roles) <= mine or "users.write" not in mine:
        raise InvitationOverError
    bound = "\n".join((known.password_hash, " ".join(roles), made_by.hex))
    return hashlib.sha256(bound.encode()).hexdigest()[:32]


def accept(
    session: Session, *, tenant_id: TenantId, user_id: UserId, made_by: UUID, proven: str, password: str
) -> list[SessionId]:
    """Set the password of somebody who holds the link; return the sessions that ended with the old one.

    Raises:
        InvitationOverError: the link was used already, or something it was bound to is no more.
        WeakPasswordError: see `security.passwords.check`.
    """
    present = proof(session, tenant_id=tenant_id, user_id=user_id, made_by=made_by)
    if not secrets.compare_digest(present, proven):
        raise InvitationOverError
    users.set_password(session, tenant_id=tenant_id, user_id=user_id, password_hash=hash_password(password))
    access_log.write(session, by=made_by, deed=Deed.CHOSEN, user_id=user_id)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def change_roles(
    session: Session,
    *,
    tenant_id: TenantId,
    user_id: UserId,
    roles: Iterable[str],
    by: frozenset[str],
    principal_id: UUID,
) -> list[SessionId]:
    """Give somebody other roles; return the sessions that ended with the old ones.

    Raises:
        RoleNotYoursError: the roles before or after may do what the changing person may not.
        LastOwnerError: nobody would own the company.
        UnknownRoleError, UserMissingError: what their names say.
    """
    wanted, was = list(roles), users.roles_of(session, tenant_id=tenant_id, user_id=user_id)
    _insist(by, was)
    _insist(by, wanted)
    if OWNER not in wanted:
        _leave_an_owner(session, tenant_id, user_id)
    users.give_roles(session, tenant_id=tenant_id, user_id=user_id, roles=wanted)
    access_log.write(
        session,
        by=principal_id,
        deed=Deed.ROLE_CHANGED,
        user_id=user_id,
        was=was,
        now=wanted,
    )
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def shut_out(
    session: Session, *, tenant_id: TenantId, user_id: UserId, by: frozenset[str], principal_id: UUID
) -> list[SessionId]:
    """Let somebody in no more, nor the keys they made; return the sessions that ended.

    Raises:
        RoleNotYoursError: the person may do what the acting one may not.
        LastOwnerError: nobody would own the company.
    """
    _insist(by, users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    _leave_an_owner(session, tenant_id, user_id)
    users.disable(session, tenant_id=tenant_id, user_id=user_id)
    access_log.write(session, by=principal_id, deed=Deed.SHUT_OUT, user_id=user_id)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def take_second_step(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, principal_id: UUID
) -> list[SessionId]:
    """Take codes and passkeys from somebody who has lost them; return the sessions that ended.

    An owner does it, for who is none: the password stays the person's own, and they are told by mail, so
    nobody comes in by this alone (T38).

    Raises:
        RoleNotYoursError: the acting one is no owner, or the other is one.
    """
    acting = users.roles_of(session, tenant_id=tenant_id, user_id=UserId(principal_id))
    if OWNER not in acting or OWNER in users.roles_of(session, tenant_id=tenant_id, user_id=user_id):
        raise RoleNotYoursError
    second_step.remove(session, tenant_id=tenant_id, user_id=user_id)
    passkeys.remove_all(session, tenant_id=tenant_id, user_id=user_id)
    access_log.write(session, by=principal_id, deed=Deed.STEP_TAKEN, user_id=user_id)
    letters.tell(session, letters.Kind.SECOND_STEP_TAKEN, tenant_id=tenant_id, vault=vault, user_id=user_id)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def has_second_step(session: Session, *, tenant_id: TenantId, user_id: UserId) -> bool:
    """Return whether a password alone lets nobody in as this person."""
    return passkeys.has_any(session, tenant_id=tenant_id, user_id=user_id) or second_step.is_on(
        session, tenant_id=tenant_id, user_id=user_id
    )


def let_in(
    session: Session, *, tenant_id: TenantId, user_id: UserId, by: frozenset[str], principal_id: UUID
) -> None:
    """Let somebody in again, and the keys they made.

    Raises:
        RoleNotYoursError: the person may do what the acting one may not.
    """
    _insist(by, users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    users.enable(session, tenant_id=tenant_id, user_id=user_id)
    access_log.write(session, by=principal_id, deed=Deed.LET_IN, user_id=user_id)


def _insist(mine: frozenset[str], roles: Iterable[str]) -> None:
    if not permitted(roles) <= mine:
        raise RoleNotYoursError


def _leave_an_owner(session: Session, tenant_id: TenantId, user_id: UserId) -> None:
    if users.owners(session, tenant_id=tenant_id) == [user_id]:
        raise LastOwnerError
