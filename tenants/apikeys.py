"""API keys: `seatline_live_<key id>_<43 signs>_<crc>`, shown once, kept as SHA-256.

A key opens what it was made for as far as its maker may still do it (`tenants.rights`).
256 random bits need no slow hash (ASVS 5.0, 6.5.2); the fixed prefix and the checksum let a scanner find
a leaked key, and let us refuse a mistyped one without asking the database.
"""

import datetime as dt
import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import KeyId, TenantId, UserId, new_id
from security import gate
from tenants import access_log, alarms, networks, rights
from tenants.access_log import Deed
from tenants.errors import (
    ApiKeyMissingError,
    KeyElsewhereError,
    MalformedKeyError,
    ScopeNotYoursError,
    UnknownScopeError,
)
from tenants.models import ApiKeyRow
from tenants.roles import SCOPES
from tenants.sessions import new_secret

PREFIX = "seatline_live"
EXPOSED = "key-in-address"
# Versions of the API that a key can be pinned to, oldest first. A new one is made when consumers would have
# to change something; what is only added needs none.
VERSIONS = ("2026-11-22",)
_TOKEN = re.compile(rf"({PREFIX}_([0-9a-z]{{26}})_([A-Za-z0-9_-]{{43}}))_([0-9a-f]{{8}})", re.ASCII)
_LONGEST_NAME = 80
_TOUCH = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its company sees it; the secret is not in it.

    `scopes` is what it was made for, `opens` what of it stands now: never more than its maker may do.
    """

    id: KeyId
    name: str
    scopes: tuple[str, ...]
    opens: tuple[str, ...]
    made_by: UUID
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    api_version: str
    networks: tuple[str, ...] = ()

    @property
    def hint(self) -> str:
        """Return the beginning of the key, enough to recognise it in a program's settings."""
        return f"{PREFIX}_{ids.public('key', self.id)[4:]}"

    @property
    def is_over(self) -> bool:
        """Whether its time is up; a revoked key need not be."""
        return self.expires_at is not None and self.expires_at <= clock.now()

    @property
    def is_narrowed(self) -> bool:
        """Whether it would open more if its maker still could: somebody should know, and make another."""
        return self.revoked_at is None and not self.is_over and self.opens != self.scopes


def make(
    session: Session,
    *,
    tenant_id: TenantId,
    name: str,
    scopes: Iterable[str],
    made_by: UUID,
    permissions: frozenset[str],
    expires_at: dt.datetime | None = None,
    within: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key, pinned to the newest version; return it and its token, which is shown once, kept nowhere.

    `made_by` is the user or the key that asks; the new key never opens more than that one may,
    nor from elsewhere: a key bound to networks makes keys that are bound to them. `within`: networks (CIDR).

    Raises:
        UnknownScopeError: a scope no key can have, or none at all.
        ScopeNotYoursError: a scope the maker's own `permissions` do not cover, or a network beyond its own.
        MalformedKeyError: no name, an end in the past, or what is no network.
    """
    wanted = tuple(sorted(set(scopes)))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise UnknownScopeError
    if not set(wanted) <= permissions:
        raise ScopeNotYoursError
    if not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise MalformedKeyError(field="name")
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise MalformedKeyError(field="expires_at")
    maker = session.get(ApiKeyRow, (tenant_id, made_by))
    makers = maker.networks.split() if maker else []
    bound = networks.parsed(within) or tuple(makers)
    if not networks.are_within(bound, makers):
        raise ScopeNotYoursError
    key_id = KeyId(new_id())
    head = f"{PREFIX}_{ids.public('key', key_id)[4:]}_{new_secret()}"
    token = f"{head}_{_crc(head)}"
    hashed = hashlib.sha256(token.encode()).digest()
    row = ApiKeyRow(
        tenant_id=tenant_id,
        id=key_id,
        name=name,
        digest=hashed,
        scopes=" ".join(wanted),
        created_by=made_by,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
        api_version=VERSIONS[-1],
        networks=" ".join(bound),
    )
    session.add(row)
    session.flush()
    made = _key(session, row)
    if not made.opens:  # the maker is nobody, or the end of a line of keys that make keys
        raise ScopeNotYoursError
    gate.register(session, kind="api-key", key=hashed, ref_id=key_id)
    access_log.write(session, by=made_by, deed=Deed.KEY_MADE, key_id=key_id)
    return made, token


def digest(token: str) -> bytes | None:
    """Return the directory key of a token, or None when it cannot be one of ours."""
    parts = _TOKEN.fullmatch(token)
    if parts is None or _crc(parts[1]) != parts[4]:
        return None
    return hashlib.sha256(token.encode()).digest()


def find(
    session: Session, *, tenant_id: TenantId, key_id: KeyId, digest: bytes, address: str
) -> ApiKey | None:
    """Return the key behind a token while it opens anything, or None; marks it as used.

    Raises:
        KeyElsewhereError: the program's address is in none of the key's networks.
    """
    row = session.get(ApiKeyRow, (tenant_id, key_id))
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    key = _key(session, row)
    if not key.opens:
        return None
    if not networks.holds(key.networks, address):
        raise KeyElsewhereError(company=tenant_id)
    now = clock.now()
    if row.last_used_at is None or now - row.last_used_at >= _TOUCH:
        row.last_used_at = now
        session.flush()
    return key


def page(
    session: Session, *, tenant_id: TenantId, limit: int, after: KeyId | None = None
) -> Sequence[ApiKey]:
    """Return up to `limit` keys, newest first, beginning after a key."""
    query = select(ApiKeyRow).where(ApiKeyRow.tenant_id == tenant_id)
    if after is not None:
        query = query.where(ApiKeyRow.id < after)
    return _keys(session, session.scalars(query.order_by(ApiKeyRow.id.desc()).limit(limit)).all())


def made_by(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Sequence[ApiKey]:
    """Return the keys that open something by this person's rights, newest first: they end with them."""
    rows = session.scalars(
        select(ApiKeyRow)
        .where(
            ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.created_by == user_id, ApiKeyRow.revoked_at.is_(None)
        )
        .order_by(ApiKeyRow.id.desc())
    ).all()
    return [key for key in _keys(session, rows) if key.opens]


def narrowed(session: Session, *, tenant_id: TenantId) -> Sequence[ApiKey]:
    """Return the live keys that open less than they were made for, newest first."""
    rows = session.scalars(
        select(ApiKeyRow)
        .where(
            ApiKeyRow.tenant_id == tenant_id,
            ApiKeyRow.revoked_at.is_(None),
            or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > clock.now()),
        )
        .order_by(ApiKeyRow.id.desc())
    ).all()
    return [key for key in _keys(session, rows) if key.is_narrowed]


