"""The desk of an agent at their own telephone, in a browser: everything but the voice is there."""

import pytest
from playwright.sync_api import Page, expect

from core import clock
from tests.web import figures
from tests.web.test_console_page import Stage, browser, context, desk, stage, view  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def outside(stage: Stage, name: str) -> None:  # noqa: F811
    stage.state = figures.console_state(name, "en", now=clock.now())
    stage.push("state")


def test_an_agent_chooses_and_the_desk_asks_for_no_microphone(desk: Page, stage: Stage) -> None:  # noqa: F811
    view(desk, "idle")
    expect(desk.locator("#where")).to_be_hidden()
    here = figures.console_state("telephone", "en", now=clock.now())
    assert here["telephone"]
    stage.state = here | {"simulator": True, "telephone": here["telephone"] | {"is_chosen": False}}
    stage.push("state")
    expect(desk.get_by_label("In this browser")).to_be_checked()
    expect(desk.locator("#where-code")).to_contain_text("press 4711")
    desk.get_by_label("At my telephone").check()
    assert stage.await_told("/console/rings-at") == {"telephone": True}
    outside(stage, "telephone")
    expect(desk.locator("#line-word")).to_have_text("At my telephone")
    for gone in ("#dial-card", "#headset"):
        expect(desk.locator(gone)).to_be_hidden()


def test_the_choice_stands_while_the_server_thinks_and_goes_back_when_it_refuses(
    desk: Page,  # noqa: F811
    stage: Stage,  # noqa: F811
) -> None:
    here = figures.console_state("telephone", "en", now=clock.now())
    assert here["telephone"]
    stage.state = here | {"simulator": True, "telephone": here["telephone"] | {"is_chosen": False}}
    stage.push("state")
    expect(desk.get_by_label("In this browser")).to_be_checked()
    stage.refused["/console/rings-at"] = {"code": "in-a-call", "title": "You are in a call."}
    stage.may_answer.clear()
    desk.get_by_label("At my telephone").check()
    stage.state["telephone"] |= {"number": "+44 20 7946 0001"}
    stage.push("state")  # which still says that calls ring in the browser
    expect(desk.locator("#where-number")).to_have_text("+44 20 7946 0001")
    expect(desk.get_by_label("At my telephone")).to_be_checked()
    stage.may_answer.set()
    expect(desk.locator(".toast").last).to_contain_text("You are in a call.")
    expect(desk.get_by_label("In this browser")).to_be_checked()


def test_a_call_there_is_taken_there_and_shown_here(desk: Page, stage: Stage) -> None:  # noqa: F811
    outside(stage, "telephone")
    expect(desk.locator("#line-word")).to_have_text("At my telephone")
    outside(stage, "ringing-telephone")
    view(desk, "ringing")
    expect(desk.locator("#outside-hint")).to_contain_text("press 4711")
    expect(desk.locator("#answer")).to_be_hidden()
    expect(desk.locator("#pop")).to_contain_text("Ines")
    desk.keyboard.press("a")
    desk.keyboard.press("d")  # declined here all the same
    stage.await_told("/console/offers/off_1/decline")
    assert not stage.heard("/console/offers/off_1/answer")


def test_in_the_call_all_but_the_voice_is_here(desk: Page, stage: Stage) -> None:  # noqa: F811
    outside(stage, "call-telephone")
    view(desk, "on-call")
    for silent in ("#mute", "#keypad"):
        expect(desk.locator(silent)).to_be_disabled()
    desk.wait_for_timeout(2500)  # longer than a lost voice would be looked for
    assert not stage.heard("/console/calls/call_1/rejoin")
    desk.locator("#hold").click()
    assert stage.await_told("/console/calls/call_1/hold") == {"on": True}
    desk.locator("#hang-up").click()
    stage.await_told("/console/calls/call_1/hang-up")


def test_why_a_telephone_was_not_called_is_said(desk: Page, stage: Stage) -> None:  # noqa: F811
    outside(stage, "ringing-telephone")
    view(desk, "ringing")
    outside(stage, "telephone")
    stage.push("offer-withdrawn", offer_id="off_1", reason="not-called")
    view(desk, "idle")
    expect(desk.locator(".toast").last).to_contain_text("Your telephone could not be called.")
    expect(desk.locator("#where")).to_be_visible()
