"""What an address may ask of a table, what a file holds, and whose saved views are whose."""

import csv
import datetime as dt
import io
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import openpyxl
import pytest

from core import clock
from core.money import Money
from tests.web.conftest import Browser, Browsers, Cast, found
from tests.web.scene import NOW, Scene
from web import sheets, tables

LONDON = zoneinfo.ZoneInfo("Europe/London")


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: int | None


FRUIT: tables.Table[Fruit] = tables.Table(
    "fruit",
    (
        tables.Column("name", "Name", lambda row: row.name, sorts=True),
        tables.Column("weight", "Weight", lambda row: row.weight, sorts=True),
        tables.Column("secret", "Secret"),
    ),
    filters=(
        tables.Search("q", "Find"),
        tables.Choice("kind", "Kind", lambda: [("stone", "Stone fruit")]),
        tables.Day("on", "On"),
        tables.Digits("no", "Number", longest=3),
    ),
    order="name",
)
BASKET = [Fruit("plum", 3), Fruit("Apple", 2), Fruit("fig", None), Fruit("pear", 11)]


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ({}, {}),
        ({"kind": "stone", "on": "2026-11-19", "no": "007", "q": " plum "},
         {"kind": "stone", "on": "2026-11-19", "no": "007", "q": "plum"}),
        ({"kind": "stone'; drop table", "on": "19 Nov", "no": "1e3", "q": "a\u0007b"}, {}),
        ({"on": "0001-01-01", "no": "1234", "q": "x" * 81, "unknown": "1"}, {}),
    ],
)  # fmt: skip
def test_only_values_of_the_declared_kinds_come_through(
    address: dict[str, str], values: dict[str, str]
) -> None:
    assert tables.ask(FRUIT, address).values == values


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("", ["Apple", "fig", "pear", "plum"]),
        ("-name", ["plum", "pear", "fig", "Apple"]),
        ("weight", ["fig", "Apple", "plum", "pear"]),
        ("secret", ["Apple", "fig", "pear", "plum"]),
        ("name desc", ["Apple", "fig", "pear", "plum"]),
        ("--weight", ["Apple", "fig", "pear", "plum"]),
    ],
)
def test_a_list_stands_in_the_order_asked_for_and_in_no_other(sort: str, names: list[str]) -> None:
    shown = tables.of_list(FRUIT, tables.ask(FRUIT, {"sort": sort}), BASKET)
    assert [one.name for one in shown.rows] == names


def test_a_page_beyond_the_last_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SIZE", 3)
    shown = tables.of_list(FRUIT, tables.ask(FRUIT, {"page": "999"}), BASKET)
    assert [one.name for one in shown.rows] == ["plum"]
    assert (shown.following, shown.preceding, shown.first, shown.total) == (None, {"page": "1"}, 4, 4)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("+44=1", "'+44=1"),
        ("+447700900123", "+447700900123"),
        ("+44 7700 900•••", "+44 7700 900•••"),
        ("Returns", "Returns"),
    ],
)
def test_no_cell_runs_and_a_number_keeps_its_plus(text: str, cell: str) -> None:
    body = b"".join(sheets.csv_of([[text]], zone=dt.UTC)).decode("utf-8-sig")
    assert next(csv.reader(io.StringIO(body, newline=""))) == [cell]
    sheet = openpyxl.load_workbook(
        io.BytesIO(sheets.as_xlsx([["head"], [text]], zone=dt.UTC, title="t"))
    ).active
    assert sheet is not None
    assert sheet["A2"].value == text
    assert sheet["A2"].data_type == "s"


def test_a_file_writes_instants_in_the_readers_zone_and_amounts_with_their_currency() -> None:
    at = dt.datetime(2026, 7, 1, 11, 30, tzinfo=dt.UTC)
    assert sheets.plain(Money(-1205, "GBP")) == (Decimal("-12.05"), "GBP")
    body = sheets.csv_of([[at, dt.date(2026, 7, 1), Decimal("-12.05"), None, 3]], zone=LONDON)
    assert b"".join(body).decode("utf-8-sig") == "2026-07-01T12:30:00+01:00,2026-07-01,-12.05,,3\r\n"


