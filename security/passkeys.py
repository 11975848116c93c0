"""Passkeys: the mechanism of WebAuthn (level 3), over the library `webauthn`.

What is insisted on: the origin and the domain of the settings, exactly; that the person was verified (UV), so
that a passkey is two factors at once; and a challenge that we made, for this browser's session and this
purpose, less than five minutes ago, and that nobody has answered yet. Whose a passkey is, and whether its
counter went back, is `tenants.passkeys`' business.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import redis
import webauthn
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core.errors import Refused
from core.ids import OPERATOR
from core.realtime import key

_LASTS_S = 5 * 60
_CHALLENGE_BYTES = 32
_LONGEST = 16 * 1024  # of what a browser sends
_LONGEST_ID = 1023  # of a credential's id, bytes (WebAuthn level 3, 4)
_NAME = "Seatline"


class PasskeyRefusedError(Refused):
    """What the browser sent is no answer to a challenge of ours by a passkey that may answer it."""

    code = "passkey-refused"


@dataclass(frozen=True, slots=True)
class Site:
    """To whom passkeys belong: a domain, and the one origin whose pages may ask for them."""

    domain: str
    origin: str


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that was just made; `is_synced`: its maker keeps a copy for other devices."""

    credential_id: bytes
    public_key: bytes
    count: int
    is_synced: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says to be, before anything is verified."""

    credential_id: bytes
    user_handle: bytes | None
    challenge: bytes


def site_of(public_url: str) -> Site | None:
    """Return whose passkeys a site takes, or None: a bare IP address has none (WebAuthn level 3, 5.1.2).

    Args:
        public_url: where browsers reach the pages; from the settings, never from a request's headers.
    """
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        is_secure = parts.scheme == "https" or host == "localhost"
        return Site(host, f"{parts.scheme}://{parts.netloc}") if host and is_secure else None
    return None


class Challenges:
    """Challenges that wait for one answer each; in Redis, as an HMAC that says nothing."""

    def __init__(self, connection: redis.Redis, *, secret: str) -> None:
        self._redis = connection
        self._secret = secret.encode()

    def make(self, purpose: str, *, bound_to: str) -> bytes:
        """Return a fresh challenge for one purpose of one browser's session.

        Raises:
            redis.RedisError: it cannot be kept, so nobody could answer it.
        """
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        self._redis.set(self._name(purpose, bound_to, challenge), "1", ex=_LASTS_S)
        return challenge

    def take(self, purpose: str, *, bound_to: str, challenge: bytes) -> None:
        """Use a challenge up.

        Raises:
            PasskeyRefusedError: it is not ours, not for this, of another session, too old, or was answered.
        """
        if not self._redis.delete(self._name(purpose, bound_to, challenge)):
            raise PasskeyRefusedError

    def _name(self, purpose: str, bound_to: str, challenge: bytes) -> str:
        said = f"{purpose}/{bound_to}/{challenge.hex()}"
        digest = hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()
        return key(OPERATOR, "challenge", digest)


def asking_to_make(
    site: Site, *, challenge: bytes, user_handle: bytes, name: str, shown_name: str, known: Iterable[bytes]
) -> str:
    """Return what the browser needs to make a passkey, as JSON.

    Args:
        site: whose it will be.
        challenge: of ours.
        user_handle: comes back with every use; says nothing of the person.
        name: what the device shows beside it, such as the e-mail address.
        shown_name: the person's name.
        known: ids of passkeys the person has: no second one on the same device.
    """
    options = webauthn.generate_registration_options(
        rp_id=site.domain,
        rp_name=_NAME,
        user_id=user_handle,
        user_name=name,
        user_display_name=shown_name,
        challenge=challenge,
        timeout=_LASTS_S * 1000,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return webauthn.options_to_json(options)


def asking_to_show(site: Site, *, challenge: bytes, allowed: Iterable[bytes] = ()) -> str:
    """Return what the browser needs to use a passkey, as JSON; without `allowed`, any of this site."""
    options = webauthn.generate_authentication_options(
        rp_id=site.domain,
        challenge=challenge,
        timeout=_LASTS_S * 1000,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def claim(answer: str) -> Claim:
    """Return what an answer of either kind says, unverified.

    Raises:
        PasskeyRefusedError: it says nothing that can be read.
    """
    if len(answer) > _LONGEST:
        raise PasskeyRefusedError
    try:
        if '"attestationObject"' in answer:
            made = parse_registration_credential_json(answer)
            said = parse_client_data_json(made.response.client_data_json)
            return Claim(made.raw_id, None, said.challenge)
        shown = parse_authentication_credential_json(answer)
        said = parse_client_data_json(shown.response.client_data_json)
    except Exception:  # noqa: BLE001 - a stranger's bytes: whatever a parser trips over is refused
        _refuse()
    return Claim(shown.raw_id, shown.response.user_handle, said.challenge)


def verify_made(site: Site, answer: str, *, challenge: bytes) -> Made:
    """Return the passkey that was made.

    Raises:
        PasskeyRefusedError: another origin, domain or challenge, nobody verified, or malformed.
    """
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - as above
        _refuse()
    if not made.credential_id or len(made.credential_id) > _LONGEST_ID:
        raise PasskeyRefusedError
    return Made(made.credential_id, made.credential_public_key, made.sign_count, made.credential_backed_up)


def verify_shown(site: Site, answer: str, *, challenge: bytes, public_key: bytes) -> int:
    """Return the counter a passkey answered with; its signature fits.

    Raises:
        PasskeyRefusedError: another origin, domain, challenge or key, nobody verified, or malformed.
    """
    try:
        shown = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # compared where an alarm can be raised, once the rest fits
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - as above
        _refuse()
    return shown.new_sign_count


def _refuse() -> NoReturn:
    # its cause quotes what a stranger sent
    raise PasskeyRefusedError from None
