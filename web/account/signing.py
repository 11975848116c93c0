"""Sign-in, step by step: counted, looked up, verified, and a new session begun.

An unknown address and a wrong password take the same steps and get the same answer. Three counters slow
guessing down: one address on one account, one address on many, many on one; each forgets after a quarter of
an hour, so nobody can be locked out for good by somebody else (ASVS 5.0, 6.3.1).
"""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

from core.ids import OPERATOR, SessionId, TenantId, UserId, new_id
from security import passwords
from security.gate import Kind, Scope
from security.throttle import Limit, Throttle
from tenants import second_step, sessions, users
from tenants.errors import MalformedEmailError
from tenants.sessions import Started
from tenants.users import Credential
from web.services import Services

_QUARTER_S = 15 * 60
PAIR = Limit("sign-in-pair", 10, _QUARTER_S)
ADDRESS = Limit("sign-in-address", 60, _QUARTER_S)
ACCOUNT = Limit("sign-in-account", 100, _QUARTER_S)
STEP = Limit("second-step", 10, _QUARTER_S)
_HALF_WAY_S = 5 * 60
DEMO_FILE = "sign-ins.json"  # what the demo's seeding leaves in the state folder


@dataclass(frozen=True, slots=True)
class SignedInNow:
    """A sign-in that worked."""

    tenant_id: TenantId
    user_id: UserId
    started: Started


@dataclass(frozen=True, slots=True)
class HalfWay:
    """The password was right and a second step is asked for; the token stands for it for five minutes."""

    token: str


def sign_in(services: Services, *, email: str, password: str, address: str) -> SignedInNow | HalfWay | None:
    """Return the new session, or None when address and password do not belong together.

    Raises:
        TooManyError: tried too often; `details["retry_after_s"]`.
        HashingBusyError: more people sign in than the machine can check.
        redis.RedisError: attempts cannot be counted, so nobody is let in.
    """
    try:
        canonical = users.canonical_email(email)
    except MalformedEmailError:
        canonical = "nobody@nowhere.invalid"
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    counted = ((PAIR, f"{address} {canonical}"), (ADDRESS, address), (ACCOUNT, canonical))
    for limit, subject in counted:
        throttle.insist(limit, tenant_id=OPERATOR, subject=subject)
    entry = services.gate.resolve("login", users.login_key(services.vault, canonical))
    # For an unknown address the same two steps are taken with a user that does not exist.
    tenant_id = entry.tenant_id if entry else OPERATOR
    user_id = UserId(entry.ref_id if entry else new_id())
    with services.gate.open(Scope(tenant_id, user_id, Kind.SYSTEM)) as session:
        credential = users.credential(session, tenant_id=tenant_id, user_id=user_id)
    usable = credential if credential and credential.is_active else None
    if not passwords.verify(usable.password_hash if usable else None, password) or usable is None:
        return None
    if _is_demo_abroad(services, canonical):
        return None
    for limit, subject in counted:
        throttle.forgive(limit, tenant_id=OPERATOR, subject=subject)
    with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
        if second_step.is_on(session, tenant_id=tenant_id, user_id=user_id):
            return HalfWay(_half_way(services).dumps([tenant_id.hex, user_id.hex, _stamp(usable)]))
        started = sessions.start(session, tenant_id=tenant_id, user_id=user_id)
    return SignedInNow(tenant_id, user_id, started)


def finish(services: Services, *, token: str, code: str) -> SignedInNow | None:
    """Return the new session for who was half way in, or None: the code is wrong, used, or came too late.

    Raises:
        TooManyError: tried too often for this person; `details["retry_after_s"]`.
        redis.RedisError: attempts cannot be counted, so nobody is let in.
    """
    try:
        tenant, user, stamp = _half_way(services).loads(token, max_age=_HALF_WAY_S)
    except (BadSignature, ValueError, TypeError):
        return None
    tenant_id, user_id = TenantId(UUID(hex=tenant)), UserId(UUID(hex=user))
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(STEP, tenant_id=OPERATOR, subject=str(user_id))
    with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
        credential = users.credential(session, tenant_id=tenant_id, user_id=user_id)
        # whoever was shut out meanwhile, or has another password, begins anew
        if credential is None or not credential.is_active or _stamp(credential) != stamp:
            return None
        if not second_step.passes(
            session, tenant_id=tenant_id, vault=services.vault, user_id=user_id, code=code
        ):
            return None
        started = sessions.start(session, tenant_id=tenant_id, user_id=user_id)
    throttle.forgive(STEP, tenant_id=OPERATOR, subject=str(user_id))
    return SignedInNow(tenant_id, user_id, started)


def _half_way(services: Services) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services.settings.secret_key, salt="seatline/half-way/v1")


def _stamp(credential: Credential) -> str:
    return hashlib.sha256(credential.password_hash.encode()).hexdigest()[:32]


def sign_out(services: Services, *, tenant_id: TenantId, user_id: UserId, session_id: SessionId) -> None:
    """End a session, in a transaction of its own, and tell its live pages."""
    with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
        sessions.end(session, tenant_id=tenant_id, session_id=session_id)
    tell_ended(services, tenant_id=tenant_id, session_ids=[session_id])


def tell_ended(services: Services, *, tenant_id: TenantId, session_ids: list[SessionId]) -> None:
    """Tell the live pages of these sessions that they are over; they close within seconds."""
    for session_id in session_ids:
        services.realtime.publish(tenant_id, sessions.ENDED, {"session": str(session_id)})


def _is_demo_abroad(services: Services, email: str) -> bool:
    """Tell whether this is a demo account reached from outside this machine: those stay at home."""
    if services.settings.is_loopback:
        return False
    try:
        found = json.loads((services.settings.state_dir / DEMO_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(one.get("email") == email for one in found.get("people", ()))
