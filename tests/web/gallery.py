"""Every template with made-up figures, for looking at: both widths, themes and languages, and axe-core.

    .venv/bin/python -m tests.web.gallery serve            # look at them in a browser
    .venv/bin/python -m tests.web.gallery shots FOLDER [--only NAME] [--axe] [--quick]
    .venv/bin/python -m tests.web.gallery pictures         # those of the README, anew

Not a test: tests/web/test_templates.py renders the same pages and checks them.
"""

import argparse
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask_babel
from flask import Flask, Response, g, render_template, request
from jinja2 import StrictUndefined
from playwright.sync_api import Browser, ConsoleMessage, Error, sync_playwright
from werkzeug.serving import make_server

from core import clock
from launch import choices, layout
from launch.parts import chromium
from tests.web import figures
from web import parts

STRICT = StrictUndefined
ROOT = Path(__file__).resolve().parents[2] / "web"
AXE = Path(str(files("axe_playwright_python"))) / "axe.min.js"
LANGUAGES = {"en": "en", "zh": "zh_Hans_CN"}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def make_app() -> Flask:
    """Return a small application that shows each page of `figures.PAGES` at /g/<language>/<name>."""
    app = Flask("gallery", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config["SECRET_KEY"] = "only for looking"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ROOT / "translations")

    def language() -> str:
        if "language" in g:
            return LANGUAGES[g.language]
        return LANGUAGES[request.path.split("/")[2]] if request.path.startswith("/g/") else "en"

    def zone() -> str:
        return "Asia/Shanghai" if language() != "en" else "Europe/London"

    flask_babel.Babel(app, locale_selector=language, timezone_selector=zone)
    parts.install(app)
    app.jinja_env.globals["csrf_token"] = lambda: "token"

    @app.get("/g/<language>/<name>")
    def page(language: str, name: str) -> str:
        chosen = figures.PAGES[name]
        return render_template(chosen.template, **chosen.values(language))

    def looking_at() -> tuple[str, str]:
        _, language, name = urlsplit(request.headers.get("Referer", "/g/en/console-idle")).path.rsplit("/", 2)
        return language, name.removeprefix("console-")

    @app.get("/console/state")
    def state() -> dict[str, Any]:
        language, name = looking_at()
        return figures.console_state(name, language, now=clock.now())

    @app.get("/console/offers/<offer>")
    def pop(offer: str) -> str:
        g.language, _name = looking_at()
        shown = {"off_unknown": figures.pop_unknown, "off_campaign": figures.pop_campaign}.get(
            offer, figures.pop
        )
        return render_template("console/pop.html", **shown(g.language))

    @app.post("/console/offers/<offer>/painted")
    def painted(offer: str) -> dict[str, str]:
        return {"offer": offer}

    @app.get("/console/team")
    def team() -> str:
        g.language, _name = looking_at()
        return render_template("console/team.html", **figures.team(g.language))

    @app.post("/console/voicemails/<company>/<call>/hearing")
    def hearing(company: str, call: str) -> dict[str, str]:
        g.language, _name = looking_at()
        shown = figures.message(company, call)
        return {"player": render_template("console/message.html", recording=shown)}

    @app.get("/console/waiting")
    def waiting() -> str:
        g.language, _name = looking_at()
        return render_template("console/waiting.html", **figures.callers_waiting(g.language))

    @app.get("/console/messages")
    def messages() -> str:
        g.language, _name = looking_at()
        return render_template("console/messages.html", **figures.messages(g.language))

    @app.get("/console/calls/<call>/targets")
    def targets(call: str) -> dict[str, Any]:
        return {"call": call, **figures.console_targets()}

    @app.get("/console/calls/<call>/draft")
    def draft(call: str) -> dict[str, Any]:
        return {"disposition": None, "notes": "", "callback_at": None, "saved_at": None, "call": call}

    @app.post("/sign-in/passkey/options")
    def passkey() -> dict[str, str]:
        return {}  # no challenge: nothing is offered

    @app.get("/live/<stream>")
    def live(stream: str) -> Response:
        def quiet() -> Iterator[str]:
            yield f": {stream}\n\n"
            threading.Event().wait(20)

        return Response(quiet(), mimetype="text/event-stream")

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CSP
        return response

    return app


