"""People who sign in: e-mail and name sealed, found at the door by a blind index of the address.

One person has one account, so an address is unique across all companies: it stands in the directory
(kind `login`) as an HMAC under a key of the platform, never in clear.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, TenantId, UserId, new_id
from security import evidence
from security.vault import Field, Vault
from tenants import logins
from tenants.companies import LANGUAGES, zones
from tenants.errors import (
    MalformedEmailError,
    MalformedSettingError,
    UnknownRoleError,
    UserMissingError,
)
from tenants.models import MembershipRow, UserRow
from tenants.roles import OWNER, ROLES, Door

# Deliberately narrow: what mail systems deliver to in practice, without quoting (RFC 5321, 4.1.2).
_EMAIL = re.compile(
    r"[^\s@\"(),:;<>\[\]\\]{1,64}@[^\s@\"(),:;<>\[\]\\_]{1,190}\.[^\s@\"(),:;<>\[\]\\_.]{2,63}"
)
_LONGEST_NAME = 120


_NO_KEYS = frozenset("0123456789*#?/ ")
_MOST_KEYS, _LONGEST_DEED = 40, 20


FAMILIES = ("ctrl+alt", "alt+shift", "")


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Whether single keys do things, and which: by a page's word for a deed; absent: the usual one.

    `family`: with which keys held down they do so while somebody types, one of `FAMILIES`; empty: with none.
    """

    is_on: bool
    keys: Mapping[str, str]
    family: str = "ctrl+alt"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in, opened."""

    id: UserId
    name: str
    email: str
    roles: tuple[str, ...]
    language: str
    zone: str
    status: str
    created_at: dt.datetime | None = None
    signed_in_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What sign-in compares: nothing personal."""

    user_id: UserId
    password_hash: str
    is_active: bool


def canonical_email(text: str) -> str:
    """Return the one spelling of an address that is indexed: NFKC, no edges, casefolded.

    Raises:
        MalformedEmailError: no address, or letters of two scripts in one word (confusables).
    """
    email = unicodedata.normalize("NFKC", text[:512]).strip().casefold()
    if not _EMAIL.fullmatch(email) or not email.isprintable() or _mixes_scripts(email):
        raise MalformedEmailError
    return email


def add(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    email: str,
    name: str,
    roles: Iterable[str],
    password_hash: str,
    language: str,
    zone: str,
) -> User:
    """Add somebody to the company.

    Raises:
        EmailTakenError: the address signs in already, here or in another company.
        MalformedEmailError, UnknownRoleError, MalformedSettingError: what their names say.
    """
    canonical = canonical_email(email)
    wanted = _checked_roles(tenant_id, roles)
    _check_person(name=name, language=language, zone=zone)
    user_id = UserId(new_id())
    logins.register(session, vault=vault, email=canonical, user_id=user_id)
    row = UserRow(
        tenant_id=tenant_id,
        id=user_id,
        version=1,
        email=vault.seal(_field(tenant_id, user_id, "email", 1), canonical),
        name=vault.seal(_field(tenant_id, user_id, "name", 1), name),
        password_hash=password_hash,
        status="active",
        language=language,
        zone=zone,
        created_at=clock.now(),
        signed_in_at=None,
    )
    session.add(row)
    session.flush()
    session.add_all(MembershipRow(tenant_id=tenant_id, user_id=user_id, role=role) for role in wanted)
    session.flush()
    evidence.record(session, "user.added", "usr", user_id, roles=" ".join(wanted))
    return User(user_id, name, canonical, wanted, language, zone, "active", row.created_at)


