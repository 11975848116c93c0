"""Sign-in, step by step: counted, looked up, verified, and a new session begun.

An unknown address and a wrong password take the same steps and get the same answer. Three counters slow
guessing down: one address on one account, one address on many, many on one; each forgets after a quarter of
an hour, so nobody can be locked out for good by somebody else (ASVS 5.0, 6.3.1).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

from core.ids import OPERATOR, SessionId, TenantId, UserId, new_id
from security import passwords
from security.gate import Kind, Scope
from security.passkeys import (
    Challenges,
    PasskeyRefusedError,
    asking_to_show,
    claim,
    site_of,
    verify_shown,
)
from security.refusals import Refusals
from security.throttle import Limit, Throttle
from tenants import logins, passkeys, second_step, sessions, users
from tenants.errors import MalformedEmailError
from tenants.sessions import Started
from tenants.users import Credential
from web import refusals
from web.services import Services

_QUARTER_S = 15 * 60
PAIR = Limit("sign-in-pair", 10, _QUARTER_S)
ADDRESS = Limit("sign-in-address", 60, _QUARTER_S)
ACCOUNT = Limit("sign-in-account", 100, _QUARTER_S)
STEP = Limit("second-step", 10, _QUARTER_S)
PASSKEY = Limit("passkey", 60, _QUARTER_S)
_HALF_WAY_S = 5 * 60
_SIGN_IN = "sign-in"
DEMO_FILE = "sign-ins.json"  # what the demo's seeding leaves in the state folder


@dataclass(frozen=True, slots=True)
class SignedInNow:
    """A sign-in that worked."""

    tenant_id: TenantId
    user_id: UserId
    started: Started


@dataclass(frozen=True, slots=True)
class HalfWay:
    """The password was right and a second step is asked for; the token stands for it for five minutes.

    Attributes:
        has_passkey: whether a passkey of the person will do for the second step.
    """

    token: str
    has_passkey: bool


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
    entry = logins.find(services.gate, vault=services.vault, email=canonical)
    # For an unknown address the same two steps are taken with a user that does not exist.
    tenant_id = entry.tenant_id if entry else OPERATOR
    user_id = UserId(entry.ref_id if entry else new_id())
    with services.gate.open(Scope(tenant_id, user_id, Kind.SYSTEM)) as session:
        credential = users.credential(session, tenant_id=tenant_id, user_id=user_id)
    usable = credential if credential and credential.is_active else None
    if not passwords.verify(usable.password_hash if usable else None, password) or usable is None:
        Refusals(services.realtime.redis).count("sign-in", company_id=entry.tenant_id if entry else None)
        return None
    if _is_demo_abroad(services, canonical):
        Refusals(services.realtime.redis).count("sign-in", company_id=tenant_id)
        return None
    for limit, subject in counted:
        throttle.forgive(limit, tenant_id=OPERATOR, subject=subject)
    with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
        has_passkey = passkeys.has_any(session, tenant_id=tenant_id, user_id=user_id)
        if has_passkey or second_step.is_on(session, tenant_id=tenant_id, user_id=user_id):
            token = _half_way(services).dumps([tenant_id.hex, user_id.hex, _stamp(usable)])
            return HalfWay(token, has_passkey=has_passkey)
        started = sessions.start(session, tenant_id=tenant_id, user_id=user_id)
    return SignedInNow(tenant_id, user_id, started)


def finish(services: Services, *, token: str, code: str) -> SignedInNow | None:
    """Return the new session for who was half way in, or None: the code is wrong, used, or came too late.

    Raises:
        TooManyError: tried too often for this person; `details["retry_after_s"]`.
        redis.RedisError: attempts cannot be counted, so nobody is let in.
    """
    named = _named(services, token)
    if named is None:
        refusals.count("second-step")
        return None
    tenant_id, user_id, stamp = named
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(STEP, tenant_id=OPERATOR, subject=str(user_id))
    with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
        credential = users.credential(session, tenant_id=tenant_id, user_id=user_id)
        # whoever was shut out meanwhile, or has another password, begins anew
        if credential is None or not credential.is_active or _stamp(credential) != stamp:
            refusals.count("second-step", company_id=tenant_id)
            return None
        if not second_step.passes(
            session, tenant_id=tenant_id, vault=services.vault, user_id=user_id, code=code
        ):
            refusals.count("second-step", company_id=tenant_id)
            return None
        started = sessions.start(session, tenant_id=tenant_id, user_id=user_id)
    throttle.forgive(STEP, tenant_id=OPERATOR, subject=str(user_id))
    return SignedInNow(tenant_id, user_id, started)


def ask_for_passkey(services: Services, *, bound_to: str, token: str = "") -> str | None:
    """Return what the browser needs to show a passkey, as JSON; None where this site takes none.

    Args:
        services: of this process.
        bound_to: the secret of the browser's session, signed in or not.
        token: of who is half way in, whose passkeys alone will then do.

    Raises:
        redis.RedisError: the challenge cannot be kept.
    """
    site = site_of(services.settings.public_url)
    if site is None:
        return None
    allowed: Sequence[bytes] = ()
    named = _named(services, token)
    if named:
        tenant_id, user_id, _ = named
        with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
            allowed = passkeys.credentials(session, tenant_id=tenant_id, user_id=user_id)
    challenge = _challenges(services).make(_SIGN_IN, bound_to=bound_to)
    return asking_to_show(site, challenge=challenge, allowed=allowed)


def by_passkey(
    services: Services, *, answer: str, bound_to: str, address: str, token: str = ""
) -> SignedInNow | None:
    """Return the new session of whose passkey has answered, or None: a passkey is both factors at once.

    Args:
        services: of this process.
        answer: what the browser sent, JSON.
        bound_to: the secret of the browser's session the challenge was made for.
        address: of the browser.
        token: of who is half way in, if anybody: it must be that person's passkey.

    Raises:
        TooManyError: tried too often from this address.
        redis.RedisError: attempts cannot be counted, or the challenge not be used up, so nobody is let in.
    """
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(PASSKEY, tenant_id=OPERATOR, subject=address)
    site, named = site_of(services.settings.public_url), _named(services, token)
    if site is None or (token and named is None):
        return None
    try:
        claimed = claim(answer)
        _challenges(services).take(_SIGN_IN, bound_to=bound_to, challenge=claimed.challenge)
        entry = services.gate.resolve("passkey", passkeys.digest(claimed.credential_id))
        if entry is None:
            return None
        tenant_id, user_id = entry.tenant_id, UserId(entry.ref_id)
        with services.gate.open(Scope(tenant_id, user_id, Kind.USER)) as session:
            found = passkeys.known(session, tenant_id=tenant_id, credential_id=claimed.credential_id)
            credential = users.credential(session, tenant_id=tenant_id, user_id=user_id)
            if found is None or found.user_id != user_id or credential is None or not credential.is_active:
                return None
            # who is half way in may have a device that says no more than which key it used
            if claimed.user_handle != passkeys.handle(user_id) and (claimed.user_handle or not named):
                return None
            if named and named != (tenant_id, user_id, _stamp(credential)):
                return None
            count = verify_shown(site, answer, challenge=claimed.challenge, public_key=found.public_key)
            if not passkeys.use(
                session, tenant_id=tenant_id, vault=services.vault, passkey_id=found.id, count=count
            ):
                return None
            user = users.read(session, tenant_id=tenant_id, vault=services.vault, user_id=user_id)
            if _is_demo_abroad(services, user.email):
                return None
            started = sessions.start(session, tenant_id=tenant_id, user_id=user_id)
    except PasskeyRefusedError:
        return None
    throttle.forgive(PASSKEY, tenant_id=OPERATOR, subject=address)
    return SignedInNow(tenant_id, user_id, started)


def _challenges(services: Services) -> Challenges:
    return Challenges(services.realtime.redis, secret=services.settings.secret_key)


def _named(services: Services, token: str) -> tuple[TenantId, UserId, str] | None:
    """Return who is half way in, and the stamp of the password that was right."""
    try:
        tenant, user, stamp = _half_way(services).loads(token, max_age=_HALF_WAY_S)
        return TenantId(UUID(hex=tenant)), UserId(UUID(hex=user)), str(stamp)
    except (BadSignature, ValueError, TypeError):
        return None


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


def ask_again(services: Services, *, tenant_id: TenantId) -> None:
    """Close a company's live pages, because what lets its people in has changed; browsers come back at once.

    Who may still come in hears on; who may not is refused at the door, as on any other page.
    """
    services.realtime.publish(tenant_id, sessions.ENDED, {"everybody": True})


def _is_demo_abroad(services: Services, email: str) -> bool:
    """Tell whether this is a demo account reached from outside this machine: those stay at home."""
    if services.settings.is_loopback:
        return False
    try:
        found = json.loads((services.settings.state_dir / DEMO_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(one.get("email") == email for one in found.get("people", ()))
