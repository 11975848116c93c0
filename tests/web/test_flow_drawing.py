"""A flow as a drawing: deeds by mouse and keyboard, one draft with the outline, two who draw at once."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, expect, sync_playwright
from werkzeug.test import TestResponse

from core import ids
from core.config import Settings
from core.ids import QueueId
from launch import choices, layout
from launch.parts import chromium
from security.gate import Gate, Scope
from telephony import queues
from tests.tenants.people import PASSWORD
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.gallery import AXE
from tests.web.test_console_page import served
from tests.web.test_live_process import free_port

BOTH = pytest.mark.browser


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def queue_id(gate: Gate, cast: Cast) -> QueueId:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Parcels").queue_id


@pytest.fixture
def path(ours: Program, queue_id: QueueId) -> str:
    """A flow with a menu, as its drawing's path in the portal."""
    nodes = {
        "start": {
            "kind": "say",
            "title": "Welcome",
            "prompt": {"text": "Welcome to Pelican."},
            "next": "menu",
        },
        "menu": {
            "kind": "menu",
            "title": "Three choices",
            "prompt": {"text": "For parcels press 1, for anything else press 2."},
            "keys": {"1": {"to": "parcels", "label": "Parcels"}, "2": {"to": "bye"}},
            "otherwise": "parcels",
        },
        "parcels": {"kind": "queue", "title": "Parcels", "queue": ids.public("que", queue_id)},
        "bye": {"kind": "hang-up", "title": "Goodbye", "prompt": {"text": "Goodbye."}},
    }
    made = ours.post("/flows", {"name": "Main menu", "flow": {"nodes": nodes}}).get_json()
    return f"/portal/flows/{made['id']}"