def credential(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Credential | None:
    """Return what sign-in compares, or None when there is no such user."""
    row = session.get(UserRow, (tenant_id, user_id))
    return Credential(user_id, row.password_hash, row.status == "active") if row else None


def read(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId) -> User:
    """Return one user.

    Raises:
        UserMissingError: not in this company.
    """
    return _open(
        vault, _row(session, tenant_id, user_id), roles_of(session, tenant_id=tenant_id, user_id=user_id)
    )


def everyone(session: Session, *, tenant_id: TenantId, vault: Vault) -> Sequence[User]:
    """Return the users of a company, oldest first."""
    held: dict[UUID, list[str]] = {}
    for user_id, role in session.execute(
        select(MembershipRow.user_id, MembershipRow.role)
        .where(MembershipRow.tenant_id == tenant_id)
        .order_by(MembershipRow.role)
    ):
        held.setdefault(user_id, []).append(role)
    rows = session.scalars(select(UserRow).where(UserRow.tenant_id == tenant_id).order_by(UserRow.id))
    return [_open(vault, row, tuple(held.get(row.id, ()))) for row in rows]


def names(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_ids: Iterable[UUID]
) -> dict[UUID, str]:
    """Return the names of some users by id; ids that are not there are left out."""
    rows = session.scalars(
        select(UserRow).where(UserRow.tenant_id == tenant_id, UserRow.id.in_(list(user_ids)))
    )
    return {row.id: vault.open(_field(tenant_id, row.id, "name", row.version), row.name) for row in rows}


def roles_of(session: Session, *, tenant_id: TenantId, user_id: UserId) -> tuple[str, ...]:
    """Return the roles a user holds, in a fixed order."""
    return tuple(
        session.scalars(
            select(MembershipRow.role)
            .where(MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id)
            .order_by(MembershipRow.role)
        )
    )


def give_roles(session: Session, *, tenant_id: TenantId, user_id: UserId, roles: Iterable[str]) -> None:
    """Replace a user's roles; the doorway then ends the user's sessions (a change of privilege)."""
    _row(session, tenant_id, user_id)
    wanted = _checked_roles(tenant_id, roles)
    session.execute(
        delete(MembershipRow).where(MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id)
    )
    session.add_all(MembershipRow(tenant_id=tenant_id, user_id=user_id, role=role) for role in wanted)
    session.flush()


def set_password(session: Session, *, tenant_id: TenantId, user_id: UserId, password_hash: str) -> None:
    """Replace the password's hash; the doorway then ends the user's other sessions."""
    _row(session, tenant_id, user_id).password_hash = password_hash
    session.flush()
    evidence.record(session, "user.password-changed", "usr", user_id)


def set_language(
    session: Session, *, tenant_id: TenantId, user_id: UserId, language: str, zone: str | None = None
) -> None:
    """Choose the language, and perhaps the zone, a user reads in."""
    row = _row(session, tenant_id, user_id)
    chosen = row.zone if zone is None else zone
    _check_place(language=language, zone=chosen)
    row.language, row.zone = language, chosen
    session.flush()


def shortcuts(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Shortcuts:
    """Return what a user has made of the keys."""
    kept = _row(session, tenant_id, user_id).shortcuts or {}
    return Shortcuts(
        bool(kept.get("is_on", True)), dict(kept.get("keys", {})), kept.get("family", FAMILIES[0])
    )


def set_shortcuts(session: Session, *, tenant_id: TenantId, user_id: UserId, shortcuts: Shortcuts) -> None:
    """Keep a user's keys, on whatever machine they sign in; what they do is the page's business.

    Raises:
        MalformedSettingError: a key is not one sign, is a digit or a sign the pages use themselves, or does
            two things; or there are too many; or there is no such family.
    """
    if shortcuts.family not in FAMILIES:
        raise MalformedSettingError(field="family")
    keys = list(shortcuts.keys.values())
    fit = all(len(key) == 1 and key.isprintable() and key not in _NO_KEYS for key in keys)
    if not fit or len(set(keys)) != len(keys) or len(keys) > _MOST_KEYS:
        raise MalformedSettingError(field="keys")
    if any(not deed.isidentifier() or len(deed) > _LONGEST_DEED for deed in shortcuts.keys):
        raise MalformedSettingError(field="keys")
    row = _row(session, tenant_id, user_id)
    row.shortcuts = {
        "is_on": shortcuts.is_on,
        "keys": dict(shortcuts.keys),
        "family": shortcuts.family,
    }
    session.flush()


def disable(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Let somebody in no more; the doorway then ends the user's sessions."""
    _row(session, tenant_id, user_id).status = "disabled"
    session.flush()


def enable(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Let somebody in again who was let in no more."""
    _row(session, tenant_id, user_id).status = "active"
    session.flush()


def owners(session: Session, *, tenant_id: TenantId) -> list[UserId]:
    """Return who owns the company and may come in."""
    found = session.scalars(
        select(MembershipRow.user_id)
        .join(
            UserRow,
            and_(UserRow.tenant_id == MembershipRow.tenant_id, UserRow.id == MembershipRow.user_id),
        )
        .where(
            MembershipRow.tenant_id == tenant_id,
            MembershipRow.role == OWNER,
            UserRow.status == "active",
        )
        .with_for_update()
    )
    return [UserId(user_id) for user_id in found]


def _row(session: Session, tenant_id: TenantId, user_id: UserId) -> UserRow:
    row = session.get(UserRow, (tenant_id, user_id))
    if row is None:
        raise UserMissingError
    return row


def _open(vault: Vault, row: UserRow, roles: tuple[str, ...]) -> User:
    return User(
        UserId(row.id),
        vault.open(_field(row.tenant_id, row.id, "name", row.version), row.name),
        vault.open(_field(row.tenant_id, row.id, "email", row.version), row.email),
        roles,
        row.language,
        row.zone,
        row.status,
        row.created_at,
        row.signed_in_at,
    )


def _field(tenant_id: UUID, user_id: UUID, column: str, version: int) -> Field:
    return Field(tenant_id, "users", column, user_id, version)


def _checked_roles(tenant_id: TenantId, roles: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(roles)))
    if not wanted:
        raise UnknownRoleError
    for name in wanted:
        role = ROLES.get(name)
        if role is None or (role.door is Door.OPERATOR and tenant_id != OPERATOR):
            raise UnknownRoleError
        if role.door is Door.PORTAL and tenant_id == OPERATOR:
            raise UnknownRoleError
    return wanted


def _check_person(*, name: str, language: str, zone: str) -> None:
    if not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise MalformedSettingError(field="name")
    _check_place(language=language, zone=zone)


def _check_place(*, language: str, zone: str) -> None:
    if language not in LANGUAGES:
        raise MalformedSettingError(field="language")
    if zone not in zones():
        raise MalformedSettingError(field="zone")


def _mixes_scripts(email: str) -> bool:
    """Tell whether Latin letters stand beside Greek or Cyrillic ones, which look the same."""
    scripts = {unicodedata.name(sign, "").split(" ")[0] for sign in email if sign.isalpha()}
    return len(scripts & {"LATIN", "GREEK", "CYRILLIC"}) > 1
