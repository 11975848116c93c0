"""Puts the application together; refuses to when a route is unguarded."""

from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from web import (
    account,
    api,
    bare_address,
    console,
    context,
    csrf,
    decoys,
    errors,
    guards,
    headers,
    i18n,
    identity,
    live,
    operator,
    parts,
    plain,
    portal,
    tampered,
    uploads,
    webhooks,
)
from web.cookies import CookieSessions
from web.doorway import Doorway
from web.services import KEY, Services

LIVE = "live"  # the name of the process that serves live events
PAGES = "pages"  # and of the one that serves the rest
_HERE = Path(__file__).parent
_LARGEST_BODY = 2 * 1024 * 1024
_LARGEST_FORM = 256 * 1024


def create_app(services: Services) -> Flask:
    """Return the application for pages and API over the services of this process.

    Raises:
        UnguardedRouteError: a route declares neither a permission nor that it is public.
    """
    if services.process == LIVE:
        return live_app(services)
    app = bare_app(services)
    people = (account.pages, portal.pages, operator.pages, console.pages)
    for blueprint in (*people, api.pages, api.reference.pages, webhooks.pages):
        app.register_blueprint(blueprint)
    app.extensions[errors.SIGN_IN] = account.please_sign_in
    decoys.install(app)
    tampered.install(app)
    guards.insist(app)
    if services.process == PAGES and services.settings.environment != "test":
        console.warm_up(app, services)
    return app


def live_app(services: Services) -> Flask:
    """Return the application for live events alone: it runs on greenlets, where nothing may block."""
    app = bare_app(services)
    live.install(app)
    guards.insist(app)
    app.wsgi_app = live.OwnStack(app.wsgi_app)  # type: ignore[method-assign] # as above
    return app


def bare_app(services: Services) -> Flask:
    """Return an application with every guard and no route."""
    settings = services.settings
    app = Doorway("web", static_folder=None, template_folder="templates")
    app.static_folder = str(_HERE / "static")
    app.static_url_path = "/static"
    app.extensions[KEY] = services
    app.secret_key = settings.secret_key
    app.config.update(
        SEATLINE_PUBLIC_URL=settings.public_url,
        TRUSTED_HOSTS=[
            *_hosts(settings.public_url, settings.live_url),
            *bare_address.other_names(settings.public_url),
        ],
        MAX_CONTENT_LENGTH=_LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=_LARGEST_FORM,
        MAX_FORM_PARTS=500,
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.session_interface = CookieSessions(settings)
    headers.install(app, settings)
    bare_address.install(app, settings.public_url)
    identity.install(app)
    uploads.install(app)
    csrf.install(app)
    plain.install(app)
    app.before_request(guards.enforce)
    i18n.install(app)
    parts.install(app)
    context.install(app)
    errors.install(app)
    files = WhiteNoise(
        app.wsgi_app,
        max_age=60,
        immutable_file_test=_is_hashed,
        allow_all_origins=False,
        add_headers_function=headers.on_files,
    )
    files.add_files(str(_HERE / "static"), prefix="static/")
    if settings.trusted_proxies:  # the last so many that appended, none that a stranger wrote before them
        files = ProxyFix(files, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies, x_host=0)
    app.wsgi_app = files  # type: ignore[method-assign] # Flask's documented seam for WSGI middleware
    return app


def _is_hashed(_path: str, url: str) -> bool:
    """Tell whether a static file's name carries its content's hash, so that it may be kept for ever."""
    return url.startswith("/static/dist/") and not url.endswith("manifest.json")


def _hosts(*urls: str) -> list[str]:
    return sorted({urlsplit(url).hostname or "" for url in urls} - {""})