@contextmanager
def serving() -> Iterator[str]:
    """Serve the gallery on a free loopback port while the block runs; yields the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = make_server("127.0.0.1", port, make_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()


# what the README shows, by the name of its file
PICTURES = {
    "console": "console-call",
    "portal": "portal-home-calm",
    "campaign": "portal-campaign",
    "rent": "portal-rent",
    "call": "portal-call",
    "invoice": "portal-invoice",
    "prices": "operator-version-draft",
}

_RUN = """axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})
.then(r => r.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))]))"""


@dataclass(frozen=True)
class Shot:
    """One screenshot: which page, in what language, at what width, in which theme."""

    name: str
    language: str
    width: int
    theme: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.language}-{self.width}-{self.theme}.png"


def _shots(options: argparse.Namespace) -> Iterator[Shot]:
    for name in figures.PAGES:
        if options.only and options.only not in name:
            continue
        for language in ("en",) if options.quick else ("en", "zh"):
            for width in (1440, 390):
                for theme in ("light", "dark"):
                    if not (options.quick and theme == "dark" and width == 390):
                        yield Shot(name, language, width, theme)


def take(browser: Browser, base: str, shot: Shot, *, folder: Path, with_axe: bool) -> list[str]:
    """Take one screenshot; return what the browser and axe-core had to say about the page."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": 900 if shot.width > 500 else 844},
        locale="en-GB",
        timezone_id="Europe/London",
        reduced_motion="reduce",
        bypass_csp=with_axe,
    )
    context.add_cookies([{"name": "seatline_theme", "value": shot.theme, "url": base}])
    page = context.new_page()
    said: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            said.append(message.text)

    def broke(error: Error) -> None:
        said.append(str(error))

    page.on("console", heard)
    page.on("pageerror", broke)
    page.goto(f"{base}/g/{shot.language}/{shot.name}")
    page.wait_for_timeout(900 if shot.name.startswith("console") else 150)
    for script in figures.PAGES[shot.name].script:
        page.evaluate(script)
        page.wait_for_timeout(100)
    page.screenshot(path=folder / shot.file, full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        said.append(f"scrolls sideways by {wide}px")
    if with_axe:
        page.add_script_tag(path=AXE)
        said += [json.dumps(one, ensure_ascii=False) for one in page.evaluate(_RUN)]
    context.close()
    return said


def _shoot(browser: Browser, base: str, options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    faults = 0
    for shot in _shots(options):
        for line in take(browser, base, shot, folder=folder, with_axe=options.axe):
            faults += 1
            sys.stdout.write(f"{shot.file}: {line[:400]}\n")
            sys.stdout.flush()
    return faults


def picture(browser: Browser, base: str, folder: Path) -> None:
    """Take the README's pictures: the first screen of each, in English, by day."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-GB",
        timezone_id="Europe/London",
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": "seatline_theme", "value": "light", "url": base}])
    page = context.new_page()
    for file, name in PICTURES.items():
        page.goto(f"{base}/g/en/{name}")
        page.wait_for_timeout(900 if name.startswith("console") else 150)
        page.screenshot(path=folder / f"{file}.png")
    context.close()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["serve", "shots", "pictures"])
    parser.add_argument("folder", nargs="?", default="gallery")
    parser.add_argument("--only", default="")
    parser.add_argument("--axe", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chromium", default=chromium.find(layout.find(choices.read()).parts))
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serving() as base:
        if options.what == "serve":
            sys.stdout.write("\n".join(f"{base}/g/en/{name}" for name in figures.PAGES) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            if options.what == "pictures":
                faults = 0
                picture(browser, base, ROOT.parent / "docs/pictures")
            else:
                faults = _shoot(browser, base, options)
            browser.close()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
