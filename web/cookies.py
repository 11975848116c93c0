"""The session cookie: 32 random bytes and nothing else.

Flask's session is replaced by one that stores nothing: what flask-login and flask-wtf read from it is
derived from the cookie's secret. The CSRF token is an HMAC of that secret, so it belongs to one session and
needs no storage; somebody who is not signed in yet gets a secret that opens nothing, for the sign-in form.
"""

import hashlib
import hmac
from typing import Any, cast

from flask import Flask, Request, Response, session
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer

from core.config import Settings
from tenants import sessions

PLAIN_NAME = "seatline"
HOST_NAME = "__Host-seatline"
NOTES_NAME = "seatline_said"
_FLASHES = "_flashes"  # where Flask's `flash` keeps what the next page says
_NOTES_LAST_S = 60


class CookieSession(dict[str, Any], SessionMixin):
    """What the cookie implies, and what is to become of it."""

    def __init__(self, secret: str | None, key: bytes, *, notes: list[Any] | None = None) -> None:
        super().__init__()
        self._key = key
        self.notes = notes or []  # what `flash` said in the request before, signed, for a minute
        if self.notes:
            self[_FLASHES] = list(self.notes)
        self.issued: str | None = None
        self.ended = False
        self.secret: str | None = None
        digest = sessions.digest(secret) if secret else None
        if secret and digest:
            self._carry(secret, digest)

    def issue(self, secret: str) -> None:
        """Send this secret to the browser; the old one means nothing from now on."""
        self.clear()
        self.issued, self.ended = secret, False
        self._carry(secret, sessions.digest(secret) or b"")

    def ensure(self) -> None:
        """Make sure there is a secret a form's token can be bound to."""
        if self.secret is None:
            self.issue(sessions.new_secret())

    def end(self) -> None:
        """Take the cookie away."""
        self.clear()
        self.secret = self.issued = None
        self.ended = True

    def _carry(self, secret: str, digest: bytes) -> None:
        self.secret = secret
        self["_user_id"] = digest.hex()
        self["csrf_token"] = hmac.new(self._key, b"csrf/" + secret.encode(), hashlib.sha256).hexdigest()


def current() -> CookieSession:
    """Return what this request's cookie implies."""
    found = session._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - the proxy's target
    return cast("CookieSession", found)


class CookieSessions(SessionInterface):
    """Opens a `CookieSession` per request and writes the cookie when it changed."""

    def __init__(self, settings: Settings) -> None:
        self._is_secure = settings.public_url.startswith("https:")
        self._key = settings.secret_key.encode()
        self._signer = URLSafeTimedSerializer(settings.secret_key, salt="seatline/notes/v1")
        self.name = HOST_NAME if self._is_secure else PLAIN_NAME

    def open_session(self, app: Flask, request: Request) -> CookieSession:  # noqa: ARG002 - Flask's signature
        """Read the cookie; a malformed one is as good as none."""
        return CookieSession(request.cookies.get(self.name), self._key, notes=self._notes(request))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002
        """Send or take away the cookie when the request decided so."""
        if not isinstance(session, CookieSession):
            return
        self._save_notes(session, response)
        if session.issued:
            response.set_cookie(
                self.name,
                session.issued,
                path="/",
                secure=self._is_secure,
                httponly=True,
                samesite="Lax",
            )
        elif session.ended:
            response.delete_cookie(self.name, path="/", secure=self._is_secure, httponly=True, samesite="Lax")

    def _notes(self, request: Request) -> list[Any]:
        text = request.cookies.get(NOTES_NAME)
        if not text:
            return []
        try:
            found = self._signer.loads(text, max_age=_NOTES_LAST_S)
        except BadSignature:
            return []
        return found if isinstance(found, list) else []

    def _save_notes(self, session: CookieSession, response: Response) -> None:
        now = session.get(_FLASHES, [])
        if now and now != session.notes:
            response.set_cookie(
                NOTES_NAME,
                str(self._signer.dumps(now)),
                max_age=_NOTES_LAST_S,
                path="/",
                secure=self._is_secure,
                httponly=True,
                samesite="Lax",
            )
        elif session.notes and not now:
            response.delete_cookie(NOTES_NAME, path="/")
