"""The navigation: everything is there once, what a first day needs is in sight, the rest is folded."""

import re

from tests.web.conftest import Browser
from web import nav


def folded(page: str) -> dict[str, str]:
    """Return the folded groups of the side rail: heading to what stands in it, `open ` before an open one."""
    rail = page.partition('<nav class="navs"')[2].partition("</nav>")[0]
    found = re.findall(
        r'<details class="nav"( open)?><summary><h2>([^<]+)</h2>(.*?)</details>', rail, re.DOTALL
    )
    return {heading: is_open + inside for is_open, heading, inside in found}


def test_a_first_day_sees_what_it_needs_and_the_rest_by_heading(alice: Browser) -> None:
    page = alice.get("/portal/").text
    groups = folded(page)
    assert set(groups) == {"People", "Programs", "Security and privacy"}
    assert not any(inside.startswith(" open") for inside in groups.values())
    rail = page.partition('<nav class="navs"')[2].partition("</nav>")[0]
    in_sight = rail.count("<a href") - sum(inside.count("<a href") for inside in groups.values())
    assert in_sight <= 16
    for address in ("/portal/seats", "/portal/numbers", "/portal/queues", "/portal/invoices"):
        assert f'href="{address}"' in rail
        assert not any(f'href="{address}"' in inside for inside in groups.values())


def test_the_group_in_which_the_page_stands_is_open(alice: Browser) -> None:
    for address, heading in (("/portal/webhooks", "Programs"), ("/portal/people", "People")):
        groups = folded(alice.get(address).text)
        assert [name for name, inside in groups.items() if inside.startswith(" open")] == [heading]
        assert f'href="{address}" aria-current="page"' in groups[heading]


def test_every_entry_stands_in_one_group_and_behind_more_or_in_the_bottom_bar() -> None:
    for room, entries in (("portal", nav.PORTAL), ("operator", nav.OPERATOR)):
        groups = nav.groups(room)
        listed = [one.key for group in groups for one in group.entries]
        assert sorted(listed) == sorted(one.key for one in entries)
        behind = [one.key for group in nav.more(groups) for one in group.entries]
        assert sorted(behind + [one.key for one in nav.bottom(groups)]) == sorted(listed)
        assert len(nav.bottom(groups)) <= 4


def test_who_may_little_meets_no_empty_heading() -> None:
    shown = nav.groups("portal", frozenset({"portal.open", "webhooks.read"}))
    assert [str(group.heading) for group in shown] == ["", "Programs"]
