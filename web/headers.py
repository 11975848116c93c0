"""Headers of every response, and one log line per request.

A strict content security policy (no inline script, no inline style), nothing stored by caches for who is
signed in, no framing, the microphone for the console only. Sources: ASVS 5.0 3.4, Fetch, CSP 3.
"""

import time
from urllib.parse import urlsplit
from wsgiref.headers import Headers

import structlog
from flask import Flask, Response, g, request

from core import ids, log
from core.config import Settings
from core.ids import new_id
from web import identity

REQUEST_ID = "Request-Id"
_log = log.get(__name__)


def install(app: Flask, settings: Settings) -> None:
    """Put the headers on every response of the application, error pages included."""
    policy = _policy(settings)
    is_https = settings.public_url.startswith("https:")

    def begin() -> None:
        g.seatline_request_id = ids.public("req", new_id())
        g.seatline_began = time.monotonic()
        structlog.contextvars.bind_contextvars(request_id=g.seatline_request_id)

    def finish(response: Response) -> Response:
        headers = response.headers
        headers[REQUEST_ID] = request_id()
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Referrer-Policy", "same-origin")
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Content-Security-Policy"] = policy
        headers["X-Frame-Options"] = "DENY"
        microphone = "(self)" if request.blueprint == "console" else "()"
        headers["Permissions-Policy"] = (
            f"microphone={microphone}, camera=(), geolocation=(), payment=(), usb=()"
        )
        if is_https:
            headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
        headers.setdefault("Cache-Control", "no-store")
        response.vary.update(["Cookie", "Accept-Language", "HX-Request"])
        _note(response)
        return response

    def forget(_: BaseException | None) -> None:
        structlog.contextvars.unbind_contextvars("request_id")

    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(forget)


def on_files(headers: Headers, _path: str, _url: str) -> None:
    """Put on a static file what every response must say; WhiteNoise calls this once a file."""
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def request_id() -> str:
    """Return the id of this request, as it stands in `Request-Id` and on its log lines."""
    return str(g.get("seatline_request_id", ""))


def _note(response: Response) -> None:
    who = identity.known()
    _log.info(
        "request",
        method=request.method,
        route=str(request.url_rule or "-"),
        status=response.status_code,
        ms=round((time.monotonic() - g.get("seatline_began", time.monotonic())) * 1000, 1),
        tenant=str(who.tenant_id) if who else "-",
    )


def _policy(settings: Settings) -> str:
    live = urlsplit(settings.live_url)
    sip = urlsplit(settings.sip_ws_url)
    connect = " ".join(
        f"{part.scheme}://{part.netloc}" for part in (live, sip) if part.scheme and part.netloc
    )
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "media-src 'self' blob:",
            f"connect-src 'self' {connect}".strip(),
            # a form of ours may lead to the payment provider's page, where card data is typed
            f"form-action 'self' {settings.payment_pages}".strip(),
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )
