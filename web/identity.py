"""Who is asking: a person behind a session, or a program behind an API key.

flask-login keeps `current_user`; the user is loaded by the session, never by a user id. Its session
protection is off (it trusts a forged X-Forwarded-For) and its remember cookie is neither set nor read.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import Flask, g, request
from flask_login import LoginManager, current_user
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from core import clock
from core.errors import SeatlineError
from core.ids import KeyId, SessionId, TenantId, UserId
from security.gate import Kind, Scope
from tenants import apikeys, companies, sessions, users
from tenants.apikeys import ApiKey
from tenants.companies import Company
from tenants.errors import ApiKeyMissingError, UserMissingError
from tenants.roles import Door, door_of, permitted
from tenants.sessions import SignedIn
from web import scope

_WALL_SAYS_NO = "42501"
_FRESH = dt.timedelta(minutes=15)
# what a page fetches by itself does not keep a session alive
_BY_ITSELF = ("/live/", "/portal/live/")


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """Whoever is asking, with what they may do right now."""

    tenant_id: TenantId
    principal_id: UUID
    permissions: frozenset[str]
    company: Company
    door: Door
    roles: tuple[str, ...] = ()
    name: str = ""
    email: str = ""
    language: str = ""
    zone: str = ""
    session_id: SessionId | None = None
    started_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    key_id: KeyId | None = None
    api_version: str = ""
    is_step_required: bool = False  # a second step is wanted of this person
    has_second_step: bool = True

    @property
    def user_id(self) -> UserId:
        """The person's id; only people have one."""
        return UserId(self.principal_id)

    @property
    def is_fresh(self) -> bool:
        """Whether this person proved who they are a moment ago: a screen left unlocked is not enough."""
        return self.started_at is not None and clock.now() < self.started_at + _FRESH

    @property
    def must_enrol(self) -> bool:
        """Whether this person sets up a second step before anything else."""
        return self.is_step_required and not self.has_second_step

    @property
    def is_authenticated(self) -> bool:
        """For flask-login."""
        return True

    @property
    def is_active(self) -> bool:
        """For flask-login; somebody disabled has no live session."""
        return True

    @property
    def is_anonymous(self) -> bool:
        """For flask-login."""
        return False

    def get_id(self) -> str:
        """For flask-login; the session's id, which loads nothing by itself."""
        return str(self.session_id)


class NotSignedInError(SeatlineError):
    """Nobody is signed in, or the session is over."""

    code = "sign-in-required"
    kind = "not-signed-in"


class BadKeyError(SeatlineError):
    """There is no live API key in the `Authorization` header."""

    code = "bad-api-key"
    kind = "not-signed-in"


class KeyInAddressError(SeatlineError):
    """An API key stood in the address, where logs and histories keep it; the key should be revoked."""

    code = "key-in-address"
    kind = "malformed"


class _Login(LoginManager):  # type: ignore[misc] # flask-login ships no types
    def _load_user_from_remember_cookie(self, cookie: str) -> None:
        """Read no remember cookie: it would be a second, unending way in."""


def install(flask_app: Flask) -> None:
    """Give the application flask-login over our own sessions."""
    login = _Login()
    login.session_protection = None
    login.user_loader(_by_session)
    login.init_app(flask_app, add_context_processor=False)


def current() -> Principal:
    """Return who is asking.

    Raises:
        NotSignedInError: nobody is.
        BadKeyError: a program is, without a live key.
    """
    if request.blueprint == "api":
        return _by_key()
    found = current_user
    if not found.is_authenticated:
        raise NotSignedInError
    return cast("Principal", found._get_current_object())  # noqa: SLF001 - out of flask-login's proxy


def known() -> Principal | None:
    """Return who is asking when that is known already; asks nobody. For error pages and log lines."""
    found: Any = g.get("_login_user") or g.get("seatline_key")
    return found if isinstance(found, Principal) else None