def drawn(alice: Browser, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(alice.get(f"{path}/drawn").text)
    return found


def deed(alice: Browser, path: str, revision: int, **deed: object) -> TestResponse:
    return alice.client.post(
        f"{path}/drawn",
        json={"revision": revision, "deed": deed},
        base_url=alice.host,
        headers={"X-CSRF-Token": alice.token(), "Accept": "application/json"},
    )


# --- the browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int, request: pytest.FixtureRequest) -> Settings:
    if "chrome" not in request.fixturenames:
        return settings
    own = f"http://localhost:{port}"
    return settings.model_copy(update={"public_url": own, "live_url": own})


@pytest.fixture
def chrome(app: Flask, port: int) -> Iterator[Chromium]:
    program = chromium.find(layout.find(choices.read()).parts)
    assert program, "Chromium is missing: make setup fetches it"
    with served(app, port=port), sync_playwright() as play:
        started = play.chromium.launch(executable_path=str(program), args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(chrome: Chromium, port: int, cast: Cast) -> Page:
    return signed_in(chrome, port, cast.alice.email)


def signed_in(chrome: Chromium, port: int, email: str) -> Page:
    context = chrome.new_context(base_url=f"http://localhost:{port}", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Work e-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/portal/")
    return page


def opened(page: Page, path: str) -> None:
    page.goto(f"{path}/drawing")
    expect(page.locator("#flow-canvas[data-ready]")).to_be_attached()
    # hidden until it is measured, and what is hidden takes no key
    expect(page.locator(".react-flow__node").last).to_be_visible()


def step(page: Page, key: str) -> Locator:
    return page.locator(f'.react-flow__node[data-id="{key}"]')


def boxes(page: Page) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for key in ("start", "menu", "parcels", "bye"):
        box = step(page, key).bounding_box()
        assert box
        found[key] = (box["x"], box["y"])
    return found


def told(page: Page) -> list[str]:
    """Everything the browser complains of from now on, a policy that is broken among it."""
    heard: list[str] = []
    page.on("console", lambda one: heard.append(one.text) if one.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


# --- deeds, over HTTP -----------------------------------------------------------------------------


def test_the_drawing_is_the_draft(alice: Browser, path: str) -> None:
    found = drawn(alice, path)
    menu = next(one for one in found["nodes"] if one["key"] == "menu")
    assert [(one["way"], one["to"]) for one in menu["ways"]] == [
        ("key-1", "parcels"),
        ("key-2", "bye"),
        ("key-3", None),
        ("otherwise", "parcels"),
    ]
    assert found["forbidding"] == 0
    assert menu["says"] == "For parcels press 1, for anything else press 2."


def test_each_deed_is_in_the_draft_and_can_be_put_back(alice: Browser, ours: Program, path: str) -> None:
    before = drawn(alice, path)
    made = deed(alice, path, 1, do="add", kind="say", after="menu", way="key-3", place=[40, 600]).get_json()
    assert made["made"] == "say-1"
    led = deed(alice, path, 2, do="lead", node="say-1", way="next", to="bye").get_json()
    moved = deed(alice, path, 3, do="move", places={"bye": [10, 700], "gone": [1, 1]}).get_json()
    nodes = ours.get(f"/flows/{path.rpartition('/')[2]}").get_json()["flow"]["nodes"]
    assert nodes["menu"]["keys"]["3"]["to"] == "say-1"
    assert (nodes["say-1"]["next"], nodes["say-1"]["place"], nodes["bye"]["place"]) == (
        "bye",
        [40, 600],
        [10, 700],
    )
    taken = deed(alice, path, 4, do="take", nodes=["say-1"]).get_json()
    assert taken["flow"]["nodes"]["menu"]["keys"]["3"]["to"] == "bye", "what led to it leads on"
    put = deed(alice, path, 5, do="put", flow=before["flow"]).get_json()
    assert put["flow"] == before["flow"]
    assert [one["revision"] for one in (made, led, moved, taken, put)] == [2, 3, 4, 5, 6]


def test_a_deed_that_changes_nothing_is_no_revision(alice: Browser, path: str) -> None:
    assert (
        deed(alice, path, 1, do="lead", node="menu", way="otherwise", to="parcels").get_json()["revision"]
        == 1
    )


def test_a_deed_to_a_draft_that_somebody_has_changed_is_refused(alice: Browser, path: str) -> None:
    assert deed(alice, path, 1, do="take", nodes=["bye"]).status_code == 200
    late = deed(alice, path, 1, do="take", nodes=["parcels"])
    assert (late.status_code, late.get_json()["code"]) == (409, "flow-changed")
    assert "parcels" in drawn(alice, path)["flow"]["nodes"]


@pytest.mark.parametrize(
    "what",
    [
        {"do": "dance"},
        {"do": "add", "kind": "no-such"},
        {"do": "move", "places": {"menu": [10**9, 0]}},
        {"do": "put", "flow": {"nodes": {"start": {"kind": "say", "next": "../x"}}}},
        {"do": "lead", "node": "menu", "way": "title", "to": "bye"},
    ],
)
def test_what_is_no_deed_changes_nothing(alice: Browser, path: str, what: dict[str, object]) -> None:
    before = drawn(alice, path)["flow"]
    answer = deed(alice, path, 1, **what)
    assert answer.status_code in {200, 422}
    assert drawn(alice, path)["flow"] == before


def test_who_may_not_write_sees_the_drawing_and_changes_nothing(
    alice: Browser, browser: Browsers, cast: Cast, path: str
) -> None:
    analyst, before = browser(), drawn(alice, path)
    analyst.sign_in(cast.ann.email)
    assert 'data-write="no"' in analyst.get(f"{path}/drawing").text
    refused = deed(analyst, path, 1, do="take", nodes=["bye"])
    assert refused.status_code == 403
    assert drawn(alice, path) == before


def test_moving_a_step_does_not_close_its_form(alice: Browser, path: str) -> None:
    page = alice.get(f"{path}?node=menu").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    assert deed(alice, path, 1, do="move", places={"menu": [5, 5]}).status_code == 200
    fields = {"node": "menu", "seen": seen[1], "title": "Choices", "timeout_s": "5", "tries": "2"}
    assert alice.post(f"{path}/node", fields).status_code == 303
    assert drawn(alice, path)["flow"]["nodes"]["menu"]["place"] == [5, 5]


def test_the_outline_saves_what_is_typed_on_the_way_to_the_drawing(alice: Browser, path: str) -> None:
    seen = re.search(r'name="seen" value="(\w+)"', alice.get(f"{path}?node=bye").text)
    assert seen
    fields = {"node": "bye", "seen": seen[1], "title": "Farewell", "then": "drawing"}
    answer = alice.post(f"{path}/node", fields)
    assert str(answer.location).endswith("/drawing?node=bye")
    assert drawn(alice, path)["flow"]["nodes"]["bye"]["title"] == "Farewell"


# --- a hand on it ---------------------------------------------------------------------------------


@BOTH
def test_a_step_is_dragged_undone_and_led_elsewhere_by_mouse(page: Page, path: str, alice: Browser) -> None:
    heard = told(page)
    opened(page, path)
    before, bye = boxes(page), step(page, "bye")
    with page.expect_response("**/drawn") as moved:
        bye.hover()
        page.mouse.down()
        page.mouse.move(before["bye"][0] + 40, before["bye"][1] + 150, steps=6)
        page.mouse.up()
    assert moved.value.status == 200
    assert drawn(alice, path)["flow"]["nodes"]["bye"]["place"] is not None
    with page.expect_response("**/drawn"):
        page.get_by_role("button", name="Undo").click()
    assert "place" not in drawn(alice, path)["flow"]["nodes"]["bye"]
    expect(page.get_by_role("button", name="Redo")).to_be_enabled()
    # from a key of the menu to another step, along the line a hand draws
    port, target = step(page, "menu").locator(".react-flow__handle-bottom").nth(0), step(page, "bye")
    with page.expect_response("**/drawn") as led:
        port.hover()
        page.mouse.down()
        target.locator(".react-flow__handle-top").hover()
        page.mouse.up()
    assert led.value.status == 200
    assert drawn(alice, path)["flow"]["nodes"]["menu"]["keys"]["1"]["to"] == "bye"
    assert heard == [], "the drawing keeps the page's policy: no style and no script of its own"


@BOTH
def test_all_of_it_goes_by_keyboard(page: Page, path: str, alice: Browser) -> None:
    opened(page, path)
    with page.expect_response("**/drawn"):
        step(page, "menu").get_by_role("button", name="otherwise").press("Enter")
        expect(page.get_by_text("Choose the step that “otherwise” leads to")).to_be_visible()
        step(page, "bye").press("Enter")
    assert drawn(alice, path)["flow"]["nodes"]["menu"]["otherwise"] == "bye"
    with page.expect_response("**/drawn"):
        step(page, "menu").get_by_role("button", name="key 3").press("Enter")
        page.get_by_label("New step").select_option("voicemail")
        page.get_by_role("button", name="Add").press("Enter")
    expect(step(page, "voicemail-1")).to_be_visible()
    expect(page.locator("#step-h")).to_have_text("Take a message")
    assert drawn(alice, path)["flow"]["nodes"]["menu"]["keys"]["3"]["to"] == "voicemail-1"
    with page.expect_response("**/drawn"):
        step(page, "voicemail-1").press("Delete")
    expect(step(page, "voicemail-1")).to_have_count(0)
    with page.expect_response("**/drawn"):
        page.keyboard.press("Control+z")
    expect(step(page, "voicemail-1")).to_be_visible()


@BOTH
def test_what_is_typed_beside_the_drawing_goes_along_to_the_outline(page: Page, path: str) -> None:
    opened(page, path)
    step(page, "bye").click()
    page.get_by_label("Title").fill("Farewell")
    page.get_by_role("link", name="Outline").click()
    page.wait_for_url("**node=bye**")
    expect(page.get_by_label("Title")).to_have_value("Farewell")
    page.get_by_label("Title").fill("So long")
    page.get_by_role("button", name="Drawing").click()
    expect(step(page, "bye")).to_contain_text("So long")


@BOTH
def test_two_who_draw_at_once_are_told_and_lose_nothing(page: Page, path: str, alice: Browser) -> None:
    opened(page, path)
    step(page, "menu").click()
    expect(page.locator("#step-h")).to_have_text("Menu")
    assert deed(alice, path, 1, do="lead", node="menu", way="otherwise", to="bye").status_code == 200
    with page.expect_response("**/drawn") as late:
        page.get_by_role("button", name="Add").click()
    assert late.value.status == 409
    expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed the flow")
    page.get_by_role("button", name="Do it to theirs as well").click()
    expect(step(page, "say-1")).to_be_visible()
    nodes = drawn(alice, path)["flow"]["nodes"]
    assert (nodes["menu"]["otherwise"], "say-1" in nodes) == ("bye", True)


@BOTH
def test_the_rehearsal_shows_the_way_a_caller_takes(page: Page, path: str) -> None:
    opened(page, path)
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="1 Parcels").click()
    expect(step(page, "parcels").locator(".here")).to_be_visible()
    expect(page.locator(".react-flow__edge.on-path")).to_have_count(2)
    expect(step(page, "bye").locator(".on-path")).to_have_count(0)


@BOTH
def test_on_a_narrow_screen_there_is_the_outline(page: Page, path: str) -> None:
    opened(page, path)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#flow-canvas")).to_be_hidden()
    page.get_by_role("link", name="Open the outline").click()
    page.wait_for_url(f"**{path}")


@BOTH
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_drawing_is_for_everybody(page: Page, path: str, theme: str) -> None:
    opened(page, path)
    page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
    step(page, "menu").click()
    expect(page.locator("#step-h")).to_have_text("Menu")
    # the policy lets no foreign script in by the page; the test's own comes by the protocol
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
