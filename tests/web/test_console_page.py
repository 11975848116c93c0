"""console.js in a real browser: the record pops before the ring, and every key does what the screen says.

The server here is a stage: it answers what the console's contract says and lets a test push events. The
real doorways behind it, and the softphone, are tried by `make call` and its test.
"""

import datetime as dt
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, request
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import make_server

from core import clock
from launch import choices, layout
from launch.parts import chromium
from tests.web import figures, gallery

pytestmark = pytest.mark.browser

PATIENCE_S = 20.0  # a busy machine paints late; what never comes fails all the same
expect.set_options(timeout=PATIENCE_S * 1000)


class Stage:
    """A server that plays the console's part of the contract, and keeps what it was told."""

    def __init__(self) -> None:
        self.state = figures.console_state("idle", "en", now=clock.now())
        self.told: list[tuple[str, Any]] = []
        self.pop_delay_s = 0.0
        self.may_pop = threading.Event()
        self.may_pop.set()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.states = 0  # answered
        self.draft: dict[str, Any] = {"saved_at": None}
        self.refused: dict[str, dict[str, str]] = {}
        self.is_open = True
        self._streams: list[queue.Queue[str]] = []
        self.app = gallery.make_app()
        self._play(self.app)

    def _play(self, app: Flask) -> None:
        def state() -> Any:
            if not self.is_open:
                return {"code": "not-signed-in"}, 401
            self.states += 1
            return self.state | {"now": clock.now().isoformat()}

        def told(**names: str) -> Any:
            self.told.append((request.path, request.get_json()))
            assert request.headers["X-CSRF-Token"] == "token"
            if names.get("act") == "draft":
                self.draft = request.get_json() | {"saved_at": clock.now().isoformat()}
            self.may_answer.wait(PATIENCE_S)
            if request.path in self.refused:
                return self.refused[request.path], 403, {"Content-Type": "application/problem+json"}
            kept = {"done": names, "call_id": "call_1", "saved_at": clock.now().isoformat()}
            return kept | {"number": "+44 20 7946 0123"}, 200

        def live(stream: str) -> Response:
            mine: queue.Queue[str] = queue.Queue()
            self._streams.append(mine)

            def say() -> Iterator[str]:
                yield f": {stream}\n\n"
                while self.is_open:
                    try:
                        yield mine.get(timeout=0.2)
                    except queue.Empty:
                        yield ":\n\n"

            return Response(say(), mimetype="text/event-stream")

        pop = app.view_functions["pop"]

        def slow_pop(offer: str) -> Any:
            time.sleep(self.pop_delay_s)
            self.may_pop.wait(PATIENCE_S)
            return pop(offer=offer)

        app.view_functions["state"] = state
        app.view_functions["live"] = live
        app.view_functions["painted"] = told
        app.view_functions["draft"] = lambda call: self.draft | {"call": call}
        app.view_functions["pop"] = slow_pop
        app.add_url_rule("/console/offers/<offer>/<act>", "offer_act", told, methods=["POST"])
        app.add_url_rule("/console/offers/<offer>/tickets/<one>", "ticket_moved", told, methods=["POST"])
        app.add_url_rule("/console/calls/<call>/<act>", "call_act", told, methods=["POST"])
        app.add_url_rule("/console/<act>", "act", told, methods=["POST"])
        app.add_url_rule("/console/team/<act>", "team_act", told, methods=["POST"])
        app.add_url_rule("/console/callbacks/<company>/<one>/dial", "dial_back", told, methods=["POST"])

    @property
    def is_listened_to(self) -> bool:
        return bool(self._streams)

    def push(self, event: str, **data: str) -> None:
        for stream in self._streams:
            stream.put(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def turn(self, name: str) -> None:
        """Become another state and say so."""
        self.state = figures.console_state(name, "en", now=clock.now())
        self.push("state")

    def ring(self, offer_id: str = "off_1") -> None:
        self.state = figures.console_state("ringing", "en", now=clock.now())
        offer = self.state["offer"]
        assert offer
        self.push("offer", offer_id=offer_id, call_id="call_1", expires_at=offer["expires_at"])

    def heard(self, path: str) -> list[Any]:
        return [body for told, body in self.told if told == path]

    def await_told(self, path: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.heard(path):
                return self.heard(path)[-1]
            threading.Event().wait(0.02)
        pytest.fail(f"nothing was posted to {path}; {self.told}")


@contextmanager
def served(app: Flask, *, port: int = 0) -> Iterator[str]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium.find(layout.find(choices.read()).parts)
    assert program, "Chromium is missing: make setup fetches it"
    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=str(program),
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        yield started
        started.close()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def context(browser: Browser, stage: Stage) -> Iterator[BrowserContext]:
    with served(stage.app) as address:
        made = browser.new_context(base_url=address)
        yield made
        made.close()
        stage.is_open = False


@pytest.fixture
def desk(context: BrowserContext, stage: Stage) -> Page:
    page = context.new_page()
    page.goto("/g/en/console-idle")
    expect(page.locator("#desk")).to_have_attribute("data-view", "idle")
    wait_until(lambda: stage.is_listened_to)
    return page


def view(page: Page, name: str) -> None:
    expect(page.locator("#desk")).to_have_attribute("data-view", name)


def marks(page: Page) -> dict[str, float]:
    found: dict[str, float] = page.evaluate("seatline.marks")
    return found


def hold_the_rings_clock(page: Page) -> None:
    """Let the 300 ms of the ring's patience never pass: then only the painted record lets it ring."""
    page.evaluate(
        "() => { const real = window.setTimeout;"
        " window.setTimeout = (does, ms, ...more) => (ms === 300 ? 0 : real(does, ms, ...more)); }"
    )


def test_record_is_painted_before_the_ring_and_the_server_is_told(desk: Page, stage: Stage) -> None:
    hold_the_rings_clock(desk)  # a busy machine paints later than that, and then it rings without
    stage.pop_delay_s = 0.5
    stage.ring()
    view(desk, "ringing")
    assert marks(desk)["painted_at"] <= marks(desk)["ring_at"]
    expect(desk.locator("#who")).to_have_text("Ines Carvalho")
    body = stage.await_told("/console/offers/off_1/painted")
    assert 500 <= body["painted_ms"] < PATIENCE_S * 1000
    assert (
        desk.locator("#announce-now").text_content()
        == "Incoming call: Ines Carvalho, Deliveries. Press A to answer."
    )
    assert desk.title().startswith("● ")


def test_slow_record_holds_the_ring_for_three_hundred_milliseconds_only(desk: Page, stage: Stage) -> None:
    stage.may_pop.clear()
    stage.ring()
    view(desk, "ringing")
    assert marks(desk)["ring_at"] - marks(desk)["offer_at"] >= 290
    assert "painted_at" not in marks(desk)
    stage.may_pop.set()
    expect(desk.locator("#who")).to_have_text("Ines Carvalho")


def test_key_a_answers_and_the_call_shows_its_controls(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    desk.keyboard.press("a")
    stage.await_told("/console/offers/off_1/answer")
    view(desk, "answering")
    stage.turn("call")
    view(desk, "on-call")
    expect(desk.locator("#recording")).to_be_visible()
    desk.keyboard.press("p")
    assert stage.await_told("/console/calls/call_1/hold") == {"on": True}
    desk.keyboard.press("h")
    stage.await_told("/console/calls/call_1/hang-up")


def test_on_a_low_screen_every_button_of_the_call_is_there_whole(desk: Page, stage: Stage) -> None:
    """At 1280 x 720 the card of the call was squeezed, and the button that ends it cut off."""
    desk.set_viewport_size({"width": 1280, "height": 720})
    stage.ring()
    view(desk, "ringing")
    desk.keyboard.press("a")
    stage.await_told("/console/offers/off_1/answer")
    stage.turn("call")
    view(desk, "on-call")
    cut_off = """() => {
        const end = document.getElementById("hang-up");
        const card = end.closest(".card");
        return card.scrollHeight - card.clientHeight;
    }"""
    assert desk.evaluate(cut_off) <= 1
    desk.locator("#hang-up").click()
    stage.await_told("/console/calls/call_1/hang-up")


def test_key_d_declines_and_the_ring_stops_at_once(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    desk.keyboard.press("d")
    stage.turn("idle")
    stage.await_told("/console/offers/off_1/decline")
    view(desk, "idle")
    assert not desk.title().startswith("● ")
    assert desk.locator("#announce-now").text_content() == ""


def test_withdrawn_offer_leaves_the_desk_idle(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    stage.state = figures.console_state("idle", "en", now=clock.now())
    stage.push("offer-withdrawn", offer_id="off_1")
    view(desk, "idle")
    expect(desk.locator(".toast").last).to_contain_text("The call went to another agent.")


def test_caller_who_hangs_up_while_it_rings_is_said_to_have_done_so(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    stage.state = figures.console_state("idle", "en", now=clock.now())
    stage.push("offer-withdrawn", offer_id="off_1", reason="caller-left")
    view(desk, "idle")
    expect(desk.locator(".toast").last).to_contain_text("The caller hung up.")


def test_state_asked_before_the_offer_does_not_take_it_away(desk: Page, stage: Stage) -> None:
    idle = stage.state
    stage.ring()
    stage.state = idle  # the rows are not written yet: the state still says idle
    before = stage.states
    stage.push("state")
    wait_until(lambda: stage.states > before)
    view(desk, "ringing")


def test_notes_typed_in_the_call_are_kept_and_stand_there_after_a_reload(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.locator("#notes").press_sequentially("Gate B")
    desk.get_by_label("Promise a call back").check()
    desk.locator("#callback-at").fill("2031-05-06T09:30")
    wait_until(lambda: str(stage.draft.get("callback_at")).startswith("2031-05-06"))
    expect(desk.locator("#notes-saved")).to_contain_text("Saved at")
    stage.turn("wrap")
    view(desk, "wrap-up")
    desk.reload()
    expect(desk.locator("#notes")).to_have_value("Gate B")
    expect(desk.locator("#callback-at")).to_have_value("2031-05-06T09:30")


def test_card_number_is_named_at_once_and_leaves_the_page_by_no_way(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    desk.keyboard.press("1")
    desk.locator("#dispositions input").first.check()
    desk.locator("#notes").fill("pays with 4111 1111 1111 1111")
    expect(desk.locator("#notes-error")).to_contain_text("card number")
    expect(desk.locator("#notes")).to_have_attribute("aria-invalid", "true")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".toast").last).to_contain_text("card number")
    assert not any("4111" in str(body) for _, body in stage.told)
    desk.locator("#notes").fill("pays with the card ending in 1111")
    expect(desk.locator("#notes-error")).to_be_hidden()
    wait_until(lambda: stage.draft.get("notes") == "pays with the card ending in 1111")


def test_missed_call_says_what_has_become_of_the_agent_and_how_to_go_on(desk: Page, stage: Stage) -> None:
    idle = figures.console_state("idle", "en", now=clock.now())
    stage.state = idle | {"status": "away", "reason": "missed"}
    stage.push("state")
    expect(desk.locator("#why-away")).to_contain_text("Missed a call. The caller kept their place.")
    expect(desk.locator("#activity")).to_contain_text("Missed a call")
    expect(desk.get_by_text("Waiting for the next call")).to_be_hidden()
    desk.locator("#back").click()
    assert stage.await_told("/console/status") == {"status": "available", "reason": None}
    stage.turn("idle")
    expect(desk.locator("#why-away")).to_be_hidden()
    expect(desk.get_by_text("Waiting for the next call")).to_be_visible()


def test_recording_counts_as_paused_only_when_the_switch_has_said_so(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.keyboard.press("r")
    assert stage.await_told("/console/calls/call_1/recording") == {"paused": True}
    expect(desk.locator("#paused")).to_have_text("Pausing the recording…")
    stage.state["call"] |= {"paused": True}
    stage.push("state")
    expect(desk.locator("#paused")).to_have_text("Recording paused")
    expect(desk.locator("#recording")).to_be_hidden()
    expect(desk.locator("#announce")).to_have_text("Recording paused. Card details are not kept.")
    stage.state["call"] |= {"paused": False}
    stage.push("state")
    expect(desk.locator("#recording")).to_be_visible()
    stage.push("recording-goes-on")
    expect(desk.locator("#not-paused")).to_contain_text("Do not take card details in this call.")


def test_call_answers_itself_after_a_tone_where_the_agent_wants_that(desk: Page, stage: Stage) -> None:
    desk.get_by_label("Answer by itself, after a tone").check()
    stage.ring()
    stage.await_told("/console/offers/off_1/answer")
    assert marks(desk)["answered_at"] - marks(desk)["ring_at"] > 300
    assert not desk.title().startswith("● ")


def test_bad_line_is_reported_with_the_call(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.locator("#phone").get_by_role("button", name="Report a problem with the line").click()
    desk.get_by_label("Choppy or robotic").check()
    desk.get_by_role("button", name="Report", exact=True).click()
    assert stage.await_told("/console/calls/call_1/problem")["what"] == "choppy"
    expect(desk.locator(".toast").last).to_contain_text("Reported with the call.")


def test_answer_has_the_focus_when_it_rings_and_keys_do_the_rest(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    expect(desk.locator("#answer")).to_be_focused()
    desk.keyboard.press("Enter")
    stage.await_told("/console/offers/off_1/answer")
    stage.turn("call")
    view(desk, "on-call")
    stage.turn("wrap")
    view(desk, "wrap-up")
    desk.evaluate("document.activeElement.blur()")
    desk.keyboard.press("e")
    stage.await_told("/console/calls/call_1/extend")


def test_every_target_is_large_enough_to_hit(desk: Page, stage: Stage) -> None:
    small = """() => [...document.querySelectorAll('button, select, input, a, summary')]
        .filter(one => one.checkVisibility() && !one.matches('.skip'))
        .map(one => [one.id || one.textContent.trim(), (one.closest('label') ?? one).getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
    for name, shown in (("idle", "idle"), ("call", "on-call"), ("wrap", "wrap-up")):
        stage.turn(name)
        view(desk, shown)
        assert desk.evaluate(small) == []


def test_wrap_up_takes_an_outcome_by_digit_and_saves_by_control_enter(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    desk.locator("body").click(position={"x": 5, "y": 400})
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".toast").last).to_contain_text("Choose an outcome first.")
    desk.evaluate("document.activeElement.blur()")
    desk.keyboard.press("1")
    desk.locator("#notes").fill("Gate B")
    desk.keyboard.press("Control+Enter")
    assert stage.await_told("/console/calls/call_1/wrap-up") == {
        "disposition": "d1",
        "notes": "Gate B",
        "callback_at": None,
    }
    stage.turn("idle")
    view(desk, "idle")
    assert desk.locator("#notes").input_value() == ""


def test_letters_typed_into_notes_are_no_shortcuts(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.locator("#notes").press_sequentially("hmpk 1")
    assert {path.rpartition("/")[2] for path, _ in stage.told} <= {"draft"}  # what is typed is kept in time
    assert desk.locator("[name=disposition]:checked").count() == 0
    desk.keyboard.press("Escape")
    desk.keyboard.press("2")
    expect(desk.locator("[name=disposition]").nth(1)).to_be_checked()


def test_the_button_of_the_wrap_up_says_ready_only_to_who_will_be(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    expect(desk.locator("#save-word")).to_have_text("Save and be ready")
    stage.state["next_status"] = "away:break"
    stage.push("state")
    expect(desk.locator("#save-word")).to_have_text("Save")


def test_an_outcome_with_others_under_it_asks_which_and_keeps_that(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    expect(desk.locator("#sub-codes")).to_be_hidden()
    desk.keyboard.press("2")
    expect(desk.locator("#sub-codes")).to_be_visible()
    assert stage.await_told("/console/calls/call_1/draft")["disposition"] == "d2"
    stage.turn("wrap")
    view(desk, "wrap-up")
    desk.locator("#wrap-save").click()
    expect(desk.locator("[data-toast], .toast").last).to_contain_text("more closely")
    assert stage.heard("/console/calls/call_1/wrap-up") == []
    desk.locator("#sub-list label").nth(1).click()
    desk.locator("#wrap-save").click()
    assert stage.await_told("/console/calls/call_1/wrap-up")["disposition"] == "d2-2"
    desk.keyboard.press("1")


def test_what_stands_under_an_outcome_comes_back_with_the_draft(desk: Page, stage: Stage) -> None:
    stage.draft = {
        "disposition": "d2-1", "notes": "Gate B", "callback_at": None, "saved_at": clock.now().isoformat()
    }  # fmt: skip
    stage.turn("call")
    view(desk, "on-call")
    expect(desk.locator("[name=disposition][value=d2]")).to_be_checked()
    expect(desk.locator("[name=sub][value=d2-1]")).to_be_checked()
    desk.keyboard.press("1")
    expect(desk.locator("#sub-codes")).to_be_hidden()


def test_an_optional_wrap_up_is_skipped_by_one_key_and_keeps_what_was_typed(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    stage.state["wrap"] |= {"can_skip": True, "ends_at": None, "can_extend": False, "needs_outcome": False}
    stage.push("state")
    expect(desk.locator("#skip")).to_be_visible()
    expect(desk.locator("#extend")).to_be_hidden()
    expect(desk.locator("#wrap-left")).to_have_text("no limit")
    desk.locator("#notes").fill("Gate B")
    desk.keyboard.press("Escape")
    desk.keyboard.press("q")
    stage.await_told("/console/calls/call_1/skip")
    assert stage.await_told("/console/calls/call_1/draft")["notes"] == "Gate B"
    paths = [path.rpartition("/")[2] for path, _ in stage.told]
    assert paths.index("draft") < paths.index("skip")


def test_without_an_outcome_only_what_the_queue_lets_through_is_saved(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    expect(desk.locator("#skip")).to_be_hidden()
    desk.locator("#wrap-save").click()
    expect(desk.locator("[data-toast], .toast").last).to_contain_text("Choose an outcome")
    stage.state["wrap"]["needs_outcome"] = False
    stage.push("state")
    desk.wait_for_function("() => seatline.state().server.wrap.needs_outcome === false")
    desk.locator("#wrap-save").click()
    assert stage.await_told("/console/calls/call_1/wrap-up")["disposition"] is None


def test_a_ticket_is_opened_and_moved_on_in_the_call_and_only_then(desk: Page, stage: Stage) -> None:
    stage.ring()
    view(desk, "ringing")
    expect(desk.locator("#open-title")).to_be_visible()
    expect(desk.locator("[data-dialog=ticket]")).to_be_hidden()
    expect(desk.locator("[data-ticket]").first).to_be_hidden()
    desk.keyboard.press("a")
    stage.turn("call")
    view(desk, "on-call")
    desk.locator("[data-dialog=ticket]").click()
    desk.locator("#ticket-subject").fill("Parcel is late")
    desk.locator("#ticket-text").fill("Waited at gate B.")
    refused = "/console/offers/off_1/tickets"
    stage.refused[refused] = {"title": "This caller is in no record"}
    desk.locator("#ticket-form [type=submit]").click()
    expect(desk.locator("#ticket-error")).to_contain_text("in no record")
    del stage.refused[refused]
    desk.locator("#ticket-form [type=submit]").click()
    expect(desk.locator("#ticket")).to_be_hidden()
    told = stage.await_told(refused)
    assert (told["kind"], told["subject"], told["due_at"]) == ("complaint", "Parcel is late", None)
    desk.locator("[data-ticket][data-state=closed]").first.click()
    assert stage.await_told("/console/offers/off_1/tickets/tkt_1") == {"state": "closed"}
    stage.turn("idle")
    view(desk, "idle")
    expect(desk.locator("#ticket-subject")).to_have_value("")


def test_reload_in_a_call_comes_back_with_the_record(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.reload()
    view(desk, "on-call")
    expect(desk.locator("#who")).to_have_text("Ines Carvalho")


def test_mute_says_what_the_next_press_does(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    button = desk.locator("#mute")
    expect(button).to_contain_text("Mute")
    desk.keyboard.press("m")
    expect(button).to_contain_text("Unmute")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).not_to_contain_text("Unmute")


def test_one_key_opens_the_dial_field_and_the_call_is_announced_by_state(desk: Page, stage: Stage) -> None:
    desk.keyboard.press("c")
    expect(desk.locator("#dial-number")).to_be_focused()
    desk.keyboard.type("07700 900123")
    desk.locator("#dial-queue").select_option("q2")
    desk.locator("#dial-number").press("Enter")
    assert stage.await_told("/console/dial") == {"number": "07700 900123", "queue": "q2"}
    view(desk, "dialling")
    expect(desk.locator("#dial-word")).to_have_text("Dialling")
    stage.turn("dialling")
    expect(desk.locator("#dial-word")).to_have_text("It rings there")
    expect(desk.locator("#who")).to_have_text("Ines Carvalho")  # before they pick up
    stage.push("offer", offer_id="off_1", call_id="call_1", expires_at=clock.now().isoformat())
    stage.await_told("/console/offers/off_1/answer")  # nobody is asked whether to take their own call
    assert not desk.title().startswith("● ")
    stage.turn("call")
    view(desk, "on-call")


def test_who_dials_may_give_up_and_hears_what_became_of_it(desk: Page, stage: Stage) -> None:
    stage.turn("dialling")
    view(desk, "dialling")
    desk.keyboard.press("h")
    stage.await_told("/console/calls/call_1/hang-up")
    stage.state = figures.console_state("idle", "en", now=clock.now())
    stage.push("dial-ended", call_id="call_1", outcome="busy")
    view(desk, "idle")
    expect(desk.locator(".toast").last).to_contain_text("They are on another call.")


def test_a_number_put_together_on_the_keypad_is_dialled(desk: Page, stage: Stage) -> None:
    desk.locator("#dial-pad").click()
    for sign in "+4420":
        desk.locator(f'[data-sign="{sign}"]').click()
    expect(desk.locator("#dial-number")).to_have_value("+4420")
    desk.locator("#dial-go").click()
    assert stage.await_told("/console/dial")["number"] == "+4420"


def test_a_refusal_of_the_gate_stands_beside_the_number(desk: Page, stage: Stage) -> None:
    title, detail = "This number is on the company’s do-not-call list", "Write to them instead."
    stage.refused["/console/dial"] = {"code": "dial-do-not-call", "title": title, "detail": detail}
    desk.locator("#dial-number").fill("+447700900123")
    desk.locator("#dial-number").press("Enter")
    expect(desk.locator("#dial-error")).to_have_text(f"{title}. {detail}")
    view(desk, "idle")
    expect(desk.locator("#dial-number")).to_have_value("+447700900123")


def test_a_promised_call_is_dialled_from_its_row(desk: Page, stage: Stage) -> None:
    desk.locator("[data-dial]").first.click()
    stage.await_told("/console/callbacks/ten_1/cb_0/dial")
    view(desk, "dialling")


def test_keys_are_chosen_in_the_list_and_kept_for_the_agent(desk: Page, stage: Stage) -> None:
    desk.keyboard.press("?")
    row = desk.locator('[data-rebind="answer"]')
    row.click()
    expect(row).to_contain_text("Press a key")
    desk.keyboard.press("d")
    expect(desk.locator(".toast").last).to_contain_text("D does something else already.")
    desk.keyboard.press("w")
    assert stage.await_told("/console/shortcuts") == {
        "is_on": True,
        "keys": {"answer": "w"},
        "family": "ctrl+alt",
    }
    expect(row).to_contain_text("W")
    desk.keyboard.press("Escape")
    stage.ring()
    view(desk, "ringing")
    expect(desk.locator("#answer")).to_contain_text("W")
    assert "Press W to answer" in (desk.locator("#announce-now").text_content() or "")
    desk.keyboard.press("a")
    assert desk.locator("#desk").get_attribute("data-view") == "ringing"
    desk.keyboard.press("w")
    stage.await_told("/console/offers/off_1/answer")


def test_keys_turned_off_do_nothing_and_are_not_shown(desk: Page, stage: Stage) -> None:
    desk.keyboard.press("?")
    desk.locator("[data-keys-on]").uncheck()
    assert stage.await_told("/console/shortcuts") == {"is_on": False, "keys": {}, "family": "ctrl+alt"}
    desk.keyboard.press("Escape")
    expect(desk.locator('#dial-card [data-key="dial"]')).to_be_hidden()
    desk.keyboard.press("c")
    expect(desk.locator("#dial-number")).not_to_be_focused()


def test_the_same_keys_work_while_typing_with_those_of_the_family_held(desk: Page, stage: Stage) -> None:
    stage.turn("call")
    view(desk, "on-call")
    notes = desk.locator("#notes")
    notes.press_sequentially("Gate ")
    desk.keyboard.press("Control+Alt+p")
    assert stage.await_told("/console/calls/call_1/hold") == {"on": True}
    desk.keyboard.press("Control+Alt+2")
    expect(desk.locator("[name=disposition]").nth(1)).to_be_checked()
    desk.keyboard.press("Alt+Shift+m")  # the other family, and AltGr, write signs
    notes.evaluate(
        "(at) => at.dispatchEvent(new KeyboardEvent('keydown', {key: 'µ', code: 'KeyM', ctrlKey: true,"
        " altKey: true, modifierAltGraph: true, bubbles: true}))"
    )
    expect(desk.locator("#muted")).to_be_hidden()
    notes.press_sequentially("B")
    assert notes.input_value().startswith("Gate ")
    desk.keyboard.press("Control+Alt+m")
    expect(desk.locator("#muted")).to_be_visible()


def test_the_family_is_chosen_in_the_list_and_what_browsers_use_is_left_to_them(
    desk: Page, stage: Stage
) -> None:
    desk.keyboard.press("?")
    expect(desk.locator('[data-combo="answer"]')).to_have_text("Ctrl Alt A")
    desk.locator("[data-keys-family]").select_option("alt+shift")
    assert stage.await_told("/console/shortcuts")["family"] == "alt+shift"
    expect(desk.locator('[data-combo="hold"]')).to_have_text("Alt Shift P")
    expect(desk.locator('[data-combo="transfer"]')).to_be_hidden()
    desk.locator("[data-keys-family]").select_option("")
    expect(desk.locator('[data-combo="hold"]')).to_be_hidden()
    desk.locator("[data-keys-usual]").click()
    expect(desk.locator('[data-combo="hold"]')).to_have_text("Ctrl Alt P")


def test_the_outcome_a_call_still_wants_is_given_from_the_list(desk: Page, stage: Stage) -> None:
    row = desk.locator("[data-outcome]")
    row.locator("select").select_option("d2")
    row.locator("button").click()
    assert stage.await_told("/console/calls/call_9/outcome") == {"disposition": "d2"}


def test_a_wrap_up_that_is_overdue_says_so_in_words(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    stage.state["wrap"] |= {
        "ends_at": (clock.now() - dt.timedelta(seconds=75)).isoformat(),
        "holds_over": True,
    }
    stage.push("state")
    view(desk, "wrap-up")
    expect(desk.locator("#overdue")).to_be_visible()
    expect(desk.locator("#overdue-for")).to_have_text(re.compile(r"^1:1\d$"))
    expect(desk.locator("#wrap-left")).to_have_text("")
    stage.state["wrap"]["holds_over"] = False
    stage.push("state")
    expect(desk.locator("#overdue")).to_be_hidden()


def test_what_is_written_in_the_call_is_saved_at_once_and_the_wrap_up_opens_with_it(
    desk: Page, stage: Stage
) -> None:
    stage.turn("call")
    view(desk, "on-call")
    expect(desk.locator("#wrap-save")).to_be_enabled()
    expect(desk.locator("#save-word")).to_have_text("Save now")
    desk.keyboard.press("1")
    desk.locator("#notes").fill("Gate B")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".toast").last).to_contain_text("Saved. The wrap-up opens with it.")
    kept = stage.await_told("/console/calls/call_1/draft")
    assert (kept["disposition"], kept["notes"]) == ("d1", "Gate B")
    assert stage.heard("/console/calls/call_1/wrap-up") == []
    stage.turn("wrap")
    view(desk, "wrap-up")
    assert desk.locator("#notes").input_value() == "Gate B"
    expect(desk.locator("[name=disposition]").first).to_be_checked()
    desk.locator("#notes").fill("card 4111 1111 1111 1111")
    desk.keyboard.press("Control+Enter")
    assert stage.heard("/console/calls/call_1/wrap-up") == []


def test_on_a_narrow_screen_the_wrap_up_is_in_view_at_once(desk: Page, stage: Stage) -> None:
    desk.set_viewport_size({"width": 390, "height": 844})
    stage.turn("call")
    view(desk, "on-call")
    desk.evaluate("scrollTo(0, document.body.scrollHeight)")
    stage.turn("wrap")
    view(desk, "wrap-up")
    expect(desk.locator("#dispositions label").first).to_be_in_viewport(ratio=1)
    expect(desk.locator("#notes")).to_be_in_viewport(ratio=1)


def test_second_tab_stays_passive_until_it_takes_over(context: BrowserContext, desk: Page) -> None:
    other = context.new_page()
    other.goto("/g/en/console-idle")
    view(other, "passive")
    other.locator("#take-over").click()
    view(other, "idle")
    view(desk, "passive")


def test_a_message_is_heard_in_its_list_once_the_agent_says_what_for(desk: Page, stage: Stage) -> None:
    hear = desk.get_by_role("button", name="Hear: +44 7700 904•••")
    expect(hear).to_have_attribute("aria-expanded", "false")
    hear.press("Enter")
    expect(hear).to_have_attribute("aria-expanded", "true")
    why = desk.get_by_label("Heard for")
    expect(why).to_be_focused()
    expect(why).to_have_value("answer")
    desk.get_by_role("button", name="Open the message").press("Enter")
    expect(desk.locator("#idle [data-play]")).to_be_focused()
    stage.push("message-left")  # the list is not fetched anew under the player
    expect(desk.locator(".toast").last).to_contain_text("A caller has left a message")
    expect(desk.locator("#idle audio")).to_have_count(1)
    stage.ring()
    view(desk, "ringing")
    assert desk.locator("#idle audio").evaluate("sound => sound.paused")


def test_who_waits_is_asked_for_only_while_the_list_is_open(desk: Page) -> None:
    asked: list[str] = []
    desk.on("request", lambda sent: asked.append(sent.url) if "/console/waiting" in sent.url else None)
    desk.reload()
    view(desk, "idle")
    assert asked == []
    desk.locator("#who-waits summary").click()
    expect(desk.locator("#callers li")).to_have_count(3)
    expect(desk.locator("#callers")).to_contain_text("last spoke with you")
    assert len(asked) >= 1


def opened_team(desk: Page) -> Page:
    desk.locator("#team-card summary").click()
    expect(desk.locator(".lane")).to_have_count(2)
    return desk


def heard_last(stage: Stage, wanted: object) -> bool:
    return bool(stage.heard("/console/team/acts")[-1] == wanted)


def undone(desk: Page, stage: Stage, said: str) -> Any:
    """What is asked for when what was `said` is taken back."""
    told = len(stage.heard("/console/team/acts"))
    desk.locator(".toast", has_text=said).get_by_role("button", name="Undo").click()
    wait_until(lambda: len(stage.heard("/console/team/acts")) > told)
    return stage.heard("/console/team/acts")[-1]


def test_a_leader_drags_an_agent_and_a_caller_into_another_queue_and_takes_it_back(
    desk: Page, stage: Stage
) -> None:
    opened_team(desk)
    billing = desk.locator(".lane[data-into=que_2]")
    desk.locator("[data-drag=assign][data-agent='1003']").drag_to(billing)
    before = {"act": "assign", "company": "ten_1", "agent": 1003}
    assert stage.await_told("/console/team/acts") == before | {"queue": "que_2", "from": "que_1"}
    back = undone(desk, stage, "Agent 1003 takes the calls of Billing now.")
    assert back == before | {"queue": "que_1", "from": "que_2"}
    desk.locator("[data-drag=move]").drag_to(billing)
    caller = {"act": "move", "company": "ten_1", "call": "call_9"}
    expect(desk.locator(".toast", has_text="The caller waits for Billing now.")).to_be_visible()
    assert stage.heard("/console/team/acts")[-1] == caller | {"queue": "que_2"}
    assert undone(desk, stage, "The caller waits for Billing now.") == caller | {"queue": "que_1"}
    expect(desk.locator(".toast", has_text="It is as it was before.")).to_have_count(2)


def test_a_drop_where_they_are_already_asks_for_nothing(desk: Page, stage: Stage) -> None:
    opened_team(desk)
    desk.locator("[data-drag=assign][data-agent='1003']").drag_to(desk.locator(".lane[data-into=que_1]"))
    desk.locator("[data-drag=assign][data-agent='1003']").drag_to(desk.locator(".lane[data-into=que_2]"))
    assert stage.await_told("/console/team/acts")["queue"] == "que_2"
    assert len(stage.heard("/console/team/acts")) == 1


def test_the_menus_of_the_board_do_what_dragging_does(desk: Page, stage: Stage) -> None:
    opened_team(desk)
    desk.locator("#put-1003").select_option("que_1>que_2")
    about = {"act": "assign", "company": "ten_1", "agent": 1003}
    assert stage.await_told("/console/team/acts") == about | {"queue": "que_2", "from": "que_1"}
    for choice, asked in ((">que_2", ("que_2", "")), ("que_1>", ("", "que_1"))):
        desk.locator("#put-1003").select_option(choice)
        wanted = about | {"queue": asked[0], "from": asked[1]}
        wait_until(partial(heard_last, stage, wanted))
    desk.locator("#to-call_9").select_option("que_2")
    expect(desk.locator(".toast", has_text="The caller waits for Billing now.")).to_be_visible()


def test_a_message_to_the_team_stands_there_until_it_is_read(desk: Page, stage: Stage) -> None:
    told = desk.locator("#messages [data-message]")
    expect(told).to_have_text("The website is down: say that we know.")
    stage.app.view_functions["messages"] = lambda: ""
    desk.get_by_role("button", name="I have read it").click()
    assert stage.await_told("/console/messages") == {"company": "ten_1", "message": "msg_1"}
    expect(told).to_have_count(0)
    stage.app.view_functions["messages"] = lambda: "<p data-message>News</p>"
    stage.push("message")
    expect(told).to_have_text("News")


def test_a_leader_writes_to_a_queue(desk: Page, stage: Stage) -> None:
    desk.locator("#team-card summary").click()
    desk.locator("#write-text").fill("Good work")
    desk.locator("#write-to").select_option(label="Pelican Parcel · Billing")
    desk.locator("#write-form").get_by_role("button", name="Send").click()
    about = {"act": "broadcast", "company": "ten_1", "text": "Good work", "queue": "que_2"}
    assert stage.await_told("/console/team/acts") == about
    expect(desk.locator(".toast", has_text="Sent.")).to_be_visible()
    expect(desk.locator("#write-text")).to_have_value("")


def test_ended_session_says_so(desk: Page, stage: Stage) -> None:
    stage.is_open = False
    view(desk, "signed-out")
    expect(desk.get_by_role("link", name="Sign in")).to_be_visible()


def test_status_and_next_status_are_posted(desk: Page, stage: Stage) -> None:
    desk.locator("#status").select_option("away:meal")
    assert stage.await_told("/console/status") == {"status": "away", "reason": "meal"}
    stage.turn("call")
    view(desk, "on-call")
    desk.locator("#next-status").select_option("away:break")
    wait_until(lambda: stage.heard("/console/status")[-1].get("when") == "after-call")
    assert stage.heard("/console/status")[-1] == {"status": "away", "reason": "break", "when": "after-call"}


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s"
        threading.Event().wait(0.02)


def in_a_call(desk: Page, stage: Stage, name: str = "call") -> None:
    stage.turn(name)
    view(desk, "on-call")


def test_key_t_opens_the_panel_and_the_keyboard_alone_gives_the_call_away(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage)
    desk.keyboard.press("t")
    expect(desk.locator("#give-find")).to_be_focused()
    expect(desk.locator("#give-list li")).to_have_count(7)
    expect(desk.locator("#give-none")).to_have_text("7 to choose from")
    desk.keyboard.type("1003")
    expect(desk.locator("#give-list li")).to_have_count(1)
    expect(desk.locator("#give-list [data-give]")).to_be_disabled()  # on a call of their own
    desk.locator("#give-find").fill("bill")
    desk.keyboard.press("Enter")
    assert stage.await_told("/console/calls/call_1/transfer") == {"queue": "q1"}
    stage.turn("wrap")
    expect(desk.locator("#announce")).to_contain_text("Given to Billing.")


def test_a_closed_queue_is_listed_with_the_hour_it_opens_and_cannot_be_chosen(
    desk: Page, stage: Stage
) -> None:
    stage.turn("call")
    view(desk, "on-call")
    desk.keyboard.press("t")
    row = desk.locator("#give-list li", has_text="Night")
    expect(row).to_contain_text("closed, opens 20:00")
    expect(row.locator("[data-give]")).to_be_disabled()


def test_who_gave_a_call_outside_is_told_that_it_came_back(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    expect(desk.locator("#came-back")).to_be_hidden()
    stage.state["wrap"]["came_back"] = "busy"
    stage.push("transfer-came-back", call_id="call_1", reason="busy")
    told = (
        "The number outside was not reached. They are on another call."
        " The caller is back at the head of the queue."
    )
    expect(desk.locator("#came-back-word")).to_have_text(told)
    expect(desk.locator(".toast").last).to_contain_text(told)


def test_who_gave_a_call_to_a_colleague_is_told_that_they_did_not_take_it(desk: Page, stage: Stage) -> None:
    stage.turn("wrap")
    view(desk, "wrap-up")
    stage.state["wrap"]["came_back"] = "colleague-no-answer"
    stage.push("transfer-came-back", call_id="call_1", reason="colleague-no-answer")
    told = (
        "Your colleague did not take the call. They did not answer."
        " The caller is back at the head of the queue."
    )
    expect(desk.locator("#came-back-word")).to_have_text(told)
    expect(desk.locator(".toast").last).to_contain_text(told)


def test_arrows_walk_the_list_and_escape_gives_the_keys_back(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage)
    desk.locator("#give").click()
    expect(desk.locator("#give-list li")).to_have_count(7)
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("#give-list [data-ask]").first).to_be_focused()
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("#give-list [data-give]").first).to_be_focused()
    desk.keyboard.press("ArrowUp")
    desk.keyboard.press("ArrowUp")
    expect(desk.locator("#give-find")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(desk.locator("#give-panel")).to_be_hidden()
    expect(desk.locator("#give")).to_be_focused()
    desk.keyboard.press("m")
    expect(desk.locator("#muted")).to_be_visible()


def test_an_agent_who_asks_sees_the_stage_and_has_a_key_for_each_deed(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage, "three")
    expect(desk.locator("#co-word")).to_have_text("You talk to agent 1002. The caller hears music.")
    expect(desk.locator("#announce")).to_have_text("You talk to agent 1002. The caller hears music.")
    expect(desk.locator("#give")).to_be_disabled()
    for key, deed in (("s", "swap"), ("j", "merge"), ("x", "drop"), ("l", "leave"), ("h", "end")):
        stage.told.clear()
        desk.keyboard.press(key)
        assert stage.await_told("/console/calls/call_1/conference") == {"deed": deed}
    stage.state["call"]["consult"]["stage"] = "together"
    stage.push("state")
    expect(desk.locator("#co-word")).to_contain_text("All three hear each other")
    expect(desk.locator("#co-swap")).to_be_hidden()


def test_an_agent_who_is_asked_can_leave_and_write_nothing(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage, "three")
    stage.state["call"]["consult"] |= {"is_asked": True, "agent": 1001}
    stage.push("state")
    expect(desk.locator("#co-word")).to_contain_text("Agent 1001 asks you about this call.")
    expect(desk.locator("#co-buttons")).to_be_hidden()
    expect(desk.locator("#wrap-card")).to_be_hidden()
    expect(desk.locator("#end-word")).to_have_text("Leave the call")
    desk.keyboard.press("h")
    stage.await_told("/console/calls/call_1/hang-up")


def test_what_the_switchboard_refuses_is_said_and_the_caller_stays(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage)
    stage.push("transfer-refused", reason="agent-busy")
    expect(desk.locator(".toast").last).to_contain_text("The caller is still with you.")
    view(desk, "on-call")


def test_a_number_typed_is_shown_as_understood_and_the_keyboard_asks_or_gives(
    desk: Page, stage: Stage
) -> None:
    in_a_call(desk, stage)
    for keys, path in ((["ArrowDown", "Enter"], "consult"), (["Enter"], "transfer")):
        desk.keyboard.press("t")
        desk.locator("#give-find").fill("020 7946 0123")
        expect(desk.locator("#give-list li")).to_have_count(1)
        expect(desk.locator("#give-list [data-name]")).to_have_text("+44 20 7946 0123")
        for key in keys:
            desk.keyboard.press(key)
        assert stage.await_told(f"/console/calls/call_1/{path}") == {"number": "+44 20 7946 0123"}
        expect(desk.locator("#give-panel")).to_be_hidden()
    stage.turn("wrap")
    expect(desk.locator("#announce")).to_contain_text("Given to +44 20 7946 0123.")


def test_an_entry_is_given_the_caller_and_never_asked(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage)
    desk.keyboard.press("t")
    expect(desk.locator("#give-list li")).to_have_count(7)  # they have come: what is typed now finds one
    desk.keyboard.type("entry")
    expect(desk.locator("#give-list li")).to_have_count(1)
    expect(desk.locator("#give-list [data-ask]")).to_be_hidden()
    desk.keyboard.press("Enter")
    assert stage.await_told("/console/calls/call_1/transfer") == {"entry": "num_1"}


def test_a_refusal_of_the_gate_is_said_while_the_panel_stays(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage)
    stage.refused["/console/calls/call_1/transfer"] = {
        "code": "dial-country",
        "title": "The company does not call this country",
        "detail": "An owner or administrator can allow it.",
    }
    desk.keyboard.press("t")
    desk.locator("#give-find").fill("+49 30 901820")
    expect(desk.locator("#give-list li")).to_have_count(1)
    desk.keyboard.press("Enter")
    expect(desk.locator(".toast").last).to_contain_text("The company does not call this country")
    expect(desk.locator("#give-panel")).to_be_visible()


def test_who_asks_outside_sees_the_number_and_hears_why_it_was_not_reached(desk: Page, stage: Stage) -> None:
    in_a_call(desk, stage, "outside")
    expect(desk.locator("#co-word")).to_have_text("You talk to +44 20 7946 0123. The caller hears music.")
    stage.state["call"]["consult"]["stage"] = "together"
    stage.push("state")
    expect(desk.locator("#co-word")).to_contain_text("Nothing is recorded any more.")
    for reason, word in (
        ("busy", "They are on another call. The caller is still with you."),
        ("stopped", "The company has stopped its calls out. The caller is still with you."),
        ("no-agent", "That is not possible now."),
    ):
        stage.push("transfer-refused", reason=reason)
        expect(desk.locator(".toast").last).to_contain_text(word)


def test_a_call_dialled_that_is_forbidden_at_the_last_moment_says_why(desk: Page, stage: Stage) -> None:
    """The page waited for a call that never came."""
    view(desk, "idle")
    stage.push("dial-ended", call_id="call_1", outcome="expired", reason="stopped")
    expect(desk.locator(".toast").last).to_contain_text("The company has stopped its calls out")


@pytest.mark.parametrize(("width", "height"), [(390, 760), (1280, 620)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_fits_a_phone_and_a_low_screen(
    desk: Page, stage: Stage, width: int, height: int, scheme: str
) -> None:
    desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
    desk.set_viewport_size({"width": width, "height": height})
    in_a_call(desk, stage)
    desk.locator("#give").click()
    expect(desk.locator("#give-list li")).to_have_count(7)
    assert desk.evaluate("document.documentElement.scrollWidth") <= width
    for button in desk.locator("#give-list button:visible").all():
        box = button.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 24
    stage.turn("three")
    for button in desk.locator("#co-buttons button").all():
        button.scroll_into_view_if_needed()
        expect(button).to_be_visible()
    assert desk.evaluate("document.documentElement.scrollWidth") <= width
