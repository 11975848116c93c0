"""The company's settings (writing of numbers and times, the budget, two who save at once); the live page."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from core import clock
from core.ids import QueueId
from core.realtime import Realtime
from security.gate import Gate, Scope
from telephony import figures
from telephony.conductor import pulse
from tests.web.conftest import Browser, Browsers, Cast, found
from tests.web.scene import NOW, Scene

PAGE = "/portal/company"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def form(browser: Browser) -> dict[str, str]:
    page = browser.get(PAGE).text
    given = dict(re.findall(r'<input[^>]* name="(revision|name|initials|budget)" value="([^"]*)"', page))
    return given | {
        "zone": "Europe/London",
        "language": "en",
        "number_format": "auto",
        "date_format": "auto",
        "clock_format": "auto",
        "second_step": "free",
    }


def test_numbers_and_times_are_written_as_the_company_has_it(alice: Browser, day: Scene) -> None:
    before = alice.get("/portal/").text
    assert "£0<small>.11</small>" in before
    assert "Thursday 19 November 2026" in before
    wanted = {"number_format": "point-comma", "date_format": "iso", "clock_format": "12"}
    assert alice.post(PAGE, form(alice) | wanted).status_code == 303
    after = alice.get("/portal/").text
    assert "£0<small>,11</small>" in after
    assert "2026-11-19 Thursday" in after
    assert "11-19 11:57 AM" in after


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("0.05", "The budget of this month is used up."),
        ("0.12", "Four fifths"),
        ("100", "to spare"),
        ("", ""),
    ],
)
def test_the_front_page_warns_of_the_budget(alice: Browser, day: Scene, budget: str, said: str) -> None:
    alice.post(PAGE, form(alice) | {"budget": budget})
    page = alice.get("/portal/").text
    assert said in page
    assert ('href="/portal/company#f-budget"' in page) == (not budget)
    assert ("Change the budget" in page) == (budget in {"0.05", "0.12"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": "ten"},
        {"budget": "1,250"},
        {"budget": "-1"},
        {"budget": "1.005"},
        {"budget": "1e400"},
        {"budget": "NaN"},
        {"zone": "Mars/Base"},
        {"number_format": "roman"},
        {"second_step": ""},
        {"name": " "},
    ],
)
def test_a_setting_that_cannot_be_is_said_and_nothing_is_lost(alice: Browser, wrong: dict[str, str]) -> None:
    given = form(alice) | {"initials": "Qx"} | wrong
    answer = alice.post(PAGE, given)
    assert answer.status_code == 422
    said = "This cannot be."
    if budget := wrong.get("budget"):
        said = {"-1": "Write an amount like", "1,250": "may be meant two ways"}.get(budget, "is no amount")
    assert said in answer.text
    assert 'value="Qx"' in answer.text
    assert 'value="Qx"' not in alice.get(PAGE).text


def test_two_who_save_at_once_see_each_other(alice: Browser, browser: Browsers, cast: Cast) -> None:
    other = browser()
    other.sign_in(cast.alice.email)
    mine, theirs = form(alice), form(other)
    other.post(PAGE, theirs | {"initials": "Th"})
    answer = alice.post(PAGE, mine | {"initials": "Mi"})
    assert answer.status_code == 409
    for words in ("Th", "Mi", "Keep what is saved"):
        assert words in answer.text
    chosen = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', answer.text))
    assert alice.post(PAGE, chosen | {"initials-side": "yours"}).status_code == 303
    assert 'value="Mi"' in alice.get(PAGE).text


def test_what_the_second_to_save_left_alone_is_what_was_saved(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    other = browser()
    other.sign_in(cast.alice.email)
    mine, theirs = form(alice), form(other)
    other.post(PAGE, theirs | {"budget": "50"})
    origins = {f"{name}-was": text for name, text in mine.items() if name != "revision"}
    answer = alice.post(PAGE, mine | origins | {"name": "Pelican Parcel Ltd"})
    assert answer.status_code == 409
    assert answer.text.count("you left it as it was") == 1
    checked = dict(re.findall(r'name="([\w-]+-side)" value="(\w+)" checked', answer.text))
    assert checked == {"name-side": "yours", "budget-side": "theirs"}
    chosen = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', answer.text))
    assert alice.post(PAGE, chosen | checked).status_code == 303
    page = alice.get(PAGE).text
    assert 'value="Pelican Parcel Ltd"' in page
    assert 'value="50.00"' in page


def test_the_square_shows_the_signs_the_company_chose(alice: Browser) -> None:
    alice.post(PAGE, form(alice) | {"initials": "Qx"})
    assert re.search(r'class="brand b\d"[^>]*>Qx<', alice.get("/portal/").text)


def test_settings_are_for_who_may(browser: Browsers, cast: Cast) -> None:
    ann = browser()
    ann.sign_in(cast.ann.email)
    assert ann.get(PAGE).status_code == 403
    assert ann.post(PAGE, {}).status_code == 403


def test_the_day_by_queue_adds_up(cast: Cast, day: Scene, gate: Gate) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found_ = figures.by_queue(session, tenant_id=cast.a.tenant_id, since=NOW - dt.timedelta(hours=12))
        came = figures.arrivals(
            session, tenant_id=cast.a.tenant_id, since=NOW - dt.timedelta(hours=1), step_s=300, steps=12
        )
    one = found_[QueueId(day.line.queue_id)]
    assert (one.answered, one.abandoned + one.short) == (2, 1)
    assert one.offered == one.answered + one.abandoned
    assert one.within <= one.answered
    assert one.talk_s == 65
    assert sum(came[QueueId(day.line.queue_id)]) == 1


def test_the_live_page_shows_what_the_pulse_says_and_says_when_it_is_silent(
    alice: Browser, cast: Cast, day: Scene, realtime: Realtime
) -> None:
    silent = alice.get("/portal/live").text
    assert "no live figures" in silent
    snapshot = {
        "at": NOW.isoformat(),
        "queues": {
            str(day.line.queue_id): {
                "waiting": 3,
                "since": (NOW - dt.timedelta(seconds=112)).isoformat(),
                "talking": 2,
            }
        },
        "agents": {"call": 2, "ready": 1},
        "people": [
            {"number": 1002, "state": "ready", "since": (NOW - dt.timedelta(seconds=9)).isoformat()},
            {"number": 1001, "state": "call", "since": (NOW - dt.timedelta(seconds=75)).isoformat()},
        ],
    }
    pulse.Pulse(None, realtime)._publish(cast.a.tenant_id, snapshot)  # type: ignore[arg-type]
    page = alice.get("/portal/live/floor").text
    assert found(r"Longest</dt><dd[^>]*>([^<]+)", page) == "1:52"
    assert "over 1:20" in page
    assert page.index("Agent 1001") < page.index("Agent 1002")
    assert "1:15" in page
    assert "no live figures" not in page
    today = alice.get("/portal/live/today").text
    assert "who gave up within 5 s does not count" in today
    assert "100 % in 20 s" in today or "% in 20 s" in today