def _by_session(digest_hex: str) -> Principal | None:
    """Return who a session belongs to; flask-login calls this with what the cookie implies."""
    digest = bytes.fromhex(digest_hex)
    entry = scope.gate().resolve("session", digest)
    if entry is None:
        return None
    try:
        session = scope.enter(Scope(entry.tenant_id, entry.ref_id, Kind.USER))
        found = sessions.find(
            session,
            tenant_id=entry.tenant_id,
            vault=scope.services().vault,
            digest=digest,
            touch=not request.path.startswith(_BY_ITSELF),
        )
    except ProgrammingError as error:
        if not is_refused(error):
            raise
        found = None
    if found is None or found.user_id != entry.ref_id:
        scope.leave()
        return None
    return Principal(
        tenant_id=found.tenant_id,
        principal_id=found.user_id,
        permissions=found.permissions,
        company=found.company,
        door=found.door,
        roles=found.roles,
        name=found.name,
        email=found.email,
        language=found.language,
        zone=found.zone,
        session_id=found.session_id,
        started_at=found.started_at,
        expires_at=found.expires_at,
        is_step_required=_is_step_required(found),
        has_second_step=found.has_second_step,
    )


def _is_step_required(found: SignedIn) -> bool:
    is_staff = found.door is Door.OPERATOR
    return found.company.requires_second_step or (
        is_staff and scope.services().settings.must_staff_have_second_step
    )


def _by_key() -> Principal:
    cached: Principal | None = g.get("seatline_key")
    if cached is not None:
        return cached
    shown = [value for _, value in request.args.items(multi=True) if apikeys.PREFIX in value]
    if shown:
        raise KeyInAddressError(company=_expose(shown))
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    digest = apikeys.digest(token.strip()) if kind.lower() == "bearer" else None
    entry = scope.gate().resolve("api-key", digest) if digest else None
    if digest is None or entry is None:
        raise BadKeyError
    try:
        session = scope.enter(Scope(entry.tenant_id, entry.ref_id, Kind.API))
        key = apikeys.find(
            session,
            tenant_id=entry.tenant_id,
            key_id=KeyId(entry.ref_id),
            digest=digest,
            address=request.remote_addr or "",
        )
        company = companies.read(session, tenant_id=entry.tenant_id) if key else None
    except ProgrammingError as error:
        if not is_refused(error):
            raise
        key = company = None
    if key is None or company is None:
        scope.leave()
        raise BadKeyError(company=entry.tenant_id)
    principal = _of_key(key, company)
    g.seatline_key = principal
    return principal


def _expose(values: list[str]) -> TenantId | None:
    """Revoke the live keys among what stood in an address, and return whose: who reads a log has them now."""
    whose = None
    for value in values:
        digest = apikeys.digest(value.strip())
        entry = scope.gate().resolve("api-key", digest) if digest else None
        if entry is None:
            continue
        whose = entry.tenant_id
        try:
            with scope.within(entry.tenant_id, principal_id=entry.ref_id, kind=Kind.API) as session:
                apikeys.expose(session, tenant_id=entry.tenant_id, key_id=KeyId(entry.ref_id))
        except ProgrammingError as error:
            if not is_refused(error):  # a suspended company's keys open nothing anyway
                raise
    return whose


def as_of_now(session: Session, *, tenant_id: TenantId, principal_id: UUID, kind: Kind) -> Principal | None:
    """Return somebody who is not asking, with what they may do now; None when they may not come in at all.

    For work that is done in their name later; `session` stands in their company's walls.
    """
    company = companies.read(session, tenant_id=tenant_id)
    if kind is Kind.API:
        try:
            key = apikeys.read(session, tenant_id=tenant_id, key_id=KeyId(principal_id))
        except ApiKeyMissingError:
            return None
        return _of_key(key, company) if key.opens else None
    try:
        user = users.read(
            session, tenant_id=tenant_id, vault=scope.services().vault, user_id=UserId(principal_id)
        )
    except UserMissingError:
        return None
    if user.status != "active":
        return None
    return Principal(
        tenant_id=tenant_id,
        principal_id=user.id,
        permissions=permitted(user.roles),
        company=company,
        door=door_of(user.roles),
        roles=user.roles,
        name=user.name,
        email=user.email,
        language=user.language,
        zone=user.zone,
    )


def _of_key(key: ApiKey, company: Company) -> Principal:
    return Principal(
        tenant_id=company.tenant_id,
        principal_id=key.id,
        permissions=frozenset(key.opens) | {"self.read"},
        company=company,
        door=Door.PORTAL,
        name=key.name,
        language="en",
        zone=company.zone,
        key_id=key.id,
        api_version=key.api_version,
    )


def is_refused(error: ProgrammingError) -> bool:
    """Tell whether the database's wall refused the context: the company is suspended or closed."""
    return getattr(error.orig, "sqlstate", "") == _WALL_SAYS_NO
