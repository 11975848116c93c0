"""Every page as it is served, with a real day behind it: light enough, and readable by everybody.

The pages are found, not listed: every address without an id, and those with ids of the day.
"""

import dataclasses
import gzip
import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, template_rendered
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from billing import disputes
from core import clock, ids
from core.phone import E164
from customers import records
from launch import choices, layout
from launch.parts import chromium
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from standin.till import Till
from telephony import conference
from telephony.conference import Wanted
from telephony.flows import store
from telephony.flows.model import Flow
from tenants import staff
from tenants.users import User
from tests.factories import payments, telephony
from tests.tenants.people import People
from tests.web import affairs, figures, gallery, scene
from tests.web.conftest import HOST, Browser, Browsers, Cast, TestServices
from tests.web.scene import NOW, Scene
from web import invitations
from web.invitations import Invitation

WEB = Path(__file__).parents[2] / "web"
MOST_BYTES = 130 * 1024
# addresses that answer with something other than a page, or that only a press on a button leads to
NO_PAGE = re.compile(
    r"/(drawn|step|pdf|csv|csv-in-full|xml|proof|recording|audio|paper|peaks|saved|static|evidence/log|evidence/checkpoint)$|^/(api/v1|live|webhooks)/|^/portal/live/(?!intervals)|^/console/(?!$|headset|agreements)"
)
# templates that are parts, or that only a button, a mailed link or a second person leads to; the desk
# has a test of its own
NOT_WALKED = re.compile(
    r"^(parts|shell)/|/_|^edit_conflict|^errors/fragment|^console/(idle|pop|desk|headset|team|line|messages?|waiting)|_progress|price_upload"
    r"|^(sign_in_code|second_step_codes)"
)
# pages of the gallery that stand behind a button, a mistake or a second person
PRESSED = {
    "sign-in-refused",
    "sign-in-code",
    "forgot-sent",
    "reset",
    "second-step-codes",
    "second-step-wanted",
    "passkeys-stale",
    "portal-routing",
    "portal-agreement-none",
    "portal-calls-out-stopped",
    "portal-decoys",
    "portal-holds",
    "portal-exports",
    "portal-retention",
    "operator-recoveries",
    "operator-deletions",
    "operator-keys",
    "operator-version-changes",
    "operator-company-new-unpriced",
    "operator-company-prices-refused",
    "operator-company-prices-alone",
    "operator-prices-none",
    "operator-price-new-refused",
    "operator-price-list-empty",
    "operator-price-file-refused",
    "operator-price-rate-new",
    "operator-version-empty",
    "error-500",
}
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}"
SHORT = ".violations.map(v => v.id + ': ' + v.nodes.slice(0, 2).map(n => n.html.slice(0, 140)).join(' | '))"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(people: People, day: Scene) -> User:
    return scene.staff(people, "operator_billing", "operator_inventory", "operator_support")


@pytest.fixture
def known(app: Flask, day: Scene, cast: Cast, gate: Gate, vault: Vault) -> dict[str, str]:
    a, sue = cast.a.tenant_id, cast.sue.id
    with gate.open(Scope.system(a)) as session:
        ines = records.page(session, tenant_id=a, vault=vault).customers[0]
        proven = staff.proof(session, tenant_id=a, user_id=sue, made_by=cast.alice.id)
        disputed = disputes.open_dispute(
            session,
            tenant_id=a,
            invoice_id=day.invoice.invoice_id,
            reason="twice",
            by=cast.alice.id,
            line_nos={1},
        )
    with gate.open(Scope.system(a)) as session:
        flow = store.make(
            session,
            tenant_id=a,
            name="Main",
            draft=Flow.model_validate({"nodes": {"start": {"kind": "hang-up"}}}),
            vault=vault,
        )
        store.publish(session, tenant_id=a, flow_id=flow.flow_id, revision=1, by=cast.alice.id, vault=vault)
        room = conference.make(session, tenant_id=a, vault=vault, wanted=Wanted("Monday", pin="407195"))
    with app.test_request_context(base_url=HOST):
        link = invitations.link(Invitation(a, sue, cast.alice.id, proven))
    return {
        "call_id": day.id_of(day.known),
        "invoice_id": ids.public("inv", day.invoice.invoice_id),
        "queue_id": ids.public("que", day.line.queue_id),
        "flow_id": ids.public("flow", flow.flow_id),
        "room_id": room.ref,
        # of no lead's beginning, which is looked for in all bytes (tests/web/test_walls_of_a_day.py)
        "caller_number_id": telephony.asked_elsewhere(
            gate, vault, day.line, digits=E164("+442079460987")
        ).ref,
        "dispute_id": ids.public("dsp", disputed.dispute_id),
        "job_id": affairs.long_job(gate, a),
        **affairs.stocked_up(gate),
        "line_no": "1",
        "agent_number": str(affairs.AGENT),
        "customer_id": ids.public("cus", ines.id),
        "user_id": ids.public("usr", cast.sue.id),
        "company_id": ids.public("ten", cast.a.tenant_id),
        "welcome": link.removeprefix(HOST),
    }


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # its pages last by its own clock, which stands with ours here
    monkeypatch.setattr(Till, "now", lambda *_: int(NOW.timestamp()))
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def services(services: TestServices, standin: Server) -> TestServices:
    settings = services.settings.model_copy(
        update={"stripe_api_key": payments.KEY, "stripe_base_url": standin.base}
    )
    return dataclasses.replace(services, settings=settings, payments=payments.provider(standin))