@pytest.fixture
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.mark.usefixtures("noon")
def test_a_file_of_calls_holds_what_the_filters_leave_and_nothing_in_clear(
    day: Scene, browser: Browsers, cast: Cast
) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    answer = alice.get("/portal/calls?outcome=answered&sort=-talk&as=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="calls-2026-11-19.csv"'
    grid = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert grid[0][:2] == ["Started", "Customer"]
    assert grid[0][-2:] == ["Cost", "Currency"]
    assert len(grid) == 4
    assert "Ines" not in answer.text
    assert "900471" not in answer.text
    book = openpyxl.load_workbook(io.BytesIO(alice.get("/portal/calls?as=xlsx").data))
    assert book.active is not None
    assert book.active.max_row == 5
    assert alice.get("/portal/calls?as=pdf").mimetype == "text/html"


def views(page: str) -> list[str]:
    return re.findall(r'href="/portal/invoices\?([^"]*view=view_[^"]+)"', page)


def save(browser: Browser, name: str, **more: str) -> str:
    answer = browser.post(
        "/views",
        {"page": "invoices", "back": "/portal/invoices", "query": "state=paid", "name": name, **more},
    )
    assert answer.status_code == 303
    return str(answer.location)


def test_a_saved_view_is_there_the_next_time_and_its_owners_alone(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    kept = save(alice, "Paid ones")
    page = alice.get(kept).text
    assert "View “Paid ones” saved." in page
    assert 'aria-current="true">Paid ones' in page
    assert 'value="paid" selected' in page
    sue = browser()
    sue.sign_in(cast.sue.email)
    view = kept.partition("view=")[2]
    for other in (sue, browser()):
        assert other.post(f"/views/{view}/forget", {"back": "/portal/"}).status_code in {401, 404}
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    assert charlie.post(f"/views/{view}/default", {"back": "/portal/", "default": "1"}).status_code == 404
    assert "Paid ones" not in charlie.get("/portal/invoices").text


def test_the_default_view_opens_first_until_it_does_not(alice: Browser) -> None:
    kept = save(alice, "Paid ones", default="1")
    opened = alice.get("/portal/invoices")
    assert opened.status_code == 303
    assert opened.location == kept
    assert alice.get("/portal/invoices?view=all").status_code == 200
    view = kept.partition("view=")[2]
    alice.post(f"/views/{view}/default", {"back": "/portal/invoices", "default": "0"})
    assert alice.get("/portal/invoices").status_code == 200


def test_a_removed_view_comes_back_by_undo(alice: Browser) -> None:
    view = save(alice, "=Paid").partition("view=")[2]
    page = alice.get(alice.post(f"/views/{view}/forget", {"back": "/portal/invoices"}).location).text
    assert not views(page)
    form = found(r'<form method="post" action="/views">(.*?Undo)', page)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    alice.post("/views", fields)
    assert len(views(alice.get("/portal/invoices").text)) == 1


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_view_without_a_name_is_refused_and_the_table_stays_as_it_was(alice: Browser, name: str) -> None:
    back = save(alice, name)
    assert back == "/portal/invoices?state=paid"
    assert "Give the view a name" in alice.get(back).text


def test_a_view_leads_nowhere_else(alice: Browser) -> None:
    answer = alice.post(
        "/views", {"page": "x", "back": "//evil.example/", "query": "a=1&b=<script>", "name": "n"}
    )
    assert answer.location.startswith("/?a=1&b=%3Cscript%3E")


def test_a_view_of_the_same_name_replaces_the_old_one(alice: Browser) -> None:
    save(alice, "Mine")
    save(alice, "Mine")
    assert len(views(alice.get("/portal/invoices").text)) == 1
