"""Cross-site requests: a token per session, and the browser's own word about where a request comes from.

flask-wtf checks the token on every POST, PUT, PATCH and DELETE outside the API (which ignores cookies);
Fetch Metadata and Origin are checked besides, because either alone has been got round (ASVS 5.0, 3.5).
"""

from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from flask_wtf.csrf import CSRFProtect, generate_csrf
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from core.errors import Refused
from web import cookies

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SALT = "wtf-csrf-token"  # the one flask-wtf verifies with


class CrossSiteError(Refused):
    """The request came from another site, or its token belongs to another session."""

    code = "cross-site"


class _Steady(TimestampSigner):
    def get_timestamp(self) -> int:
        """Stand still: the token lives as long as its session, and equal pages stay equal bytes."""
        return 0


protect = CSRFProtect()


def install(app: Flask) -> None:
    """Guard every unsafe request of the application; `csrf_token()` in templates makes the token."""
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config["WTF_CSRF_SSL_STRICT"] = False  # Origin and Fetch Metadata below say more than Referer
    protect.init_app(app)
    # flask-wtf sets its own by a context processor; the later one counts
    app.context_processor(lambda: {"csrf_token": token})
    app.before_request(refuse_foreign)


def token() -> str:
    """Return the token of this session, making an empty session for who is not signed in yet."""
    cookie = cookies.current()
    cookie.ensure()
    serializer = URLSafeTimedSerializer(str(current_app.secret_key), salt=_SALT, signer=_Steady)
    g.csrf_token = serializer.dumps(cookie["csrf_token"])
    return str(generate_csrf())


def refuse_foreign() -> None:
    """Refuse an unsafe request that another site's page made.

    Raises:
        CrossSiteError: Fetch Metadata or Origin say so.
    """
    if request.method in _SAFE or request.blueprint == "api":
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        raise CrossSiteError
    origin = request.headers.get("Origin")
    if origin is not None and (origin == "null" or urlsplit(origin).netloc != request.host):
        raise CrossSiteError
