"""What somebody hears who does not see the page: tables by name, the place in a recording, what changed."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from core import clock
from tests.web.conftest import Browser
from tests.web.scene import NOW, Scene
from tests.web.test_pages import chromed, served

expect.set_options(timeout=20_000)  # a busy machine paints late; what never comes fails all the same

UNNAMED = """() => [...document.querySelectorAll('table')].filter(one => one.checkVisibility() && !one.caption
  && !one.getAttribute('aria-label')
  && !document.getElementById(one.getAttribute('aria-labelledby'))?.textContent)
  .map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def page(app: Flask, alice: Browser, day: Scene) -> Iterator[Page]:
    """Alice's browser, on the calls page."""
    with chromed() as window, served(app) as base:
        context = window.new_context(base_url=base)
        context.add_cookies([{"name": "seatline", "value": alice.cookie() or "", "url": base}])
        made = context.new_page()
        made.goto("/portal/calls")
        yield made
        context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_page_is_heard_as_it_is_seen(page: Page, day: Scene) -> None:
    heard = page.locator("#announcer")
    expect(heard).to_have_text("")
    page.get_by_label("Direction").select_option("outbound")
    expect(heard).to_have_text("No call matches")
    page.get_by_role("link", name="Show all").click()
    expect(heard).to_have_text(re.compile("in all"))
    for path in ("/portal/", "/portal/live", "/portal/calls", "/portal/numbers", day.invoice_path):
        page.goto(path)
        assert page.evaluate(UNNAMED) == [], path
    page.goto(day.path(day.known))
    page.get_by_label("Heard for").select_option("quality")
    page.get_by_role("button", name="Open the recording").click()
    place = page.get_by_role("slider", name="Position in the recording")
    expect(place).to_have_attribute("aria-valuetext", re.compile(r"^0:00 / \d+:\d\d$"))
    page.goto("/portal/company")
    page.get_by_role("button", name="Save").click()
    expect(heard).to_have_text("Saved.")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_filters_fold_on_a_phone_and_stay_as_they_were_left(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    fold, queue = page.get_by_role("button", name="Filters and order"), page.get_by_label("Queue")
    expect(queue).to_be_hidden()
    fold.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Direction").select_option("inbound")
    page.wait_for_url("**direction=inbound**")
    page.get_by_role("button", name="Filters and order 1 in force").wait_for()
    expect(queue).to_be_visible()