def names(session: Session, *, tenant_id: TenantId, key_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of some keys by id; ids that are not keys' are left out."""
    rows = session.execute(
        select(ApiKeyRow.id, ApiKeyRow.name).where(
            ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.id.in_(list(key_ids))
        )
    )
    return {key_id: name for key_id, name in rows}  # noqa: C416 - rows are no pairs for mypy


def read(session: Session, *, tenant_id: TenantId, key_id: KeyId) -> ApiKey:
    """Return one key.

    Raises:
        ApiKeyMissingError: not in this company.
    """
    return _key(session, _row(session, tenant_id, key_id))


def revoke(session: Session, *, tenant_id: TenantId, key_id: KeyId, by: UUID) -> ApiKey:
    """Make a key open nothing from now on; revoking twice changes nothing.

    Raises:
        ApiKeyMissingError: not in this company.
    """
    row = _row(session, tenant_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        gate.unregister(session, kind="api-key", key=row.digest)
        access_log.write(session, by=by, deed=Deed.KEY_REVOKED, key_id=key_id)
    return _key(session, row)


def expose(session: Session, *, tenant_id: TenantId, key_id: KeyId) -> None:
    """Revoke a key that stood where logs and histories keep it, and raise an alarm."""
    revoke(session, tenant_id=tenant_id, key_id=key_id, by=key_id)
    alarms.raise_alarm(session, EXPOSED, tenant_id=tenant_id, subject=ids.public("key", key_id))


def _row(session: Session, tenant_id: TenantId, key_id: KeyId) -> ApiKeyRow:
    row = session.get(ApiKeyRow, (tenant_id, key_id))
    if row is None:
        raise ApiKeyMissingError
    return row


def _keys(session: Session, rows: Iterable[ApiKeyRow]) -> list[ApiKey]:
    """Return keys, asking once for each person who made some of them."""
    asked: dict[UUID, frozenset[str]] = {}
    return [_key(session, row, asked) for row in rows]


def _key(session: Session, row: ApiKeyRow, asked: dict[UUID, frozenset[str]] | None = None) -> ApiKey:
    scopes = tuple(row.scopes.split())
    opens = rights.of(session, tenant_id=TenantId(row.tenant_id), principal_id=row.id, asked=asked)
    return ApiKey(
        KeyId(row.id),
        row.name,
        scopes,
        tuple(one for one in scopes if one in opens),
        row.created_by,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
        row.api_version,
        tuple(row.networks.split()),
    )


def _crc(head: str) -> str:
    return f"{zlib.crc32(head.encode()):08x}"