def addresses(app: Flask, blueprint: str, known: Mapping[str, str]) -> list[str]:
    """Return the pages of a blueprint that can be addressed with the ids that are known."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] != blueprint or "GET" not in (rule.methods or ()):
            continue
        if NO_PAGE.search(str(rule)) or not set(rule.arguments) <= set(known):
            continue
        found.append(re.sub(r"<(?:\w+:)?(\w+)>", lambda match: known[match[1]], str(rule)))
    return sorted(found)


@pytest.fixture
def rendered(app: Flask) -> Iterator[set[str]]:
    """The names of the templates that have been rendered since."""
    names: set[str] = set()

    def note(_sender: Flask, template: Any, **_context: object) -> None:
        names.add(template.name)

    with template_rendered.connected_to(note, app):
        yield names


@dataclass(frozen=True)
class Walk:
    """Who is signed in, and the pages each of them looks at."""

    signed_in: Mapping[str, Browser]
    pages: Mapping[str, list[str]]


@pytest.fixture
def round_trip(
    app: Flask,
    browser: Browsers,
    cast: Cast,
    dana: User,
    day: Scene,
    known: dict[str, str],
    people: People,
    services: TestServices,
) -> Walk:
    """Let more happen than a day of calls, and find out which pages there are then."""
    gate, vault, a = services.gate, services.vault, cast.a.tenant_id
    bob = affairs.agent(people, gate, vault, a)
    otters = people.company("Otter Optics")
    otto = people.user(otters.tenant_id, "Otto", email="otto@otter.example")
    signed_in = {"": browser()}
    for name, user in (("alice", cast.alice), ("dana", dana), ("bob", bob), ("otto", otto)):
        signed_in[name] = browser()
        assert signed_in[name].sign_in(user.email).status_code == 303
    alice, operator = signed_in["alice"], signed_in["dana"]
    omar = scene.staff(people, "operator_support", name="Omar")
    second = browser()
    assert second.sign_in(omar.email).status_code == 303
    paid = affairs.money(signed_in["otto"], operator, services, otters.tenant_id)
    common = [one for one in addresses(app, "account", known) if one not in {"/", "/sign-in"}]
    pages = {
        "": ["/sign-in", known["welcome"], affairs.reset_link(gate, vault, a, cast.alice)],
        "alice": [
            *affairs.campaigns(alice, day.line, gate=gate, vault=vault, storage=services.storage),
            *affairs.rentals(alice, gate, a),
            *affairs.webhooks(alice, gate, a),
            *addresses(app, "portal", known),
            *common,
            "/api/docs",
            "/portal/nowhere",
        ],
        "dana": [
            *paid.operator,
            *affairs.usage(operator, gate, a),
            *affairs.prices(operator),
            *affairs.glass(operator, second, gate, vault, two=(dana, omar), client=a),
            *addresses(app, "operator", known),
            "/operator/find?q=nothing-of-ours",
            "/settings",
        ],
        "otto": [
            *paid.company,
            "/portal/payment-methods",
            "/portal/invoices",
            "/portal/campaigns",
            "/portal/webhooks",
        ],
        "bob": [*addresses(app, "console", known), f"/console/agreements/{known['company_id']}"],
    }
    return Walk(signed_in, pages)


def bundle(name: str) -> int:
    folder = WEB / "static/dist"
    path = folder / json.loads((folder / "manifest.json").read_text())[name]
    return len(gzip.compress(path.read_bytes(), 6))


def test_every_page_is_light(rendered: set[str], round_trip: Walk) -> None:
    shared = bundle("seatline.css") + bundle("app.js") + bundle("mark.svg")
    weights: dict[str, int] = {}
    for who, paths in round_trip.pages.items():
        for path in paths:
            answer = round_trip.signed_in[who].get(path)
            assert answer.status_code == (404 if path.endswith("nowhere") else 200), path
            assert answer.mimetype == "text/html", f"{path} is no page"
            weights[path] = shared + len(gzip.compress(answer.data, 6))
    heavy = {path: weight for path, weight in weights.items() if weight > MOST_BYTES}
    assert heavy == {}
    every = {str(file.relative_to(WEB / "templates")) for file in WEB.glob("templates/**/*.html")}
    assert {name for name in every - rendered if not NOT_WALKED.search(name)} == set()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve the application on a free port of this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look(page: Page, url: str, *, at_widths: bool) -> list[str]:
    """Return what is wrong with a page: for axe-core in both themes, and across widths."""
    page.goto(url, wait_until="domcontentloaded")
    # the desk shows one part until it knows its state, and then another, which it fetches
    page.wait_for_function("!document.querySelector('#desk[data-view=loading]')")
    page.locator("h1").locator("visible=true").first.wait_for()
    page.evaluate(gallery.AXE.read_text(encoding="utf-8"))
    said: list[str] = []
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        rules = RULES if theme == "light" else "{runOnly: ['color-contrast']}"
        said += [
            f"{theme}: {one}" for one in page.evaluate(f"axe.run(document, {rules}).then(r => r{SHORT})")
        ]
    if at_widths:
        for width in (390, 768, 1240, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if beyond > 0:
                said.append(f"{width}: scrolls sideways by {beyond} px")
        page.set_viewport_size({"width": 1440, "height": 900})
    if not page.evaluate("document.querySelector('h1') && document.querySelector('main, [role=main]')"):
        said.append("no heading or no main")
    return said


@contextmanager
def chromed() -> Iterator[Chromium]:
    """Start Chromium for the block."""
    program = chromium.find(layout.find(choices.read()).parts)
    assert program, "Chromium is missing: make setup fetches it"
    with sync_playwright() as play:
        window = play.chromium.launch(executable_path=str(program), args=["--no-sandbox", "--disable-gpu"])
        yield window
        window.close()


def walk(page: Page, base: str, paths: list[str], language: str) -> Iterator[str]:
    """Go to each page and yield what is wrong with it."""
    for path in paths:
        seen = look(page, base + path, at_widths=language == "en")
        fault = page.locator(".errorpage").count()
        assert bool(fault) == path.endswith("nowhere"), f"{language} {path} is an error page"
        yield from (f"{language} {path} {one}" for one in seen)
        assert page.url == base + path, "sent somewhere else"
        asks = page.locator("form[action='/sign-in']").count()
        assert bool(asks) == (path == "/sign-in"), path


# who walks together: the pages of a company's owner and of the operator's staff are many
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["en", "zh_Hans_CN"])
@pytest.mark.parametrize("walkers", [("alice",), ("dana",), ("", "otto", "bob")], ids="-".join)
def test_every_page_is_for_everybody(
    app: Flask, round_trip: Walk, walkers: tuple[str, ...], language: str
) -> None:
    faults: list[str] = []
    with chromed() as window, served(app) as base:
        for who in walkers:
            browser = round_trip.signed_in[who]
            if who:
                answer = browser.post("/language", {"language": language, "next": "/settings"})
                assert answer.status_code == 303
            context = window.new_context(
                viewport={"width": 1440, "height": 900}, reduced_motion="reduce", bypass_csp=True
            )
            cookies = [("seatline_language", language), ("seatline", browser.cookie() or "")]
            context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies])
            faults += walk(context.new_page(), base, round_trip.pages[who], language)
            context.close()
    assert faults == []


def test_everybody_walks(round_trip: Walk) -> None:
    assert round_trip.pages.keys() == {"", "alice", "dana", "otto", "bob"}


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_only_a_press_leads_to_is_for_everybody() -> None:
    faults: list[str] = []
    with chromed() as window, gallery.serving() as base:
        context = window.new_context(
            viewport={"width": 1440, "height": 900}, reduced_motion="reduce", bypass_csp=True
        )
        page = context.new_page()
        for name in figures.PAGES:
            if name.startswith("console-") or name in PRESSED:
                seen = look(page, f"{base}/g/en/{name}", at_widths=True)
                faults += [f"{name} {one}" for one in seen]
        context.close()
    assert faults == []
